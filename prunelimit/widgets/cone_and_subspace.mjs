// Chapter 1: a vector splits into cone and polar part; a random subspace hits a cone or misses it.
import { createWidget, format, generator, normal, percent, Plot, radians } from "./common.mjs";
import { hittingProbability, projectCircular } from "./cones.mjs";

const HEIGHT = 1.6; // of the cone that is drawn
const MOST = 200; // random lines or planes

/** Moreau's split of (x1, x2) by the plane cone of half-angle α around the second axis. */
export function split({ angle, x1, x2 }) {
  const [up, right] = projectCircular([x2, x1], angle);
  const cone = [right, up];
  const polar = [x1 - right, x2 - up];
  return { cone, polar, inner: cone[0] * polar[0] + cone[1] * polar[1] };
}

/** A random line's direction, or a random plane's normal: uniform on the sphere. */
export function spin(uniform) {
  const vector = [normal(uniform), normal(uniform), normal(uniform)];
  const length = Math.hypot(...vector);
  return vector.map((entry) => entry / length);
}

/** Does the line along `vector`, or the plane across it, meet the cone around the third axis? */
export function meets(subspace, vector, degrees) {
  const height = Math.abs(vector[2]);
  return subspace === "line" ? height >= Math.cos(radians(degrees)) : height <= Math.sin(radians(degrees));
}

export function evaluate(state, data = {}, memory = {}) {
  const parts = split(state);
  const vectors = memory.samples || [];
  const trials = vectors.length;
  const hits = vectors.filter((vector) => meets(state.subspace, vector, state.angle)).length;
  const share = trials ? hits / trials : NaN;
  const vector = vectors[trials - 1] || [Math.sin(0.9), 0, Math.cos(0.9)];
  return {
    ...parts,
    coneLength: Math.hypot(...parts.cone),
    polarLength: Math.hypot(...parts.polar),
    probability: hittingProbability({ cone: "circular", dim: 3, angle: state.angle }, state.subspace === "line" ? 1 : 2),
    vector,
    vectors,
    hit: meets(state.subspace, vector, state.angle),
    trials,
    share,
    error: trials ? Math.sqrt(Math.max(share * (1 - share), 0.25 / trials) / trials) : NaN,
  };
}

// ---------------------------------------------------------------- drawing

function wedge(degrees, direction, reach) {
  const angle = radians(degrees);
  const points = [[0, 0]];
  for (let j = -20; j <= 20; j += 1) points.push([reach * Math.sin((angle * j) / 20), direction * reach * Math.cos((angle * j) / 20)]);
  return points;
}

function drawPlane({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [-3.2, 3.2], y: [-3.2, 3.2], square: true });
  plot.area(wedge(state.angle, 1, 9), "sky");
  plot.area(wedge(90 - state.angle, -1, 9), "grey");
  plot.line([[0, 0], result.cone], "blue");
  plot.line([result.cone, [state.x1, state.x2]], "orange pl-dash");
  plot.line([[0, 0], result.polar], "orange pl-thin");
  plot.marks([result.cone], "square", "blue", 5);
  plot.marks([result.polar], "triangle", "orange", 5);
  plot.text(0, 2.9, "C");
  plot.text(0, -2.9, "C°");
  const edge = edgePoint(state.angle);
  plot.handle(edge[0], edge[1]);
  plot.handle(state.x1, state.x2);
  plot.text(state.x1, state.x2 + 0.3, "x");
  return plot;
}

function edgePoint(degrees) {
  return [2.6 * Math.sin(radians(degrees)), 2.6 * Math.cos(radians(degrees))];
}

const dragPlane = {
  start(px, py, plot, state) {
    const far = ([x, y]) => Math.hypot(px - plot.px(x), py - plot.py(y));
    const [edge, point] = [far(edgePoint(state.angle)), far([state.x1, state.x2])];
    if (Math.min(edge, point) > 30) return null;
    return point <= edge ? "x" : "edge";
  },
  move(grip, x, y) {
    if (grip === "x") return { x1: x, x2: y };
    return { angle: (Math.atan2(Math.abs(x), Math.max(y, 1e-6)) * 180) / Math.PI };
  },
};

/** Picture coordinates of a point in space, looked at from the side and a little from above. */
export function look([x, y, z], turn) {
  const [c, s] = [Math.cos(radians(turn)), Math.sin(radians(turn))];
  const [right, away] = [c * x + s * y, -s * x + c * y];
  const tilt = radians(18);
  return [right, z * Math.cos(tilt) + away * Math.sin(tilt)];
}

function circle(center, u, v, radius, turn) {
  return Array.from({ length: 61 }, (_, j) => {
    const t = (2 * Math.PI * j) / 60;
    return look(center.map((entry, i) => entry + radius * (u[i] * Math.cos(t) + v[i] * Math.sin(t))), turn);
  });
}

// Two unit vectors across `vector`.
function across([x, y, z]) {
  const start = Math.abs(z) < 0.9 ? [0, 0, 1] : [1, 0, 0];
  const u = [y * start[2] - z * start[1], z * start[0] - x * start[2], x * start[1] - y * start[0]];
  const length = Math.hypot(...u);
  const unit = u.map((entry) => entry / length);
  return [unit, [y * unit[2] - z * unit[1], z * unit[0] - x * unit[2], x * unit[1] - y * unit[0]]];
}

// The rim's radius, the cone kept inside the picture however wide it is.
function rim(degrees) {
  const angle = radians(degrees);
  return { height: HEIGHT * Math.cos(angle), radius: HEIGHT * Math.sin(angle) };
}

function drawSpace({ width, height, state, result }) {
  const plot = new Plot({ width, height, x: [-1.9, 1.9], y: [-1.7, 2], square: true, bare: true });
  const { height: top, radius } = rim(state.angle);
  plot.line(circle([0, 0, 0], [1, 0, 0], [0, 1, 0], 1.6, state.turn), "grey pl-thin pl-dot"); // the floor
  const edge = circle([0, 0, top], [1, 0, 0], [0, 1, 0], radius, state.turn);
  plot.area(hull([[0, 0], ...edge]), "sky");
  plot.line(edge, "blue pl-thin");
  const colour = result.hit ? "green" : "red pl-dash";
  if (state.subspace === "line") {
    const far = result.vector.map((entry) => 1.8 * entry);
    plot.line([look(far, state.turn), look(far.map((entry) => -entry), state.turn)], colour);
  } else {
    const [u, v] = across(result.vector);
    plot.area(circle([0, 0, 0], u, v, 1.6, state.turn), result.hit ? "green" : "red");
  }
  const tips = { hit: [], miss: [] };
  for (const vector of result.vectors) {
    const up = Math.sign(vector[2]) || 1;
    tips[meets(state.subspace, vector, state.angle) ? "hit" : "miss"].push(look(vector.map((entry) => HEIGHT * up * entry), state.turn));
  }
  plot.marks(tips.miss, "cross", "red pl-thin", 2.5);
  plot.marks(tips.hit, "circle", "green pl-plain", 2.5);
  plot.note(plot.left + 4, plot.bottom - 6, `the last one: a ${result.hit ? "hit" : "miss"}`);
  plot.handle(...look([radius, 0, top], state.turn));
  return plot;
}

// Convex outline, so that cone and rim are one shape from every side.
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const turnOf = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list) => {
    const found = [];
    for (const point of list) {
      while (found.length > 1 && turnOf(found[found.length - 2], found[found.length - 1], point) <= 0) found.pop();
      found.push(point);
    }
    return found.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

const dragSpace = {
  touch: "pan-y",
  start(px, py, plot, state) {
    const { height, radius } = rim(state.angle);
    const [x, y] = look([radius, 0, height], state.turn);
    return Math.hypot(px - plot.px(x), py - plot.py(y)) < 32 ? "edge" : "turn";
  },
  move(grip, x, y, state) {
    if (grip === "edge") return { angle: (Math.atan2(Math.abs(x), Math.max(y, 1e-6)) * 180) / Math.PI };
    return { turn: (Math.atan2(x, 1.2) * 180) / Math.PI + 20 };
  },
};

function sentence(state, result) {
  const counted = result.trials ? ` ${percent(result.share)} of ${result.trials} random ones did.` : "";
  return (
    `The vector has a part of length ${format(result.coneLength, 3)} in the cone and one of length ${format(result.polarLength, 3)} in its polar. ` +
    `A random ${state.subspace} through 0 in space hits the cone of ${format(state.angle, 3)}° with probability ${format(result.probability, 3)}.${counted}`
  );
}

export const spec = {
  name: "cone-and-subspace",
  play: { label: "Open the cone", states: () => [10, 25, 40, 55, 70, 85].map((angle) => ({ angle })) },
  remember: () => ({ samples: [] }),
  samples: {
    most: MOST,
    // Lines and planes do not depend on the cone: opening it leaves them where they fell.
    key: (state) => (state.simulate ? "spun" : null),
    draw: (state, seed) => spin(generator(7919 * seed)),
  },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "coneLength", label: "‖Π_C x‖", value: result.coneLength, look: "blue" },
    { name: "polarLength", label: "‖Π_C° x‖", value: result.polarLength, look: "orange" },
    { name: "inner", label: "their inner product", value: result.inner, text: Math.abs(result.inner) < 1e-12 ? "0" : undefined, look: "grey" },
    { name: "probability", label: `P{a ${state.subspace} hits}`, value: result.probability, look: "ink" },
    { name: "tally", label: `hits of ${result.trials}`, value: result.trials ? result.share : undefined, text: result.trials ? `${percent(result.share)} ± ${percent(result.error)}` : "–", look: "green" },
  ],
  panels: [
    {
      name: "plane", title: "In the plane: drag x, or the cone's edge", draw: drawPlane, drag: dragPlane, ratio: 0.85, tall: 340,
      legend: () => [
        { label: "part in the cone", look: "blue", shape: "square" }, { label: "part in the polar cone", look: "orange", shape: "triangle" },
      ],
    },
    {
      name: "space", title: "In space: drag the edge, or turn the picture", draw: drawSpace, drag: dragSpace, ratio: 0.85, tall: 340,
      legend: (state) => [
        { label: state.subspace === "line" ? "a line that hits" : "normal of a plane that hits", look: "green", shape: "circle" },
        { label: "a miss", look: "red", shape: "cross" },
      ],
    },
  ],
};

export default createWidget(spec);
