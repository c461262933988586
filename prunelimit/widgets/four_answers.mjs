// Chapter 0: everything that was computed and measured on one network, laid beside the reader's guess.
import { createWidget, percent, Plot, points } from "./common.mjs";
import { keepGuess, recallGuess } from "./guesses.mjs";

const LOOKS = { computed: { look: "purple", shape: "diamond" }, measured: { look: "blue", shape: "square" } };

/** The answers that are shown, each with its middle, and how far the guess is from the first measured one. */
export function evaluate(state, data) {
  const shown = data.answers.slice(0, state.shown);
  const middles = Object.fromEntries(shown.map(({ key, low, high }) => [key, (low + high) / 2]));
  const first = shown.find(({ kind }) => kind === "measured");
  return { ...middles, shown, miss: first && state.guess > 0 ? state.guess - middles[first.key] : null };
}

function draw({ width, height, state, result, data }) {
  const rows = data.answers.length;
  const plot = new Plot({ width, height, x: [0.5, 1], y: [0, rows + 0.6], xLabel: "sparsity", rows: true });
  result.shown.forEach(({ label, low, high, kind }, j) => {
    const y = rows - j - 0.7;
    const { look, shape } = LOOKS[kind];
    if (high > low) plot.segment(low, y, high, y, look);
    plot.marks([[(low + high) / 2, y]], shape, look, 5);
    plot.note(plot.left + 2, plot.py(y + 0.34), label, look);
  });
  if (state.guess > 0) plot.vertical(Math.max(0.5, state.guess), "orange pl-dash", "your guess");
  return plot;
}

function sentence(state, result) {
  const guess = state.guess > 0 ? `You guessed ${percent(state.guess)}.` : "You have not guessed yet.";
  if (!result.shown.length) return `${guess} Nothing is shown yet.`;
  const last = result.shown[result.shown.length - 1];
  const miss = result.miss === null ? "" : ` The untouched network breaks ${points(result.miss)} ${result.miss > 0 ? "earlier" : "later"} than you guessed.`;
  return `${guess} Shown last, ${last.label}: ${percent((last.low + last.high) / 2)}.${miss}`;
}

export const spec = {
  name: "four-answers",
  keeps: ["guess"],
  start: recallGuess,
  changed(view, changes) {
    if ("guess" in changes) keepGuess(view);
  },
  play: { label: "Show them", states: (state, data) => data.answers.map((_, j) => ({ shown: j + 1 })) },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "guess", label: "your guess", value: state.guess > 0 ? state.guess : undefined, text: state.guess > 0 ? percent(state.guess) : "none", look: "orange" },
    ...result.shown.map(({ key, label, low, high, kind }) => ({
      name: key, label, value: result[key], look: LOOKS[kind].look,
      text: high > low ? `${percent(low)} to ${percent(high)}` : percent(low),
    })),
  ],
  panels: [
    {
      name: "answers", title: "Sparsity: what was computed before, and what was measured", draw, wide: true, tall: 330, ratio: 0.8,
      drag: { touch: "pan-y", move: (grip, x) => ({ guess: Math.min(0.99, Math.max(0.01, x)) }) },
      legend: () => [
        { label: "computed before anything was cut", look: "purple", shape: "diamond" },
        { label: "measured", look: "blue", shape: "square" }, { label: "your guess", look: "orange pl-dash" },
      ],
    },
  ],
};

export default createWidget(spec);
