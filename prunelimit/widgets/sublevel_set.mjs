// Chapter 4: the sublevel set as an ellipse, its shares of dimension, and the two thresholds.
import { createWidget, curvatureAt, effectiveDimension, format, generator, normal, percent, Plot, solveLimit, total, trace } from "./common.mjs";

const MOST_NODES = 256;
const EXACT_NODES = 64;

/** Eigenvalue number i (from 1; real i allowed) of a family. */
export function eigenvalue(state, i) {
  if (state.family === "power") return i ** -state.power;
  return Math.exp((-state.rate * (i - 1)) / (state.dim - 1));
}

// Ends of the index bins: single eigenvalues first, then bins that widen as the family flattens.
function binEnds({ family, dim }) {
  if (dim <= MOST_NODES) return Array.from({ length: dim }, (_, i) => i + 1);
  const ends = [];
  if (family === "power") {
    const bins = MOST_NODES - EXACT_NODES;
    for (let i = 1; i <= EXACT_NODES; i += 1) ends.push(i);
    for (let j = 1; j <= bins; j += 1) ends.push(Math.floor(EXACT_NODES * (dim / EXACT_NODES) ** (j / bins) + 0.5));
  } else {
    for (let j = 1; j <= MOST_NODES; j += 1) ends.push(Math.floor((dim * j) / MOST_NODES + 0.5));
  }
  return ends.filter((end, j) => j === 0 || end > ends[j - 1]);
}

/** At most 256 nodes and how many eigenvalues each stands for; exact up to D = 256. */
export function spectrum(state) {
  const ends = binEnds(state);
  const nodes = [];
  const counts = [];
  ends.forEach((end, j) => {
    const start = j === 0 ? 1 : ends[j - 1] + 1;
    nodes.push(eigenvalue(state, state.family === "power" ? Math.sqrt(start * end) : (start + end) / 2));
    counts.push(end - start + 1);
  });
  return { nodes, counts, ends };
}

/** Losses (ε as a function of k at this R) that each formula asks for, along k = N_eff(σ). */
export function lossCurves(nodes, counts, distance, points = 120) {
  const low = Math.log(Math.min(...nodes)) - 9;
  const high = Math.log(Math.max(...nodes)) + Math.log(total(counts)) + 3;
  const curves = { kept: [], paper: [], sharp: [] };
  for (let j = 0; j <= points; j += 1) {
    const ridge = Math.exp(low + ((high - low) * j) / points);
    curves.kept.push(effectiveDimension(nodes, counts, ridge));
    for (const formula of ["paper", "sharp"]) {
      curves[formula].push(0.5 * distance ** 2 * curvatureAt(formula, nodes, counts, ridge));
    }
  }
  return curves;
}

/** The two directions that are drawn: the first, and one a tenth of the way down the spectrum. */
export function slice(state) {
  const second = Math.max(2, Math.floor(state.dim / 10 + 0.5));
  const values = [eigenvalue(state, 1), eigenvalue(state, second)];
  const angle = (state.tilt * Math.PI) / 180;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  // H in weight space, the first eigenvector tilted by `angle` from the kept axis
  const hessian = [
    [values[0] * c * c + values[1] * s * s, (values[0] - values[1]) * c * s],
    [(values[0] - values[1]) * c * s, values[0] * s * s + values[1] * c * c],
  ];
  const inverse22 = (s * s) / values[0] + (c * c) / values[1];
  return {
    second,
    values,
    angle,
    radii: values.map((value) => Math.sqrt((2 * state.epsilon) / value)),
    oneShot: 0.5 * state.distance ** 2 * hessian[1][1],
    refit: (0.5 * state.distance ** 2) / inverse22,
    // the best point of the kept axis, measured from w^k
    shift: (hessian[0][1] / hessian[0][0]) * state.distance,
  };
}

/**
 * One random flag of subspaces in R^D: the least loss on each, at R = 1.
 *
 * With an orthonormal basis q_1 = x, q_2, … and M = QᵀH⁻¹Q, the subspace that leaves out
 * the first n vectors has least loss ½[M_n⁻¹]_11, which one Cholesky factor gives for every n.
 */
export function drawLosses(eigenvalues, uniform) {
  const dim = eigenvalues.length;
  const basis = orthonormalBasis(dim, uniform);
  const factor = [];
  const solved = new Float64Array(dim);
  const losses = new Float64Array(dim);
  let norm = 0;
  for (let row = 0; row < dim; row += 1) {
    const scaled = basis[row].map((entry, i) => entry / eigenvalues[i]);
    const line = new Float64Array(row + 1);
    for (let column = 0; column <= row; column += 1) {
      let sum = 0;
      for (let i = 0; i < dim; i += 1) sum += scaled[i] * basis[column][i];
      const other = column === row ? line : factor[column];
      for (let i = 0; i < column; i += 1) sum -= line[i] * other[i];
      line[column] = column === row ? Math.sqrt(sum) : sum / other[column];
    }
    factor.push(line);
    let rest = row === 0 ? 1 : 0;
    for (let i = 0; i < row; i += 1) rest -= line[i] * solved[i];
    solved[row] = rest / line[row];
    norm += solved[row] ** 2;
    losses[dim - row - 1] = 0.5 * norm;
  }
  return losses;
}

/** Losses of `count` flags; the first draw's number sets the seeds. */
export function drawMany(eigenvalues, count, first = 0) {
  return Array.from({ length: count }, (_, j) => drawLosses(eigenvalues, generator(7919 * (first + j) + 1)));
}

// Gram and Schmidt, twice, on normal vectors: a uniformly random orthonormal basis.
function orthonormalBasis(dim, uniform) {
  const basis = [];
  for (let j = 0; j < dim; j += 1) {
    const vector = Float64Array.from({ length: dim }, () => normal(uniform));
    for (let pass = 0; pass < 2; pass += 1) {
      for (const other of basis) {
        let along = 0;
        for (let i = 0; i < dim; i += 1) along += vector[i] * other[i];
        for (let i = 0; i < dim; i += 1) vector[i] -= along * other[i];
      }
    }
    const length = Math.hypot(...vector);
    basis.push(vector.map((entry) => entry / length));
  }
  return basis;
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(sorted.length - 1, low + 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/** Median and quartiles of the draws' losses for each k. */
export function summarise(draws) {
  const summary = { count: draws.length, low: [], median: [], high: [] };
  for (let k = 0; k < draws[0].length; k += 1) {
    const sorted = draws.map((losses) => losses[k]).sort((a, b) => a - b);
    summary.low.push(quantile(sorted, 0.25));
    summary.median.push(quantile(sorted, 0.5));
    summary.high.push(quantile(sorted, 0.75));
  }
  return summary;
}

/** Smallest k at which half of the drawn subspaces meet S(ε). */
export function simulatedThreshold(summary, distance, epsilon) {
  const found = summary.median.findIndex((loss) => loss * distance ** 2 <= epsilon);
  return found < 0 ? summary.median.length : found;
}

function matchingSimulation(state, data, memory) {
  if (memory && memory.summary) return memory.summary;
  const stored = data.simulated;
  if (!stored) return null;
  const same = ["family", "dim"].every((key) => stored[key] === state[key]);
  const shape = state.family === "power" ? "power" : "rate";
  return same && stored[shape] === state[shape] ? stored : null;
}

export function evaluate(state, data = {}, memory = {}) {
  const { nodes, counts, ends } = spectrum(state);
  const solve = (formula) => solveLimit(formula, nodes, counts, () => state.distance, state.epsilon);
  const paper = solve("paper");
  const sharp = solve("sharp");
  const sum = trace(nodes, counts);
  const square = state.distance ** 2;
  const simulated = matchingSimulation(state, data, memory);
  return {
    nodes,
    counts,
    ends,
    paper: paper.kept,
    sharp: sharp.kept,
    delta: state.dim - paper.kept,
    trace: sum,
    oneShot: (square * sum) / (2 * state.dim),
    bound: (square * sum) / (square * sum + 2 * state.epsilon * state.dim),
    curves: lossCurves(nodes, counts, state.distance),
    slice: slice(state),
    simulated,
    threshold: simulated ? simulatedThreshold(simulated, state.distance, state.epsilon) : null,
  };
}

// ---------------------------------------------------------------- drawing

function ellipse([cx, cy], radii, angle) {
  return Array.from({ length: 121 }, (_, j) => {
    const t = (2 * Math.PI * j) / 120;
    const [u, v] = [radii[0] * Math.cos(t), radii[1] * Math.sin(t)];
    return [cx + u * Math.cos(angle) - v * Math.sin(angle), cy + u * Math.sin(angle) + v * Math.cos(angle)];
  });
}

function drawWeightSpace({ width, height, state, result }) {
  const { slice: cut } = result;
  const plot = new Plot({ width, height, x: [-6, 6], y: [-2, 7], square: true, xLabel: "kept weight", yLabel: "pruned weight" });
  plot.area(ellipse([0, state.distance], cut.radii, cut.angle), "sky");
  plot.segment(-40, 0, 40, 0, "ink pl-dash");
  plot.segment(0, 0, 0, state.distance, "grey pl-thin");
  plot.note(plot.px(0), plot.py(state.distance / 2), "R");
  plot.marks([[0, 0]], "square", "red", 5.5);
  plot.marks([[cut.shift, 0]], "diamond", "green", 5);
  plot.marks([[0, state.distance]], "circle", "blue", 5);
  const top = state.distance + edgeHeight(cut);
  plot.handle(0, Math.min(top, plot.y[1]), "vertical");
  plot.handle(0, state.distance, "vertical");
  return plot;
}

// How far the ellipse reaches straight up from its centre.
function edgeHeight({ radii, angle }) {
  return 1 / Math.hypot(Math.sin(angle) / radii[0], Math.cos(angle) / radii[1]);
}

function drawEigenSpace({ width, height, state, result }) {
  const { slice: cut } = result;
  const plot = new Plot({ width, height, x: [-6, 6], y: [-4.5, 4.5], square: true, xLabel: "direction 1", yLabel: `direction ${cut.second}` });
  const turn = ([x, y]) => {
    const [c, s] = [Math.cos(-cut.angle), Math.sin(-cut.angle)];
    return [c * x - s * y, s * x + c * y];
  };
  plot.area(ellipse([0, 0], cut.radii, 0), "sky");
  plot.line([turn([-60, -state.distance]), turn([60, -state.distance])], "ink pl-dash");
  plot.line([[0, 0], turn([0, -state.distance])], "grey pl-thin");
  plot.segment(0, 0, cut.radii[0], 0, "blue");
  plot.segment(0, 0, 0, cut.radii[1], "blue pl-dot");
  plot.marks([turn([0, -state.distance])], "square", "red", 5.5);
  plot.marks([turn([cut.shift, -state.distance])], "diamond", "green", 5);
  plot.marks([[0, 0]], "circle", "blue", 5);
  plot.handle(0, Math.min(cut.radii[1], plot.y[1]), "vertical");
  return plot;
}

function drawShares({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [0, 1], xLabel: "direction i / D (from steep to flat)", yLabel: "r² / (R² + r²)" });
  const boxes = result.nodes.map((node, j) => {
    const start = j === 0 ? 0 : result.ends[j - 1];
    const share = (2 * state.epsilon) / (node * state.distance ** 2 + 2 * state.epsilon);
    return [start / state.dim, result.ends[j] / state.dim, share];
  });
  plot.bars(boxes, "sky");
  plot.note(plot.px(0.04), plot.py(0.93), `area = δ/D = ${percent(result.delta / state.dim)}`);
  return plot;
}

function drawLossPanel({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [1e-5, 10], yLog: true, xLabel: "kept k / D", yLabel: "loss rise" });
  const share = (curve) => result.curves.kept.map((kept, j) => [kept / state.dim, Math.max(curve[j], 1e-9)]);
  plot.horizontal(state.epsilon, "blue pl-thin", "ε");
  plot.line(share(result.curves.paper), "purple pl-dash");
  plot.line(share(result.curves.sharp), "ink pl-dashdot");
  if (result.simulated) drawSimulated(plot, state, result.simulated);
  plot.marks([[result.paper / state.dim, state.epsilon]], "triangle", "purple", 6);
  plot.marks([[result.sharp / state.dim, state.epsilon]], "diamond", "ink", 5);
  plot.handle(0.93, state.epsilon, "vertical");
  return plot;
}

function drawSimulated(plot, state, simulated) {
  const square = state.distance ** 2;
  const chosen = [];
  const stride = Math.max(1, Math.round(state.dim / 24));
  for (let k = 0; k < state.dim; k += stride) chosen.push(k);
  plot.errors(chosen.map((k) => [k / state.dim, Math.max(1e-9, square * simulated.low[k]), square * simulated.high[k]]), "green");
  plot.marks(chosen.map((k) => [k / state.dim, square * simulated.median[k]]), "circle", "green", 3.5);
}

// ---------------------------------------------------------------- dragging

function epsilonThrough(cut, height) {
  const unit = edgeHeight(cut) ** 2; // grows in proportion to ε
  return (height ** 2 / unit) || 0;
}

const dragWeightSpace = {
  start(px, py, plot, state, result) {
    const near = (y) => Math.abs(py - plot.py(y));
    const top = Math.min(state.distance + edgeHeight(result.slice), plot.y[1]);
    if (Math.abs(px - plot.px(0)) > 40) return null;
    return near(top) < near(state.distance) ? "epsilon" : "distance";
  },
  move(grip, x, y, state, result) {
    if (grip === "distance") return { distance: y };
    return { epsilon: state.epsilon * epsilonThrough(result.slice, Math.max(0.02, y - state.distance)) };
  },
};

const dragEigenSpace = {
  start(px, py, plot) {
    return Math.abs(px - plot.px(0)) < 40 ? "epsilon" : null;
  },
  move(grip, x, y, state, result) {
    return { epsilon: 0.5 * result.slice.values[1] * Math.max(0.02, Math.abs(y)) ** 2 };
  },
};

const dragLoss = {
  start(px, py, plot, state) {
    return Math.abs(py - plot.py(state.epsilon)) < 30 ? "epsilon" : null;
  },
  move(grip, x, y) {
    return { epsilon: y };
  },
};

// ---------------------------------------------------------------- the widget

function simulate(view) {
  const { state, memory } = view;
  const eigenvalues = Array.from({ length: state.dim }, (_, i) => eigenvalue(state, i + 1));
  const before = memory.draws || [];
  memory.draws = before.concat(drawMany(eigenvalues, 6, before.length));
  memory.summary = summarise(memory.draws);
}

function sentence(state, result) {
  const { slice: cut } = result;
  const meets = cut.refit <= state.epsilon ? "crosses" : "misses";
  const drawn = result.simulated ? ` Half of ${result.simulated.count} random subspaces reach the set from k = ${result.threshold} on.` : "";
  return (
    `With ε = ${format(state.epsilon, 3)} and R = ${format(state.distance, 3)}, the paper's formula keeps k = ${format(result.paper)} of ` +
    `${state.dim} weights and the sharp one ${format(result.sharp)}; in the slice drawn, the kept axis ${meets} the ellipse.${drawn}`
  );
}

export const spec = {
  name: "sublevel-set",
  remember: () => ({}),
  forget(memory, state, changes) {
    if (["family", "power", "rate", "dim"].some((key) => key in changes)) {
      memory.draws = null;
      memory.summary = null;
    }
  },
  shows: (key, state) => !(key === "power" && state.family !== "power") && !(key === "rate" && state.family === "power"),
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "paper", label: "k, the paper's formula", value: result.paper, look: "purple" },
    { name: "sharp", label: "k, sharp", value: result.sharp, look: "ink" },
    { name: "threshold", label: "k, simulated", value: result.threshold ?? undefined, text: result.threshold === null ? "–" : undefined, look: "green" },
    { name: "delta", label: "δ = Σ r²/(R²+r²)", value: result.delta, look: "sky" },
    { name: "bound", label: "Lemma 3.5: ρ at most", value: result.bound, look: "grey" },
  ],
  panels: [
    {
      name: "weights", title: "Weight space: a slice", draw: drawWeightSpace, drag: dragWeightSpace,
      legend: () => [
        { label: "S(ε)", look: "sky", shape: "area" }, { label: "kept axis L", look: "ink pl-dash" },
        { label: "w*", look: "blue", shape: "circle" }, { label: "wᵏ, one-shot", look: "red", shape: "square" },
        { label: "best point of L", look: "green", shape: "diamond" },
      ],
    },
    { name: "eigen", title: "The same slice in eigen-space", draw: drawEigenSpace, drag: dragEigenSpace,
      legend: () => [{ label: "r₁ (steep)", look: "blue" }, { label: "r of the flatter direction", look: "blue pl-dot" }] },
    { name: "shares", title: "Each direction's share of dimension", draw: drawShares },
    {
      name: "losses", title: "Loss that k kept weights can reach", draw: drawLossPanel, drag: dragLoss,
      legend: (state, result) => [
        { label: "paper", look: "purple pl-dash" }, { label: "sharp", look: "ink pl-dashdot" },
        ...(result.simulated ? [{ label: "simulated: median, quartiles", look: "green", shape: "circle" }] : []),
      ],
    },
  ],
  actions: [{ name: "draw", label: "Simulate six random subspaces", run: simulate, enabled: (state) => state.dim <= 200 }],
  simulateLabel: "Simulate 24 in Python",
};

export default createWidget(spec);
