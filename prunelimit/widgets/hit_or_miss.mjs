// Chapter 0: subspaces at random against a wedge, from a line in the plane to 100,000 dimensions.
import { chiSquare, createWidget, format, generator, percent, Plot, radians } from "./common.mjs";
import { hittingProbability, rounded, statisticalDimension } from "./cones.mjs";

const MOST = 200;
const DIMS = [2, 5, 10, 30, 100, 1000, 10000, 100000];
const CURVE_POINTS = 240;

/** Angle, in degrees, between the cone's axis and a random m-dimensional subspace. Exact in law. */
export function randomAngle(dim, m, seed) {
  const uniform = generator(1 + 7919 * seed);
  const along = chiSquare(uniform, m);
  const across = dim > m ? chiSquare(uniform, dim - m) : 0;
  return (Math.atan2(Math.sqrt(across), Math.sqrt(along)) * 180) / Math.PI;
}

export function evaluate(state, data = {}, memory = {}) {
  const cone = { cone: "circular", dim: state.dim, angle: state.angle };
  const m = rounded(state.dim, state.share);
  const angles = memory.samples || [];
  const hits = angles.filter((angle) => angle <= state.angle).length;
  return {
    m, angles, hits,
    probability: hittingProbability(cone, m),
    turn: 1 - statisticalDimension(cone) / state.dim,
    typical: (Math.acos(Math.sqrt(m / state.dim)) * 180) / Math.PI,
  };
}

function drawRays({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [-1.12, 1.12], y: [-0.1, 1.22], bare: true, square: true });
  const at = (degrees, length, side) => [side * length * Math.sin(radians(degrees)), length * Math.cos(radians(degrees))];
  const arc = [];
  for (let j = -20; j <= 20; j += 1) arc.push(at((state.angle * Math.abs(j)) / 20, 1.05, Math.sign(j)));
  plot.area([[0, 0], ...arc], "sky");
  plot.segment(0, 0, 0, 1.08, "grey pl-dash");
  const tips = { hit: [], miss: [] };
  const rays = { hit: "", miss: "" };
  result.angles.forEach((angle, j) => {
    const kind = angle <= state.angle ? "hit" : "miss";
    const tip = at(angle, kind === "hit" ? 0.93 : 1, j % 2 ? 1 : -1); // side by side where both lie at one angle
    tips[kind].push(tip);
    rays[kind] += plot.path([[0, 0], tip]);
  });
  plot.add(`<path class="pl-line pl-hair pl-faint red pl-dash" d="${rays.miss}"/><path class="pl-line pl-hair pl-faint green" d="${rays.hit}"/>`);
  plot.marks(tips.miss, "cross", "red pl-thin", 3);
  plot.marks(tips.hit, "circle", "green pl-plain", 3.2);
  plot.text(0, 1.1, "the cone", "sky");
  return plot;
}

function drawCurve({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [0, 1.02], xLabel: "share of the dimensions, m / D", yLabel: "share that hits the cone" });
  const cone = { cone: "circular", dim: state.dim, angle: state.angle };
  const points = [];
  for (let j = 0; j <= CURVE_POINTS; j += 1) {
    // densely where it turns
    const u = j / CURVE_POINTS;
    const near = result.turn + (4 * (u - 0.5)) / Math.sqrt(state.dim);
    for (const share of [u, near]) {
      if (share > 0 && share <= 1) points.push([rounded(state.dim, share) / state.dim, 0]);
    }
  }
  points.sort((a, b) => a[0] - b[0]);
  for (const point of points) point[1] = hittingProbability(cone, Math.round(point[0] * state.dim));
  plot.vertical(result.turn, "purple pl-dash", "1 − δ/D", 1);
  if (state.dim <= 30) plot.marks(points, "diamond", "blue", 2.5);
  plot.line(points, "blue");
  const n = result.angles.length;
  if (n) {
    const tally = result.hits / n;
    const error = Math.sqrt(Math.max(tally * (1 - tally), 1 / n) / n);
    plot.errors([[result.m / state.dim, Math.max(0, tally - 2 * error), Math.min(1, tally + 2 * error)]], "orange");
    plot.marks([[result.m / state.dim, tally]], "square", "orange", 5);
  }
  plot.handle(state.share, 0.08, "horizontal");
  return plot;
}

function sentence(state, result) {
  const n = result.angles.length;
  const what = result.m === 1 ? "lines" : `subspaces of dimension ${result.m}`;
  const tally = n ? `${result.hits} of ${n} random ${what} hit` : `Random ${what}`;
  return `D = ${state.dim}: ${tally} the cone of ${format(state.angle)}°; the exact probability is ${format(result.probability)}. Most lie near ${format(result.typical, 3)}° from its axis.`;
}

export const spec = {
  name: "hit-or-miss",
  play: { label: "Raise D", states: () => DIMS.map((dim) => ({ dim })) },
  remember: () => ({ samples: [] }),
  samples: {
    most: MOST,
    // The subspaces do not depend on the cone: turning its sides leaves them where they fell.
    key: (state) => (state.simulate ? `${state.dim}:${rounded(state.dim, state.share)}` : null),
    draw: (state, seed) => randomAngle(state.dim, rounded(state.dim, state.share), seed),
  },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "m", label: "subspace dimension m", value: result.m, text: `${result.m} of ${state.dim}` },
    { name: "probability", label: "exact probability", value: result.probability, text: percent(result.probability), look: "blue" },
    { name: "tally", label: "counted", text: result.angles.length ? `${result.hits} of ${result.angles.length}` : "none yet", look: "orange" },
    { name: "turn", label: "turns at 1 − δ/D", value: result.turn, text: percent(result.turn), look: "purple" },
  ],
  panels: [
    {
      name: "rays", title: "Each ray is one random subspace, at its angle to the cone's axis", draw: drawRays, tall: 360, ratio: 0.62,
      legend: () => [{ label: "hit", look: "green", shape: "circle" }, { label: "miss", look: "red", shape: "cross" }],
    },
    {
      name: "curve", title: "How many hit", draw: drawCurve, tall: 360, ratio: 0.72,
      drag: { touch: "pan-y", move: (grip, x) => ({ share: Math.min(0.98, Math.max(0.02, x)) }) },
      legend: () => [{ label: "exact", look: "blue" }, { label: "counted, ± 2 standard errors", look: "orange", shape: "square" }],
    },
  ],
};

export default createWidget(spec);
