// Chapter 3: the probability that a random subspace meets a cone, and its phase transition.
import { chiSquare, createWidget, format, generator, Plot } from "./common.mjs";
import { hittingProbability, intrinsicVolume, rounded, statisticalDimension } from "./cones.mjs";

const CURVE_POINTS = 160;
const MOST = 400; // random subspaces at each point

/** Upper bound 4 exp(−…) on the probability of being `gap` dimensions away from the transition. */
export function tail(gap, dim, delta, form) {
  if (gap <= 0) return 1;
  const omega = Math.min(delta, dim - delta);
  const exponent = form === "sharper" ? gap ** 2 / 8 / (omega + gap) : gap ** 2 / (8 * dim);
  return Math.min(1, 4 * Math.exp(-exponent));
}

/** Lower and upper bound on the hitting probability (ALMT Theorem 7.1, the paper's Theorem 2.4). */
export function bounds(delta, m, dim, form = "paper") {
  return [1 - tail(delta + m - dim, dim, delta, form), tail(dim - delta - m, dim, delta, form)];
}

/** At most `points` different whole numbers from `low` to `high`. */
export function wholeNumbers(low, high, points) {
  const found = [];
  for (let j = 0; j <= points; j += 1) {
    const number = Math.floor(low + ((high - low) * j) / points + 0.5);
    if (number !== found[found.length - 1]) found.push(number);
  }
  return found;
}

// Everywhere, and densely where the probability moves.
function subspaceDimensions(dim, delta) {
  const spread = 6 * Math.sqrt(Math.max(1, Math.min(delta, dim - delta)));
  const inner = wholeNumbers(Math.max(1, Math.floor(dim - delta - spread)), Math.min(dim, Math.ceil(dim - delta + spread)), CURVE_POINTS);
  const outer = wholeNumbers(1, dim, 40);
  return [...new Set([...inner, ...outer])].sort((a, b) => a - b);
}

export function evaluate(state, data = {}, memory = {}) {
  const cone = { cone: state.cone, dim: state.dim, angle: state.angle };
  const delta = statisticalDimension(cone);
  const m = rounded(state.dim, state.share);
  const dimensions = subspaceDimensions(state.dim, delta);
  const [lower, upper] = bounds(delta, m, state.dim);
  const margin = Math.sqrt(8 * Math.log(4 / state.eta) * state.dim);
  return {
    cone,
    m,
    delta,
    location: state.dim - delta,
    probability: hittingProbability(cone, m),
    lower,
    upper,
    margin,
    dimensions,
    curve: dimensions.map((number) => hittingProbability(cone, number)),
    simulated: tally(simulationPoints(state.dim, delta), memory.samples || []),
  };
}

/** Share of hits and its standard error at each subspace dimension, out of draws of all of them. */
export function tally(dimensions, draws) {
  if (!draws.length) return null;
  return dimensions.map((m, j) => {
    const mean = draws.reduce((sum, hits) => sum + hits[j], 0) / draws.length;
    return [m, mean, Math.sqrt((mean * (1 - mean)) / draws.length)];
  });
}

/** Number of hits of a circular cone in `trials` random m-dimensional subspaces. */
export function simulateHits({ dim, angle }, m, trials, seed) {
  const uniform = generator(seed);
  const least = Math.cos((angle * Math.PI) / 180) ** 2;
  let hits = 0;
  for (let t = 0; t < trials; t += 1) {
    // squared length of the axis' projection: a ratio of χ² numbers
    const along = chiSquare(uniform, m);
    const across = chiSquare(uniform, dim - m);
    if (along / (along + across) >= least) hits += 1;
  }
  return hits;
}

/** Where to simulate: eleven subspace dimensions through the transition. */
export function simulationPoints(dim, delta) {
  const spread = 2.2 * Math.sqrt(Math.max(1, Math.min(delta, dim - delta)));
  const low = Math.max(1, Math.floor(dim - delta - spread));
  const high = Math.min(dim - 1, Math.ceil(dim - delta + spread));
  return wholeNumbers(low, high, 10);
}

// ---------------------------------------------------------------- drawing

function drawProbability({ width, height, state, result }) {
  const { dim, share } = state;
  const plot = new Plot({ width, height, x: [0, 1], y: [-0.02, 1.05], xLabel: "subspace dimension m / D", yLabel: "P{hit}" });
  const along = (values) => result.dimensions.map((m, j) => [m / dim, values[j]]);
  const band = result.dimensions.map((m) => bounds(result.delta, m, dim));
  plot.area([...along(band.map(([low]) => low)), ...along(band.map(([, high]) => high)).reverse()], "sky");
  const sharper = result.dimensions.map((m) => bounds(result.delta, m, dim, "sharper"));
  plot.line(along(sharper.map(([low]) => low)), "grey pl-thin pl-dot");
  plot.line(along(sharper.map(([, high]) => high)), "grey pl-thin pl-dot");
  plot.vertical(result.location / dim, "purple pl-thin pl-dash");
  plot.note(plot.px(result.location / dim), plot.bottom - 8, "D − δ");
  plot.line(along(result.curve), "ink");
  if (result.simulated) {
    plot.errors(result.simulated.map(([m, mean, error]) => [m / dim, mean - 2 * error, mean + 2 * error]), "green");
    plot.marks(result.simulated.map(([m, mean]) => [m / dim, mean]), "circle", "green");
  }
  plot.vertical(share, "red pl-thin");
  plot.handle(result.m / dim, result.probability, "horizontal");
  return plot;
}

function volumes(state, result) {
  const spread = 7 * Math.sqrt(Math.max(1, Math.min(result.delta, state.dim - result.delta)));
  const numbers = wholeNumbers(Math.max(0, Math.floor(result.delta - spread)), Math.min(state.dim, Math.ceil(result.delta + spread)), 120);
  return numbers.map((j) => [j, intrinsicVolume(result.cone, j)]);
}

function drawVolumes({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [0, 1.08], xLabel: "j / D", yLabel: "v_j / largest" });
  const found = volumes(state, result);
  const most = Math.max(...found.map(([, volume]) => volume));
  const cut = state.dim - result.m + 1;
  const half = found.length > 1 ? (found[1][0] - found[0][0]) / 2 : 0.5;
  const boxes = (chosen) => chosen.map(([j, volume]) => [(j - half) / state.dim, (j + half) / state.dim, volume / most]);
  plot.bars(boxes(found.filter(([j]) => j < cut)), "grey");
  plot.bars(boxes(found.filter(([j]) => j >= cut)), "red");
  plot.vertical(result.delta / state.dim, "purple pl-thin pl-dash", "δ", 0);
  plot.vertical(cut / state.dim, "red pl-thin", "D − m + 1", 1);
  return plot;
}

function sentence(state, result) {
  const name = state.cone === "circular" ? `circular cone of ${format(state.angle)}°` : "non-negative orthant";
  return (
    `In ${state.dim} dimensions, a random subspace of dimension m = ${result.m} meets the ${name} with probability ` +
    `${format(result.probability)}; the transition is at D − δ = ${format(result.location)}.`
  );
}

export const spec = {
  name: "kinematics",
  play: { label: "Raise D", states: () => [3, 10, 30, 100, 300, 1000, 10000, 100000].map((dim) => ({ dim })) },
  remember: () => ({ samples: [] }),
  samples: {
    most: MOST,
    key: ({ simulate, cone, dim, angle }) => (simulate && cone === "circular" ? `${dim}:${angle}` : null),
    draw: (state, seed) =>
      simulationPoints(state.dim, statisticalDimension(state)).map((m) => simulateHits(state, m, 1, 9973 * seed + m)),
  },
  shows: (key, state) => key !== "angle" || state.cone === "circular",
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "m", label: "m", value: result.m, look: "red" },
    { name: "probability", label: "P{hit}, exact", value: result.probability, look: "ink" },
    { name: "lower", label: "bound from below", value: result.lower, look: "sky" },
    { name: "upper", label: "bound from above", value: result.upper, look: "sky" },
    { name: "delta", label: "δ(C)", value: result.delta, look: "purple" },
    { name: "margin", label: "a·√D at η", value: result.margin, look: "grey" },
  ],
  panels: [
    {
      name: "probability", title: "Does a random subspace meet the cone?", draw: drawProbability,
      drag: { touch: "pan-y", move: (grip, x) => ({ share: x }) },
      legend: (state, result) => [
        { label: "exact", look: "ink" }, { label: "between the paper's bounds", look: "sky", shape: "area" },
        { label: "sharper bounds (ALMT)", look: "grey pl-thin pl-dot" },
        ...(result.simulated ? [{ label: "simulated, ± 2 standard errors", look: "green", shape: "circle" }] : []),
      ],
    },
    {
      name: "volumes", title: "Intrinsic volumes: the shaded tail is what counts", draw: drawVolumes,
      drag: { touch: "pan-y", move: (grip, x) => ({ share: 1 - x }) },
    },
  ],
};

export default createWidget(spec);
