// Chapter 2: how large a cone is, by the squared length of a projected normal vector.
import { chiSquare, createWidget, format, generator, logGamma, normal, Plot } from "./common.mjs";
import { circularStatisticalDimension, descentShare, intrinsicVolume, rounded, statisticalDimension } from "./cones.mjs";

const MOST = 400;
const BINS = 48;
const CURVE_POINTS = 90;

/** How often the projection has each number of free coordinates: [[j, weight], …], or null. */
export function mixture(state, delta) {
  if (state.cone === "descent") return null;
  if (state.cone === "subspace") return [[delta, 1]];
  const spread = 9 * Math.sqrt(Math.max(1, Math.min(delta, state.dim - delta)));
  const low = Math.max(0, Math.floor(delta - spread));
  const high = Math.min(state.dim, Math.ceil(delta + spread));
  // v is smooth, so every stride-th term stands for its neighbours in large dimensions
  const stride = Math.max(1, Math.floor((high - low) / 150));
  const terms = [];
  for (let j = low; j <= high; j += stride) terms.push([j, stride * intrinsicVolume(state, j)]);
  return terms;
}

/** Density of ‖Π_C g‖² at t > 0: the mixture of χ²_j with weights v_j. */
export function density(terms, t) {
  let sum = 0;
  for (const [freedom, weight] of terms) {
    if (freedom === 0) continue;
    const half = freedom / 2;
    sum += weight * Math.exp((half - 1) * Math.log(t) - t / 2 - half * Math.LN2 - logGamma(half));
  }
  return sum;
}

/** ‖Π_C g‖² of one normal vector g. */
export function sampleSquare(state, uniform) {
  if (state.cone === "subspace") return chiSquare(uniform, rounded(state.dim, state.share));
  if (state.cone === "circular") return sampleCircular(state, uniform);
  if (state.cone === "orthant") return sampleOrthant(state.dim, uniform);
  return sampleDescent(state, uniform);
}

function sampleCircular({ dim, angle }, uniform) {
  const alpha = (angle * Math.PI) / 180;
  const along = normal(uniform);
  const across = Math.sqrt(chiSquare(uniform, dim - 1));
  if (across <= along * Math.tan(alpha)) return along ** 2 + across ** 2;
  return Math.max(0, along * Math.cos(alpha) + across * Math.sin(alpha)) ** 2;
}

// The number of positive coordinates, by counting random bits, and then their squared length.
function sampleOrthant(dim, uniform) {
  let positive = 0;
  for (let left = dim; left > 0; left -= 32) {
    let bits = Math.floor(uniform() * 4294967296) >>> 0;
    if (left < 32) bits &= 2 ** left - 1;
    for (; bits !== 0; bits &= bits - 1) positive += 1;
  }
  return chiSquare(uniform, positive);
}

/** Squared distance of g to the polar cone {τ·∂‖x‖₁}: min over τ ≥ 0 of a convex function. */
export function descentSquare(g, nonzeros) {
  let low = 0;
  let high = Math.max(1e-12, ...g.map(Math.abs));
  const slope = (tau) => {
    let sum = 0;
    for (let i = 0; i < g.length; i += 1) sum += i < nonzeros ? tau - g[i] : -Math.max(0, Math.abs(g[i]) - tau);
    return sum;
  };
  for (let step = 0; step < 50 && slope(0) < 0; step += 1) {
    const middle = (low + high) / 2;
    if (slope(middle) < 0) low = middle;
    else high = middle;
  }
  const tau = slope(0) < 0 ? (low + high) / 2 : 0;
  let square = 0;
  for (let i = 0; i < g.length; i += 1) square += i < nonzeros ? (g[i] - tau) ** 2 : Math.max(0, Math.abs(g[i]) - tau) ** 2;
  return square;
}

function sampleDescent({ dim, share }, uniform) {
  return descentSquare(Float64Array.from({ length: dim }, () => normal(uniform)), rounded(dim, share));
}

/** Many samples from one seed. */
export function samples(state, count, seed) {
  const uniform = generator(seed);
  return Array.from({ length: count }, () => sampleSquare(state, uniform));
}

/** δ/D along the control that shapes the cone: [[position, δ/D], …]. */
export function shapeCurve(state) {
  const places = Array.from({ length: CURVE_POINTS }, (_, j) => (j + 0.5) / CURVE_POINTS);
  if (state.cone === "circular") return places.map((place) => [90 * place, circularStatisticalDimension(state.dim, 90 * place) / state.dim]);
  if (state.cone === "descent") return places.map((place) => [place, descentShare(place)]);
  return places.map((place) => [place, state.cone === "orthant" ? 0.5 : place]);
}

export function evaluate(state, data = {}, memory = {}) {
  const delta = statisticalDimension(state);
  const drawn = memory.samples || [];
  const count = drawn.length;
  const mean = drawn.reduce((sum, square) => sum + square, 0) / count;
  const variance = drawn.reduce((sum, square) => sum + (square - mean) ** 2, 0) / Math.max(1, count - 1);
  const length = drawn.reduce((sum, square) => sum + Math.sqrt(square), 0) / count;
  return {
    delta,
    share: delta / state.dim,
    polar: state.dim - delta,
    terms: mixture(state, delta),
    curve: shapeCurve(state),
    drawn,
    count,
    mean: count ? mean : NaN,
    error: count > 1 ? Math.sqrt(variance / count) : NaN,
    width: count ? length ** 2 : NaN,
  };
}

// ---------------------------------------------------------------- drawing

function place(state) {
  return state.cone === "circular" ? state.angle : state.share;
}

function drawShape({ width, height, state, result }) {
  const circular = state.cone === "circular";
  const label = { circular: "half-angle α in degrees", descent: "share of non-zeros s / D", subspace: "dimension / D", orthant: "(an orthant has no angle)" }[state.cone];
  const plot = new Plot({ width, height, x: circular ? [0, 90] : [0, 1], y: [0, 1.03], xLabel: label, yLabel: "δ / D" });
  if (circular) plot.line(result.curve.map(([angle]) => [angle, Math.sin((angle * Math.PI) / 180) ** 2]), "grey pl-dash");
  plot.line(result.curve, "blue");
  plot.handle(state.cone === "orthant" ? 0.5 : place(state), result.share, "horizontal");
  return plot;
}

function histogram(values, dim) {
  const counts = new Array(BINS).fill(0);
  const top = rangeTop(dim) * dim;
  for (const value of values) {
    const bin = Math.floor((value / top) * BINS);
    if (bin < BINS) counts[bin] += 1;
  }
  return counts.map((count, j) => [(j * top) / BINS / dim, ((j + 1) * top) / BINS / dim, (count / values.length) * (BINS / top)]);
}

function rangeTop(dim) {
  return dim < 20 ? 2 : 1.2;
}

function drawHistogram({ width, height, state, result }) {
  const top = rangeTop(state.dim);
  const grid = Array.from({ length: 161 }, (_, j) => ((j + 0.25) * top) / 161);
  const around = Array.from({ length: 81 }, (_, j) => result.share + ((j - 40) / 40) * 6 * Math.sqrt(2 / state.dim)).filter((x) => x > 0 && x < top);
  const points = [...grid, ...around].sort((a, b) => a - b);
  const line = result.terms ? points.map((x) => [x, density(result.terms, x * state.dim)]) : [];
  const bars = result.count ? histogram(result.drawn, state.dim) : [];
  const most = Math.max(1e-12, ...bars.map(([, , y]) => y), ...line.filter(([x]) => x > 0.05).map(([, y]) => y));
  const plot = new Plot({ width, height, x: [0, top], y: [0, 1.1], xLabel: "‖Π g‖² / D", yLabel: "density / largest" });
  plot.bars(bars.map(([x0, x1, y]) => [x0, x1, y / most]), "green");
  plot.line(line.map(([x, y]) => [x, y / most]), "ink");
  plot.vertical(result.share, "purple pl-dash pl-thin", "δ / D", 0);
  return plot;
}

const NAMES = { circular: "circular cone", orthant: "orthant", subspace: "subspace", descent: "ℓ1 descent cone" };

function sentence(state, result) {
  const about = state.cone === "descent" ? "about " : "";
  const drawn = result.count ? ` ${result.count} projected normal vectors average ${format(result.mean)} ± ${format(result.error, 2)}.` : "";
  return `The ${NAMES[state.cone]} in ${state.dim} dimensions has statistical dimension ${about}${format(result.delta)}, a share ${format(result.share)} of D.${drawn}`;
}

export const spec = {
  name: "statistical-dimension",
  play: { label: "Open the cone", states: () => [10, 25, 40, 55, 70, 85].map((angle) => ({ angle, cone: "circular" })) },
  remember: () => ({ samples: [] }),
  samples: {
    most: MOST,
    key: ({ simulate, cone, dim, angle, share }) => (simulate && (cone !== "descent" || dim <= 1000) ? [cone, dim, angle, share].join() : null),
    draw: (state, seed) => sampleSquare(state, generator(7919 * seed)),
  },
  shows: (key, state) => !(key === "angle" && state.cone !== "circular") && !(key === "share" && !["subspace", "descent"].includes(state.cone)),
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "delta", label: state.cone === "descent" ? "δ(C), asymptotic" : "δ(C)", value: result.delta, look: "blue" },
    { name: "polar", label: "δ of the polar cone", value: result.polar, look: "grey" },
    { name: "mean", label: "mean of ‖Π g‖²", value: result.count ? result.mean : undefined, text: result.count ? `${format(result.mean)} ± ${format(result.error, 2)}` : "–", look: "green" },
    { name: "width", label: "(mean of ‖Π g‖)²", value: result.count ? result.width : undefined, text: result.count ? undefined : "–", look: "green" },
  ],
  panels: [
    {
      name: "shape", title: "Size against shape", draw: drawShape,
      drag: { touch: "pan-y", move: (grip, x, y, state) => (state.cone === "circular" ? { angle: x } : { share: x }) },
      legend: (state) => [
        { label: state.cone === "descent" ? "D·ψ(s/D), asymptotic" : "exact", look: "blue" },
        ...(state.cone === "circular" ? [{ label: "sin²α", look: "grey pl-dash" }] : []),
      ],
    },
    {
      name: "histogram", title: "Squared length of a projected normal vector", draw: drawHistogram,
      legend: (state, result) => [
        ...(result.terms ? [{ label: "theory: χ² mixed by intrinsic volumes", look: "ink" }] : []),
        ...(result.count ? [{ label: "drawn", look: "green", shape: "area" }] : []),
      ],
    },
  ],
};

export default createWidget(spec);
