// Chapter 5: Lanczos on a known spectrum, step by step; ghosts; the bracket on N_eff(σ).
import { createWidget, effectiveDimension, format, Plot, total } from "./common.mjs";

const MOST_STEPS = 60;

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

/**
 * Lanczos on the diagonal matrix of `nodes` from the vector of squared components `weights`.
 *
 * Sums run from left to right and nothing is reordered, so that Python's copy gives the same
 * bits, rounding errors and ghosts included. `betas[j]` couples step j to the next one.
 */
export function tridiagonalise(nodes, weights, steps, reorthogonalise) {
  const alphas = [];
  const betas = [];
  const basis = [];
  const norm = Math.sqrt(dot(weights, weights.map(() => 1)));
  let vector = weights.map((weight) => Math.sqrt(weight) / norm);
  let previous = nodes.map(() => 0);
  let beta = 0;
  for (let j = 0; j < steps; j += 1) {
    basis.push(vector);
    let next = nodes.map((node, i) => node * vector[i]);
    const alpha = dot(vector, next);
    const [v, p, b] = [vector, previous, beta];
    next = next.map((entry, i) => entry - alpha * v[i] - b * p[i]);
    for (let pass = 0; reorthogonalise && pass < 2; pass += 1) {
      for (const other of basis) {
        const along = dot(other, next);
        for (let i = 0; i < next.length; i += 1) next[i] -= along * other[i];
      }
    }
    beta = Math.sqrt(dot(next, next));
    alphas.push(alpha);
    betas.push(beta);
    if (!(beta > 1e-14 * nodes[0])) break;
    previous = vector;
    const scale = beta;
    vector = next.map((entry) => entry / scale);
  }
  return { alphas, betas };
}

/** First entry of (T + σ)⁻¹ by the continued fraction; `last` replaces the last diagonal entry. */
export function firstOfInverse(alphas, betas, steps, ridge, last = null) {
  let fraction = (last === null ? alphas[steps - 1] : last) + ridge;
  const start = last === null ? steps - 2 : steps - 1;
  for (let i = start; i >= 0; i -= 1) fraction = alphas[i] + ridge - betas[i] ** 2 / fraction;
  return 1 / fraction;
}

/**
 * Lower and upper end on N_eff(σ) after `steps` steps: with f(λ) = σ/(λ+σ), the Gauss–Radau
 * rule with a node at 0 is an upper and the Gauss rule a lower bound on gᵀf(H)g, and
 * N = D·(1 − gᵀf(H)g). Exact in exact arithmetic.
 */
export function bracket({ alphas, betas }, steps, ridge, dim) {
  const gauss = ridge * firstOfInverse(alphas, betas, steps, ridge);
  let pivot = alphas[0];
  for (let i = 1; i < steps; i += 1) pivot = alphas[i] - betas[i - 1] ** 2 / pivot;
  const last = betas[steps - 1] ** 2 / pivot;
  const radau = ridge * firstOfInverse(alphas, betas, steps, ridge, last);
  return [dim * (1 - radau), dim * (1 - gauss)];
}

/** Eigenvalues of the leading `steps` × `steps` block, ascending (QL with implicit shifts). */
export function ritzValues({ alphas, betas }, steps) {
  const d = alphas.slice(0, steps);
  const e = [...betas.slice(0, steps - 1), 0];
  for (let l = 0; l < steps; l += 1) {
    for (let iteration = 0; iteration < 60; iteration += 1) {
      let m = l;
      for (; m < steps - 1; m += 1) {
        const size = Math.abs(d[m]) + Math.abs(d[m + 1]);
        if (Math.abs(e[m]) <= 1e-16 * size) break;
      }
      if (m === l) break;
      let g = (d[l + 1] - d[l]) / (2 * e[l]);
      let r = Math.hypot(g, 1);
      g = d[m] - d[l] + e[l] / (g + (g >= 0 ? r : -r));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i -= 1) {
        let f = s * e[i];
        const b = c * e[i];
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
      }
      if (r === 0 && i >= l) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return d.sort((a, b) => a - b);
}

/** Which Ritz values are copies of one that stands already at the same eigenvalue. */
export function ghosts(values, nodes) {
  const tolerance = 1e-7 * nodes[0];
  const taken = new Set();
  return values.map((value) => {
    let nearest = 0;
    for (let i = 1; i < nodes.length; i += 1) if (Math.abs(nodes[i] - value) < Math.abs(nodes[nearest] - value)) nearest = i;
    if (Math.abs(nodes[nearest] - value) > tolerance) return false;
    // eigenvalues that lie closer together than the tolerance cannot be told apart
    const crowded = [nearest - 1, nearest + 1].some((i) => i >= 0 && i < nodes.length && Math.abs(nodes[i] - nodes[nearest]) < 3 * tolerance);
    if (crowded) return false;
    const copy = taken.has(nearest);
    taken.add(nearest);
    return copy;
  });
}

// The run and its Ritz values do not depend on σ or on the step shown: kept until they change.
const known = new Map();

function fullRun(state, data) {
  const { nodes, counts } = data.spectra[state.spectrum];
  const name = JSON.stringify([state.spectrum, state.probe, state.reorthogonalise, nodes.length, nodes[1]]);
  if (!known.has(name)) {
    if (known.size > 40) known.clear();
    const weights = state.probe === 0 ? counts : data.probes[state.spectrum][state.probe - 1];
    const run = tridiagonalise(nodes, weights, MOST_STEPS, state.reorthogonalise);
    const ritz = run.alphas.map((_, j) => ritzValues(run, j + 1));
    known.set(name, { run, ritz, ghosts: ritz.map((values) => ghosts(values, nodes)) });
  }
  return known.get(name);
}

export function evaluate(state, data) {
  const { nodes, counts } = data.spectra[state.spectrum];
  const dim = total(counts);
  const found = fullRun(state, data);
  const steps = Math.min(state.steps, found.run.alphas.length);
  const brackets = found.run.alphas.map((_, j) => bracket(found.run, j + 1, state.ridge, dim));
  const [lower, upper] = brackets[steps - 1];
  return {
    nodes,
    dim,
    steps,
    exact: effectiveDimension(nodes, counts, state.ridge),
    lower,
    upper,
    width: upper - lower,
    brackets,
    ritz: found.ritz,
    ghostMarks: found.ghosts,
    ghostCount: found.ghosts[steps - 1].filter(Boolean).length,
    run: found.run,
    counts,
  };
}

// ---------------------------------------------------------------- drawing

// Two thousand marks take longer than the rest together: drawn once for each run and step.
const pictures = new WeakMap();

function drawRitz(panel) {
  const { width, height, result } = panel;
  const name = `${width} ${height} ${result.steps}`;
  const kept = pictures.get(result.ritz) || new Map();
  pictures.set(result.ritz, kept);
  if (!kept.has(name)) kept.set(name, plotRitz(panel));
  return kept.get(name);
}

function plotRitz({ width, height, result }) {
  const { nodes, ritz, ghostMarks, steps } = result;
  const positive = nodes.filter((node) => node > 0);
  const low = Math.min(...positive) / 2;
  const plot = new Plot({ width, height, x: [low, 2 * nodes[0]], y: [0, MOST_STEPS + 4], xLog: true, xLabel: "eigenvalue λ", yLabel: "step" });
  const ticks = positive.map((node) => [node, MOST_STEPS + 2.5]);
  let marks = "";
  for (const [x, y] of ticks) marks += `M${plot.px(x).toFixed(1)} ${(plot.py(y) - 6).toFixed(1)}v10`;
  plot.add(`<path class="pl-line pl-thin ink" d="${marks}"/>`);
  const real = [];
  const copies = [];
  for (let j = 0; j < steps; j += 1) {
    ritz[j].forEach((value, i) => (ghostMarks[j][i] ? copies : real).push([Math.max(value, low), j + 1]));
  }
  plot.marks(real, "circle", "blue", 1.6);
  plot.marks(copies, "cross", "red pl-thin", 2.2);
  plot.horizontal(steps, "grey pl-thin");
  plot.handle(2 * nodes[0] * 0.5, steps, "vertical");
  return plot;
}

function share(value, dim) {
  return Math.min(1.2, Math.max(-0.2, value / dim));
}

function drawBracket({ width, height, result }) {
  const { brackets, dim, steps, exact } = result;
  const plot = new Plot({ width, height, x: [1, MOST_STEPS], y: [0, 1], xLabel: "step", yLabel: "N_eff(σ) / D" });
  const side = (which, list) => list.map((pair, j) => [j + 1, share(pair[which], dim)]);
  const seen = brackets.slice(0, steps);
  plot.area([...side(0, seen), ...side(1, seen).reverse()], "sky");
  plot.line(side(1, seen), "blue");
  plot.line(side(0, seen), "orange pl-dash");
  plot.horizontal(exact / dim, "ink pl-dot", "exact");
  plot.vertical(steps, "grey pl-thin");
  plot.handle(steps, exact / dim, "horizontal");
  return plot;
}

function drawDimension({ width, height, state, result }) {
  const { nodes, counts, dim, run, steps } = result;
  const range = [1e-7, 100];
  const plot = new Plot({ width, height, x: range, y: [0, 1], xLog: true, xLabel: "ridge σ", yLabel: "N_eff(σ) / D" });
  const ridges = Array.from({ length: 91 }, (_, j) => range[0] * (range[1] / range[0]) ** (j / 90));
  const ends = ridges.map((ridge) => bracket(run, steps, ridge, dim));
  const side = (which) => ridges.map((ridge, j) => [ridge, share(ends[j][which], dim)]);
  plot.area([...side(0), ...side(1).reverse()], "sky");
  plot.line(ridges.map((ridge) => [ridge, effectiveDimension(nodes, counts, ridge) / dim]), "ink pl-dot");
  plot.line(side(1), "blue pl-thin");
  plot.line(side(0), "orange pl-dash pl-thin");
  plot.vertical(state.ridge, "grey pl-thin", "σ");
  plot.handle(state.ridge, result.exact / dim, "horizontal");
  return plot;
}

function sentence(state, result) {
  const copies = result.ghostCount ? ` ${result.ghostCount} of the Ritz values are ghosts.` : "";
  const probe = state.probe === 0 ? "" : " for this probe, whose own error the bracket does not show";
  return (
    `After ${result.steps} steps N_eff(σ) lies between ${format(result.lower)} and ${format(result.upper)}${probe}; ` +
    `exactly it is ${format(result.exact)} of ${result.dim}.${copies}`
  );
}

export const spec = {
  name: "lanczos",
  play: { label: "Take steps", states: () => [1, 3, 6, 10, 15, 20, 30, 40, 60].map((steps) => ({ steps })) },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "steps", label: "steps", value: result.steps, look: "grey" },
    { name: "lower", label: "lower end (Gauss–Radau)", value: result.lower, look: "orange" },
    { name: "upper", label: "upper end (Gauss)", value: result.upper, look: "blue" },
    { name: "exact", label: "N_eff(σ), exact", value: result.exact, look: "ink" },
    { name: "width", label: "width / D", value: result.width / result.dim, look: "sky" },
    { name: "ghostCount", label: "ghosts", value: result.ghostCount, look: "red" },
  ],
  panels: [
    {
      name: "ritz", title: "Ritz values, step by step (true spectrum on top)", draw: drawRitz, tall: 340,
      drag: { start: (px, py, plot, state, { steps }) => (Math.abs(py - plot.py(steps)) < 24 ? "steps" : null), move: (grip, x, y) => ({ steps: Math.round(y) }) },
      legend: () => [{ label: "Ritz value", look: "blue", shape: "circle" }, { label: "ghost: a second copy", look: "red", shape: "cross" }],
    },
    {
      name: "bracket", title: "The bracket closes", draw: drawBracket, tall: 340,
      drag: { touch: "pan-y", move: (grip, x) => ({ steps: Math.round(x) }) },
      legend: () => [{ label: "Gauss", look: "blue" }, { label: "Gauss–Radau, node at 0", look: "orange pl-dash" }, { label: "exact", look: "ink pl-dot" }],
    },
    {
      name: "dimension", title: "The same steps serve every ridge", draw: drawDimension, wide: true, more: true, tall: 240, ratio: 0.4,
      drag: { touch: "pan-y", move: (grip, x) => ({ ridge: x }) },
    },
  ],
};

export default createWidget(spec);
