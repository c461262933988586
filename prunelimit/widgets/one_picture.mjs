// Chapters 0, 1 and 4: w*, the sublevel set, the cut, the kept subspace, and the cone seen from the cut.
import { createWidget, format, generator, percent, Plot, radians } from "./common.mjs";

const MOST = 120; // random lines
const LOSSES = [0.01, 10];
const FRAME = { x: [-1.2, 5.2], y: [-1.5, 3.3] };
const REACH = 1.7; // from w^k to the handle that turns L

const dot = (a, b) => a[0] * b[0] + a[1] * b[1];

/** The bowl's axes (flat, steep) and their curvatures: the steep one is 1. */
export function bowl({ tilt, ratio }) {
  const [c, s] = [Math.cos(radians(tilt)), Math.sin(radians(tilt))];
  return { axes: [[c, s], [-s, c]], curvatures: [1 / ratio, 1] };
}

// aᵀHb
function form({ axes, curvatures }, a, b) {
  return curvatures.reduce((sum, value, j) => sum + value * dot(axes[j], a) * dot(axes[j], b), 0);
}

/** Magnitude pruning of two weights: where the cut leads, and the step x from w* to there. */
export function cut({ w1, w2 }) {
  const second = Math.abs(w2) <= Math.abs(w1);
  return { second, point: second ? [w1, 0] : [0, w2], step: second ? [0, -w2] : [-w1, 0] };
}

/** Direction of a line through w^k, `turn` degrees from the kept axis. */
export function direction({ second }, turn) {
  const [c, s] = [Math.cos(radians(turn)), Math.sin(radians(turn))];
  return second ? [c, s] : [-s, c];
}

/** Least loss on the line w^k + t·u, and the t where it is. */
export function leastOn(curved, step, u) {
  const [pull, width] = [form(curved, u, step), form(curved, u, u)];
  return { loss: Math.max(0, (form(curved, step, step) - pull ** 2 / width) / 2), t: -pull / width };
}

/**
 * The two edges of the cone from w^k around S(ε), or null where w^k lies in S(ε).
 *
 * In coordinates that make the bowl round, S(ε) is a disk of radius √(2ε) at distance √(xᵀHx).
 */
export function coneEdges(curved, step, epsilon) {
  const oneShot = form(curved, step, step) / 2;
  if (oneShot <= epsilon) return null;
  const half = Math.asin(Math.sqrt(epsilon / oneShot));
  const roots = curved.curvatures.map(Math.sqrt);
  const towards = curved.axes.map((axis, j) => -roots[j] * dot(axis, step));
  return [-half, half].map((angle) => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const round = [c * towards[0] - s * towards[1], s * towards[0] + c * towards[1]];
    const [a, b] = round.map((value, j) => value / roots[j]);
    const edge = [a * curved.axes[0][0] + b * curved.axes[1][0], a * curved.axes[0][1] + b * curved.axes[1][1]];
    return edge.map((value) => value / Math.hypot(...edge));
  });
}

export function evaluate(state, data = {}, memory = {}) {
  const curved = bowl(state);
  const gone = cut(state);
  const u = direction(gone, state.turn);
  const { loss, t } = leastOn(curved, gone.step, u);
  const edges = coneEdges(curved, gone.step, state.epsilon);
  const width = edges ? Math.acos(Math.min(1, Math.max(-1, dot(...edges)))) : Math.PI;
  const angles = memory.samples || [];
  const drawn = angles.map((angle) => [angle, leastOn(curved, gone.step, direction(gone, angle)).loss]);
  return {
    curved, gone, u, edges, drawn,
    star: [state.w1, state.w2],
    best: [gone.point[0] + t * u[0], gone.point[1] + t * u[1]],
    radii: curved.curvatures.map((value) => Math.sqrt((2 * state.epsilon) / value)),
    distance: Math.hypot(...gone.step),
    oneShot: form(curved, gone.step, gone.step) / 2,
    least: loss,
    share: width / Math.PI,
    meets: loss <= state.epsilon,
    hits: drawn.filter(([, least]) => least <= state.epsilon).length,
  };
}

// ---------------------------------------------------------------- drawing

const along = ([x, y], [dx, dy], t) => [x + t * dx, y + t * dy];

function ellipse({ star, radii, curved: { axes } }) {
  return Array.from({ length: 121 }, (_, j) => {
    const angle = (2 * Math.PI * j) / 120;
    return along(along(star, axes[0], radii[0] * Math.cos(angle)), axes[1], radii[1] * Math.sin(angle));
  });
}

const shown = ([x, y]) => x > FRAME.x[0] && x < FRAME.x[1] && y > FRAME.y[0] && y < FRAME.y[1];

// What can be taken hold of, and where: ε at the first of the ellipse's four ends that is in the frame.
function grips({ star, radii, gone, u, curved }) {
  const ends = [0, 0, 1, 1].map((axis, j) => along(star, curved.axes[axis], (j % 2 ? -1 : 1) * radii[axis]));
  const epsilon = ends.find(shown);
  return { star, turn: along(gone.point, u, REACH), ...(epsilon && { epsilon }) };
}

function drawPlane({ width, height, result }) {
  const plot = new Plot({ width, height, ...FRAME, square: true, xLabel: "first weight", yLabel: "second weight" });
  const { gone, star, u, edges, meets } = result;
  const [from, look] = [gone.point, meets ? "green" : "red"];
  if (edges) plot.area([from, along(from, edges[0], 20), along(from, edges[1], 20)], "purple pl-faint");
  plot.area(ellipse(result), "sky");
  plot.segment(-20, 0, 20, 0, "grey pl-hair");
  plot.segment(0, -20, 0, 20, "grey pl-hair");
  plot.line([star, from], "grey pl-thin pl-dash");
  plot.line([along(from, u, -20), along(from, u, 20)], look);
  plot.marks([from], "square", "ink", 5.5);
  plot.marks([result.best], "diamond", look, 5);
  plot.marks([star], "circle", "blue", 5);
  plot.note(plot.px(star[0]), plot.py(star[1]) - 14, "w*", "blue");
  plot.note(plot.px(from[0]) + 2, plot.py(from[1]) + 20, "wᵏ");
  plot.note(plot.left + 4, plot.top + 14, meets ? "L meets S(ε)" : "L misses S(ε)", look);
  const held = grips(result);
  plot.handle(...held.turn);
  if (held.epsilon) plot.handle(...held.epsilon);
  plot.handle(...held.star);
  return plot;
}

const degrees = (radian) => (radian * 180) / Math.PI;

// Angle of a direction from the kept axis, between −90° and 90°.
function angleOf({ second }, [x, y]) {
  const found = degrees(second ? Math.atan2(y, x) : Math.atan2(-x, y));
  return found > 90 ? found - 180 : found <= -90 ? found + 180 : found;
}

function drawDirections({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [-90, 90], y: LOSSES, yLog: true, xLabel: "angle of the line through wᵏ, degrees", yLabel: "least loss rise on it" });
  const { curved, gone } = result;
  const least = (angle) => Math.max(LOSSES[0] / 10, leastOn(curved, gone.step, direction(gone, angle)).loss);
  const band = (low, high) => plot.area([[low, LOSSES[0]], [low, LOSSES[1]], [high, LOSSES[1]], [high, LOSSES[0]]], "purple pl-faint");
  const [low, high] = result.edges ? result.edges.map((edge) => angleOf(gone, edge)) : [-90, 90];
  if (low <= high) band(low, high);
  else [[-90, high], [low, 90]].forEach(([a, b]) => band(a, b));
  plot.horizontal(state.epsilon, "sky", "ε");
  plot.line(Array.from({ length: 361 }, (_, j) => [j / 2 - 90, least(j / 2 - 90)]), "ink pl-thin");
  const points = result.drawn.map(([angle, loss]) => [angle, Math.max(loss, LOSSES[0])]);
  plot.marks(points.filter(([, loss]) => loss > state.epsilon), "cross", "red pl-thin", 3.5);
  plot.marks(points.filter(([, loss]) => loss <= state.epsilon), "circle", "green pl-plain", 3.5);
  const here = [state.turn, Math.min(LOSSES[1], Math.max(result.least, LOSSES[0]))];
  plot.vertical(state.turn, `${result.meets ? "green" : "red"} pl-dot`, "L", 1);
  plot.handle(...here, "horizontal");
  return plot;
}

// ---------------------------------------------------------------- dragging

const dragPlane = {
  start(px, py, plot, state, result) {
    const far = ([x, y]) => Math.hypot(px - plot.px(x), py - plot.py(y));
    const [[name, place]] = Object.entries(grips(result)).sort(([, a], [, b]) => far(a) - far(b));
    return far(place) < 30 ? name : null;
  },
  move(grip, x, y, state, { star, gone, curved }) {
    if (grip === "star") return { w1: x, w2: y };
    if (grip === "turn") return { turn: angleOf(gone, [x - gone.point[0], y - gone.point[1]]) };
    const out = [x - star[0], y - star[1]];
    return { epsilon: form(curved, out, out) / 2 };
  },
};

// ---------------------------------------------------------------- the widget

function sentence(state, result) {
  const first = result.edges
    ? `wᵏ is outside S(ε): its loss is ${format(result.oneShot, 3)} higher than that of w*, and ε = ${format(state.epsilon, 3)}.`
    : "wᵏ lies in S(ε): nothing needs to be trained.";
  const verdict = result.meets ? "L meets S(ε)" : "L misses S(ε)";
  const tally = result.drawn.length ? ` ${result.hits} of ${result.drawn.length} random lines meet it.` : "";
  return `${first} The best point of L is ${format(result.least, 3)} higher: ${verdict}. The cone from wᵏ takes up ${percent(result.share)} of all lines.${tally}`;
}

export const spec = {
  name: "one-picture",
  play: { label: "Turn L", states: () => [-75, -50, -25, 0, 25, 50, 75].map((turn) => ({ turn })) },
  remember: () => ({ samples: [] }),
  samples: {
    most: MOST,
    key: (state) => (state.simulate ? "lines" : null),
    draw: (state, seed) => 180 * generator(7919 * seed)() - 90,
  },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "distance", label: "R, from w* to wᵏ", value: result.distance, look: "grey" },
    { name: "oneShot", label: "loss rise at wᵏ", value: result.oneShot, look: "ink" },
    { name: "least", label: "least on L", value: result.least, look: result.meets ? "green" : "red" },
    { name: "share", label: "cone: share of all lines", value: result.share, text: percent(result.share), look: "purple" },
  ],
  panels: [
    {
      name: "plane", title: "Two weights: drag w*, turn L, grow S(ε)", draw: drawPlane, tall: 380, ratio: 0.76, drag: dragPlane,
      legend: () => [
        { label: "S(ε)", look: "sky", shape: "area" }, { label: "cone from wᵏ", look: "purple pl-faint", shape: "area" },
        { label: "best point of L", look: "ink", shape: "diamond" },
      ],
    },
    {
      name: "directions", title: "Every line through wᵏ", draw: drawDirections, tall: 380, ratio: 0.76,
      drag: { touch: "pan-y", move: (grip, x) => ({ turn: x }) },
      legend: () => [{ label: "meets", look: "green", shape: "circle" }, { label: "misses", look: "red", shape: "cross" }],
    },
  ],
};

export default createWidget(spec);
