// Chapter 4: how many weights must stay: the loss that k of them can reach, and the two thresholds.
import { createWidget, curvatureAt, effectiveDimension, format, generator, normal, percent, Plot, solveLimit, total, trace } from "./common.mjs";

const MOST_NODES = 256;
const EXACT_NODES = 64;
const MOST = 24; // random flags of subspaces
const LARGEST_DRAWN = 200; // dimensions

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

/**
 * One random flag of subspaces in R^D: the least loss on each, at R = 1.
 *
 * With an orthonormal basis q_1 = x, q_2, … and M = QᵀH⁻¹Q, the subspace that leaves out
 * the first n vectors has least loss ½[M_n⁻¹]_11, which one Cholesky factor gives for every n.
 * It stops after every row, so that it can be drawn over several frames.
 */
export function* drawLosses(eigenvalues, uniform) {
  const dim = eigenvalues.length;
  const basis = [];
  const factor = [];
  const solved = new Float64Array(dim);
  const losses = new Float64Array(dim);
  let norm = 0;
  for (let row = 0; row < dim; row += 1) {
    basis.push(nextOrthonormal(basis, dim, uniform));
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
    yield row;
  }
  return losses;
}

/** Losses of `count` flags. */
export function drawMany(eigenvalues, count) {
  return Array.from({ length: count }, (_, j) => {
    const drawing = drawLosses(eigenvalues, generator(7919 * j + 1));
    for (;;) {
      const { value, done } = drawing.next();
      if (done) return value;
    }
  });
}

// Gram and Schmidt, twice, on a normal vector: one more of a uniformly random orthonormal basis.
function nextOrthonormal(basis, dim, uniform) {
  const vector = Float64Array.from({ length: dim }, () => normal(uniform));
  for (let pass = 0; pass < 2; pass += 1) {
    for (const other of basis) {
      let along = 0;
      for (let i = 0; i < dim; i += 1) along += vector[i] * other[i];
      for (let i = 0; i < dim; i += 1) vector[i] -= along * other[i];
    }
  }
  const length = Math.hypot(...vector);
  return vector.map((entry) => entry / length);
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

// The draws' summary does not depend on ε or R: made anew when there is one more of them.
const summaries = new WeakMap();

function summarised(draws) {
  if (!draws.length) return null;
  const kept = summaries.get(draws);
  if (kept?.count === draws.length) return kept;
  summaries.set(draws, summarise(draws));
  return summaries.get(draws);
}

export function evaluate(state, data = {}, memory = {}) {
  const { nodes, counts, ends } = spectrum(state);
  const solve = (formula) => solveLimit(formula, nodes, counts, () => state.distance, state.epsilon);
  const paper = solve("paper");
  const sharp = solve("sharp");
  const sum = trace(nodes, counts);
  const square = state.distance ** 2;
  const simulated = summarised(memory.samples || []);
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
    simulated,
    threshold: simulated ? simulatedThreshold(simulated, state.distance, state.epsilon) : null,
  };
}

// ---------------------------------------------------------------- drawing

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

const dragLoss = {
  start(px, py, plot, state) {
    return Math.abs(py - plot.py(state.epsilon)) < 30 ? "epsilon" : null;
  },
  move(grip, x, y) {
    return { epsilon: y };
  },
};

// ---------------------------------------------------------------- the widget

function sentence(state, result) {
  const drawn = result.simulated ? ` Half of ${result.simulated.count} random subspaces reach the set from k = ${result.threshold} on.` : "";
  return (
    `With ε = ${format(state.epsilon, 3)} and R = ${format(state.distance, 3)}, the paper's formula keeps k = ${format(result.paper)} of ` +
    `${state.dim} weights and the sharp one ${format(result.sharp)}.${drawn}`
  );
}

export const spec = {
  name: "sublevel-set",
  play: { label: "Spend more", states: () => [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1].map((epsilon) => ({ epsilon })) },
  remember: () => ({ samples: [] }),
  samples: {
    most: MOST,
    key: ({ simulate, family, power, rate, dim }) =>
      simulate && dim <= LARGEST_DRAWN ? [family, family === "power" ? power : rate, dim].join() : null,
    draw: (state, seed) => drawLosses(Array.from({ length: state.dim }, (_, i) => eigenvalue(state, i + 1)), generator(7919 * seed)),
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
      name: "losses", title: "Loss that k kept weights can reach", draw: drawLossPanel, drag: dragLoss,
      legend: (state, result) => [
        { label: "paper", look: "purple pl-dash" }, { label: "sharp", look: "ink pl-dashdot" },
        ...(result.simulated ? [{ label: "simulated: median, quartiles", look: "green", shape: "circle" }] : []),
      ],
    },
    { name: "shares", title: "Each direction's share of dimension", draw: drawShares },
  ],
};

export default createWidget(spec);
