// Chapter 6: a real network's distance profile against the boundaries of paper and sharp limit.
import { boundaries, createWidget, distanceProfile, firstCrossing, format, percent, Plot, solveLimit } from "./common.mjs";
import { recallGuess } from "./guesses.mjs";

export function evaluate(state, data) {
  const { dim, counts } = data;
  const nodes = data.nodes.map((node) => node * state.sharpness);
  const distance = distanceProfile(data.kept, data.squares, state.scale);
  const paper = solveLimit("paper", nodes, counts, distance, state.epsilon);
  const sharp = solveLimit("sharp", nodes, counts, distance, state.epsilon);
  const factor = state.sharpness * state.scale ** 2;
  return {
    nodes,
    distance,
    paper: 1 - paper.kept / dim,
    sharp: 1 - sharp.kept / dim,
    oneShot: firstCrossing(data.sparsities, data.rises, state.epsilon / factor),
    paperRidge: paper.ridge,
    sharpRidge: sharp.ridge,
    paperKept: paper.kept,
    sharpKept: sharp.kept,
    status: sharp.status,
    edges: boundaries(nodes, counts, dim, state.epsilon),
  };
}

// ---------------------------------------------------------------- drawing

function drawPlane({ width, height, state, result, data }) {
  const top = 1.6 * Math.sqrt(data.squares[0]);
  const plot = new Plot({ width, height, x: [0, 1], y: [0, top], xLabel: "sparsity 1 − k/D", yLabel: "distance R" });
  const profile = data.kept.map((kept) => [1 - kept / data.dim, result.distance(kept)]);
  const { paper, sharp } = result.edges;
  plot.area([[0, 0], ...profile.slice().reverse().map(([x, y]) => [x, y]), [1, 0]], "sky");
  plot.line(paper, "purple pl-dash");
  plot.line(sharp, "ink pl-dashdot");
  plot.line(profile, "blue");
  const on = (sparsity) => [sparsity, result.distance((1 - sparsity) * data.dim)];
  plot.marks([on(result.oneShot)], "square", "red", 5);
  plot.marks([on(result.paper)], "triangle", "purple", 6);
  plot.marks([on(result.sharp)], "diamond", "ink", 5);
  plot.handle(...profileHandle(result, data), "vertical");
  plot.handle(...boundaryHandle(result, paper), "vertical");
  return plot;
}

function profileHandle(result, data) {
  return [0.995, result.distance(0.005 * data.dim)];
}

// On the paper's boundary, to the right of everything else.
function boundaryHandle(result, paper) {
  const wanted = Math.min(0.97, (1 + result.paper) / 2 + 0.02);
  const place = paper.reduce((best, point) => (Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best));
  return place;
}

const dragPlane = {
  start(px, py, plot, state, result, data) {
    const far = ([x, y]) => Math.hypot(px - plot.px(x), py - plot.py(y));
    const paper = boundaryHandle(result, result.edges.paper);
    const [scale, epsilon] = [far(profileHandle(result, data)), far(paper)];
    if (Math.min(scale, epsilon) > 32) return null;
    return scale <= epsilon ? { name: "scale" } : { name: "epsilon", from: state.epsilon, height: paper[1] };
  },
  move(grip, x, y, state, result, data) {
    const height = Math.max(y, 1e-6);
    if (grip.name === "scale") return { scale: height / distanceProfile(data.kept, data.squares)(0.005 * data.dim) };
    return { epsilon: grip.from * (height / grip.height) ** 2 };
  },
};

function drawAnswers({ width, height, state, result, data }) {
  const shown = state.reveal && data.accuracy;
  const low = Math.min(result.oneShot, result.paper, result.sharp) < 0.5 ? 0 : 0.5;
  const plot = new Plot({ width, height, x: [low, 1], y: [0, 1.02], xLabel: "sparsity", yLabel: "test accuracy", rows: !shown });
  if (shown) {
    plot.line(data.measured.map((place, j) => [place, data.accuracy[j]]), "blue");
    plot.vertical(data.real_existence, "green pl-dot");
  }
  const at = (sparsity) => Math.max(low, sparsity);
  plot.vertical(at(result.oneShot), "red");
  plot.vertical(at(result.paper), "purple pl-dash");
  plot.vertical(at(result.sharp), "ink pl-dashdot");
  if (state.guess > 0) plot.vertical(at(state.guess), "orange pl-thin");
  return plot;
}

function drawSpectrum({ width, height, result, data }) {
  const positive = data.nodes.filter((node) => node > 0);
  const range = [1e-3 * Math.max(...positive) * 1e-6, 30 * Math.max(...positive)];
  const plot = new Plot({ width, height, x: range, y: [0, 1.08], xLog: true, xLabel: "curvature λ, ridge σ", yLabel: "directions" });
  const bins = new Array(30).fill(0);
  const step = Math.log(range[1] / range[0]) / bins.length;
  result.nodes.forEach((node, j) => {
    const bin = Math.floor(Math.log(node / range[0]) / step);
    if (bin >= 0 && bin < bins.length) bins[bin] += data.counts[j];
  });
  const most = Math.max(...bins, 1);
  plot.bars(bins.map((count, j) => [range[0] * Math.exp(j * step), range[0] * Math.exp((j + 1) * step), count / most]), "sky");
  plot.vertical(result.paperRidge, "purple pl-dash", "σ, paper", 0);
  plot.vertical(result.sharpRidge, "ink pl-dashdot", "σ, sharp", 1);
  return plot;
}

function sentence(state, result, data) {
  const guess = state.guess > 0 ? ` You guessed ${percent(state.guess)}.` : "";
  return (
    `${data.name}: with ε = ${format(state.epsilon, 3)}, magnitude pruning alone can remove ${percent(result.oneShot)}, ` +
    `the paper's limit is ${percent(result.paper)} and the sharp one ${percent(result.sharp)}.${guess}`
  );
}

export const spec = {
  name: "the-limit",
  keeps: ["guess"],
  play: { label: "Flatten the loss", states: () => [10, 3, 1, 0.3, 0.1, 0.03].map((sharpness) => ({ sharpness })) },
  start(view) {
    if (view.state.guess !== 0) return;
    recallGuess(view);
    view.defaults.guess = view.state.guess;
  },
  shows: (key, state, data) => key !== "reveal" || Boolean(data.accuracy),
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "oneShot", label: "one-shot, quadratic model", value: result.oneShot, text: percent(result.oneShot), look: "red" },
    { name: "paper", label: "paper's limit", value: result.paper, text: percent(result.paper), look: "purple" },
    { name: "sharp", label: "sharp limit", value: result.sharp, text: percent(result.sharp), look: "ink" },
    { name: "paperKept", label: "k, paper", value: result.paperKept, look: "purple" },
    { name: "sharpKept", label: "k, sharp", value: result.sharpKept, look: "ink" },
    ...(state.guess > 0 ? [{ name: "guess", label: "your guess", value: state.guess, text: percent(state.guess), look: "orange" }] : []),
  ],
  panels: [
    {
      name: "plane", title: "Where R(k), the distance, meets the boundary", draw: drawPlane, drag: dragPlane, tall: 340,
      legend: () => [
        { label: "R(k)", look: "blue" }, { label: "boundary, paper", look: "purple pl-dash" },
        { label: "boundary, sharp", look: "ink pl-dashdot" }, { label: "one-shot", look: "red", shape: "square" },
      ],
    },
    {
      name: "answers", title: "Three answers", draw: drawAnswers, tall: 340,
      drag: { touch: "pan-y", move: (grip, x) => ({ guess: Math.min(0.999, Math.max(0.001, x)) }) },
      // Named below: lines that stand this near each other leave no room for words between them.
      legend: (state, result, data) => [
        { label: "one-shot", look: "red" }, { label: "paper", look: "purple pl-dash" }, { label: "sharp", look: "ink pl-dashdot" },
        ...(state.guess > 0 ? [{ label: "your guess", look: "orange pl-thin" }] : []),
        ...(state.reveal && data.accuracy
          ? [{ label: "one-shot test accuracy, measured", look: "blue" }, { label: "fine-tuned reaches L + ε", look: "green pl-dot" }] : []),
      ],
    },
    { name: "spectrum", title: "The spectrum: directions steeper than σ count", draw: drawSpectrum, wide: true, more: true, tall: 220, ratio: 0.35 },
  ],
};

export default createWidget(spec);
