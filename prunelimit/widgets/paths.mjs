// Chapter 8: how four methods move over chapter 6's plane, and who wins.
import { boundaries, createWidget, interpolate, percent, Plot } from "./common.mjs";

const LOOKS = {
  oneshot: { look: "blue", line: "blue", shape: "circle" },
  iterative: { look: "green", line: "green pl-dash", shape: "square" },
  l2: { look: "orange", line: "orange pl-dashdot", shape: "triangle" },
  raregems: { look: "red", line: "red pl-dot", shape: "diamond" },
};

function column(points, which) {
  return points.map((point) => point[which]);
}

// In this order, whatever the order in which the page's state keeps them.
function methods(paths) {
  return Object.keys(LOOKS).filter((name) => name in paths).map((name) => [name, paths[name]]);
}

/** Each method's fine-tuned test accuracy at a sparsity, linear between the measured ones. */
export function accuracies(paths, sparsity) {
  return Object.fromEntries(
    methods(paths).map(([name, { scores }]) => [name, interpolate(column(scores, 0), column(scores, 1), sparsity)]),
  );
}

export function evaluate(state, data) {
  const found = accuracies(data.paths, state.sparsity);
  const winner = Object.keys(found).reduce((best, name) => (found[name] > found[best] ? name : best));
  return { ...found, found, winner, edges: boundaries(data.nodes, data.counts, data.dim, data.epsilon) };
}

function upTo(path, sparsity) {
  const kept = [];
  for (const point of path) {
    if (point[0] > sparsity) break;
    kept.push(point);
  }
  return kept;
}

function drawPlane({ width, height, state, result, data }) {
  const top = 1.1 * Math.max(...Object.values(data.paths).flatMap(({ path }) => column(path, 1)));
  const plot = new Plot({ width, height, x: [0, 1], y: [0, top], xLabel: "sparsity", yLabel: "distance R" });
  plot.line(result.edges.paper, "purple pl-thin pl-dash");
  plot.line(result.edges.sharp, "grey pl-thin pl-dashdot");
  for (const [name, { path }] of methods(data.paths)) {
    const seen = upTo(path, state.sparsity);
    plot.line(seen, LOOKS[name].line);
    if (seen.length) plot.marks([seen[seen.length - 1]], LOOKS[name].shape, LOOKS[name].look, 5.5);
  }
  plot.vertical(state.sparsity, "grey pl-thin");
  plot.handle(state.sparsity, 0.92 * top, "horizontal");
  return plot;
}

function drawAccuracies({ width, height, state, result, data }) {
  const lowest = Math.min(...Object.values(data.paths).flatMap(({ scores }) => column(scores, 1)));
  const range = [Math.max(0, Math.floor(lowest * 10 - 1) / 10), 1.01];
  const plot = new Plot({ width, height, x: [0.58, 1], y: range, xLabel: "sparsity", yLabel: "test accuracy, fine-tuned" });
  plot.horizontal(data.dense_accuracy, "grey pl-thin pl-dash", "dense");
  if (!state.reveal) {
    plot.text(0.6, range[0] + 0.55 * (range[1] - range[0]), "Hidden until you reveal.");
  } else {
    for (const [name, { scores }] of methods(data.paths)) {
      plot.line(scores, LOOKS[name].line);
      plot.marks(scores, LOOKS[name].shape, LOOKS[name].look, 4);
      plot.marks([[state.sparsity, result.found[name]]], LOOKS[name].shape, LOOKS[name].look, 6);
    }
  }
  plot.vertical(state.sparsity, "grey pl-thin");
  return plot;
}

function sentence(state, result, data) {
  const label = (name) => data.paths[name].label;
  const place = `At a sparsity of ${percent(state.sparsity)}`;
  if (!state.reveal) {
    const guess = state.guess in data.paths ? ` Your guess: ${label(state.guess)}.` : " Guess the winner first.";
    return `${place}: which way leaves the best network after the same number of epochs?${guess}`;
  }
  const right = state.guess === result.winner ? " You guessed right." : state.guess in data.paths ? ` You guessed ${label(state.guess)}, at ${percent(result.found[state.guess])}.` : "";
  return `${place} the winner is ${label(result.winner)} with a test accuracy of ${percent(result.found[result.winner])}.${right}`;
}

export const spec = {
  name: "paths",
  keeps: ["guess"],
  play: { label: "Prune", states: () => [0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99].map((sparsity) => ({ sparsity })) },
  evaluate,
  sentence,
  readouts: (state, result, data) =>
    state.reveal
      ? Object.entries(result.found).map(([name, accuracy]) => ({
          name, label: data.paths[name].label, value: accuracy, text: `${percent(accuracy)}${name === result.winner ? " ★" : ""}`, look: LOOKS[name].look,
        }))
      : [{ name: "guess", label: "your guess", text: state.guess in data.paths ? data.paths[state.guess].label : "none yet", look: "grey" }],
  panels: [
    {
      name: "plane", title: "Paths over the plane of sparsity and distance", draw: drawPlane, tall: 340,
      drag: { touch: "pan-y", move: (grip, x) => ({ sparsity: x }) },
      legend: (state, result, data) => [
        ...methods(data.paths).map(([name, { label }]) => ({ label, look: LOOKS[name].look, shape: LOOKS[name].shape })),
        { label: "boundary, paper", look: "purple pl-thin pl-dash" }, { label: "boundary, sharp", look: "grey pl-thin pl-dashdot" },
      ],
    },
    { name: "accuracies", title: "Who wins?", draw: drawAccuracies, tall: 340, drag: { touch: "pan-y", move: (grip, x) => ({ sparsity: x }) } },
  ],
};

export default createWidget(spec);
