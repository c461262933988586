// Introduction: guess where magnitude pruning breaks a network, then look.
import { createWidget, interpolate, percent, Plot, points } from "./common.mjs";
import { keepGuess, recallGuess } from "./guesses.mjs";

/** Largest sparsity at which the accuracy still reaches `level`. */
export function lastPassing(places, values, level) {
  let found = places[0];
  for (let j = 0; j < places.length; j += 1) if (values[j] >= level) found = Math.max(found, places[j]);
  return found;
}

export function evaluate(state, data) {
  const level = data.dense_accuracy - state.loss;
  const breaks = lastPassing(data.measured, data.accuracy, level);
  return {
    level,
    breaks,
    miss: state.guess - breaks,
    atGuess: interpolate(data.measured, data.accuracy, state.guess),
    dense: data.dense_accuracy,
  };
}

function draw({ width, height, state, result, data }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [0, 1.02], xLabel: "sparsity: share of weights set to 0", yLabel: "test accuracy" });
  plot.horizontal(result.level, "grey pl-dash", `accuracy still allowed: ${percent(result.level)}`);
  if (state.reveal) {
    plot.line(data.measured.map((place, j) => [place, data.accuracy[j]]), "blue");
    plot.vertical(result.breaks, "green pl-dot", `breaks at ${percent(result.breaks)}`, 4);
  } else {
    plot.marks([[0, data.dense_accuracy]], "circle", "blue", 5);
    plot.text(state.guess > 0.45 ? 0.01 : state.guess + 0.02, 0.08, "Hidden until you reveal it.");
  }
  plot.vertical(state.guess, "orange", "your guess", 5);
  plot.handle(state.guess, 0.25, "horizontal");
  return plot;
}

function sentence(state, result, data) {
  const start = `${data.name} (test accuracy ${percent(result.dense)}): your guess is that magnitude pruning breaks it at a sparsity of ${percent(state.guess)}.`;
  if (!state.reveal) return `${start} Reveal the measured curve when you are sure.`;
  const size = points(result.miss);
  const verdict = Math.abs(result.miss) < 0.02 ? "Well guessed" : `You were ${size} too ${result.miss > 0 ? "high" : "low"}`;
  return `${start} It breaks at ${percent(result.breaks)}. ${verdict}: at your guess the accuracy is ${percent(result.atGuess)}.`;
}

export const spec = {
  name: "where-does-accuracy-break",
  keeps: ["guess"],
  start: recallGuess,
  changed(view, changes) {
    // Who looks has guessed, be it where the slider stood.
    if ("guess" in changes || "reveal" in changes) keepGuess(view);
  },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "guess", label: "your guess", value: state.guess, text: percent(state.guess), look: "orange" },
    ...(state.reveal
      ? [
          { name: "breaks", label: "it breaks at", value: result.breaks, text: percent(result.breaks), look: "green" },
          { name: "atGuess", label: "accuracy at your guess", value: result.atGuess, text: percent(result.atGuess), look: "blue" },
        ]
      : []),
  ],
  panels: [
    {
      name: "curve", title: "Magnitude pruning, survivors untouched", draw, wide: true, tall: 360, ratio: 0.6,
      drag: { touch: "pan-y", move: (grip, x) => ({ guess: Math.min(0.99, Math.max(0.01, x)) }) },
      legend: (state) => [{ label: "your guess", look: "orange" }, ...(state.reveal ? [{ label: "measured", look: "blue" }] : [])],
    },
  ],
};

export default createWidget(spec);
