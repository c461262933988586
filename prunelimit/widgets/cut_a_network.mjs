// Chapter 0: a small network that loses its connections while eight digits change their label.
import { createWidget, interpolate, percent, Plot } from "./common.mjs";
import { keepGuess, recallGuess } from "./guesses.mjs";

const PIXELS = 8; // along each side of an image
const GRID = { left: 4, bottom: 14, size: 4 };
const HIDDEN_X = 66;
const OUTPUT_X = 92;
const BUCKETS = [0.15, 0.4]; // of the largest weight: faint, middle, strong

// The weights of a stored network from the smallest up, as [layer, place]: sorted once.
const ORDERS = new WeakMap();
function smallestFirst(layers) {
  if (!ORDERS.has(layers)) {
    const found = layers.flatMap((layer, l) => layer.weight.map((w, j) => [Math.abs(w), l, layer.at[j]]));
    found.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    ORDERS.set(layers, found.map(([, l, at]) => [l, at]));
  }
  return ORDERS.get(layers);
}

const countWeights = (layers) => layers.reduce((sum, layer) => sum + layer.shape[0] * layer.shape[1], 0);

/** Dense matrices of a stored network, with the `removed` smallest weights set to 0. */
export function weights(layers, removed = 0) {
  const flat = layers.map((layer) => {
    const all = new Float64Array(layer.shape[0] * layer.shape[1]);
    layer.weight.forEach((w, j) => { all[layer.at[j]] = w; });
    return all;
  });
  const order = smallestFirst(layers);
  const zeros = countWeights(layers) - order.length; // they go first
  for (const [l, at] of order.slice(0, Math.max(0, removed - zeros))) flat[l][at] = 0;
  return layers.map(({ shape: [rows, columns], bias }, l) => ({
    matrix: Array.from({ length: rows }, (_, i) => flat[l].subarray(i * columns, (i + 1) * columns)), bias,
  }));
}

function affine({ matrix, bias }, input) {
  return matrix.map((row, i) => row.reduce((sum, w, j) => sum + w * input[j], bias[i]));
}

/** What the network makes of an image: hidden values, ten logits, and the largest one's class. */
export function classify([first, second], pixels) {
  const hidden = affine(first, pixels).map((x) => Math.max(0, x));
  const logits = affine(second, hidden);
  return { hidden, logits, label: logits.indexOf(Math.max(...logits)) };
}

/** The measured network nearest to a sparsity: those that were trained again are few. */
export function nearest(retrained, sparsity) {
  return retrained.reduce((best, entry) => (Math.abs(entry.sparsity - sparsity) < Math.abs(best.sparsity - sparsity) ? entry : best));
}

const column = (rows, j) => rows.map((row) => row[j]);

export function evaluate(state, data) {
  const dim = countWeights(data.layers);
  const again = state.retrained ? nearest(data.retrained, state.sparsity) : null;
  const sparsity = again ? again.sparsity : state.sparsity;
  const network = again ? weights(again.layers) : weights(data.layers, Math.round(state.sparsity * dim));
  const labels = data.digits.map((digit) => classify(network, digit.pixels));
  const sparsities = column(data.oneShot, 0);
  return {
    network, labels, sparsity, dim,
    kept: dim - Math.round(sparsity * dim),
    right: labels.filter((found, j) => found.label === data.digits[j].label).length,
    accuracy: again ? again.accuracy : interpolate(sparsities, column(data.oneShot, 2), sparsity),
  };
}

const pixelPlace = (j) => [GRID.left + GRID.size * (j % PIXELS), GRID.bottom + GRID.size * (PIXELS - 1 - Math.floor(j / PIXELS))];
const hiddenPlace = (i, count) => [HIDDEN_X, 4 + (52 * (count - 1 - i)) / (count - 1)];
const outputPlace = (i) => [OUTPUT_X, 3 + (54 * (9 - i)) / 9];

// Connections by sign and strength: six paths, however many there are.
function drawConnections(plot, matrix, from, to) {
  const [starts, ends] = [matrix[0], matrix].map((list, end) => Array.from(list, (_, j) => plot.path([[from, to][end](j)]).slice(1)));
  const largest = Math.max(1e-9, ...matrix.map((row) => row.reduce((most, w) => Math.max(most, Math.abs(w)), 0)));
  const looks = ["pl-hair pl-faint", "pl-hair", "pl-thin"];
  const found = ["blue", "orange pl-dash"].flatMap((colour) => looks.map((look) => ({ look: `${colour} ${look}`, d: "" })));
  matrix.forEach((row, i) => row.forEach((w, j) => {
    if (!w) return;
    const strength = (Math.abs(w) > BUCKETS[0] * largest) + (Math.abs(w) > BUCKETS[1] * largest);
    found[(w > 0 ? 0 : looks.length) + strength].d += `M${starts[j]}L${ends[i]}`;
  }));
  for (const { look, d } of found) if (d) plot.add(`<path class="pl-line ${look}" d="${d}"/>`);
}

// Pixels of one grey as one path: a dozen elements an image instead of 64.
function drawImage(plot, pixels, x, y, size) {
  const [low, high] = [Math.min(...pixels), Math.max(...pixels)];
  const side = Math.abs(plot.px(size) - plot.px(0));
  const box = (side + 0.3).toFixed(1);
  const paths = new Map();
  pixels.forEach((value, j) => {
    const ink = Math.round((16 * (value - low)) / (high - low || 1)) / 16;
    if (!ink) return;
    const px = plot.px(x + size * (j % PIXELS)).toFixed(1);
    const py = (plot.py(y + size * (PIXELS - 1 - Math.floor(j / PIXELS))) - side).toFixed(1);
    paths.set(ink, `${paths.get(ink) || ""}M${px} ${py}h${box}v${box}h-${box}z`);
  });
  for (const [ink, d] of paths) plot.addStill(`<path class="ink" d="${d}" fill="currentColor" fill-opacity="${ink}"/>`);
}

function drawNetwork({ width, height, state, result, data }) {
  const plot = new Plot({ width, height, x: [0, 100], y: [-18, 60], bare: true, square: true });
  const digit = data.digits[state.digit];
  const { hidden, label } = result.labels[state.digit];
  const [first, second] = result.network;
  const centre = (j) => pixelPlace(j).map((value) => value + GRID.size / 2);
  const [left, top] = [plot.px(GRID.left), plot.py(GRID.bottom + GRID.size * PIXELS)];
  const side = plot.px(GRID.left + GRID.size * PIXELS) - left;
  plot.addStill(`<rect class="pl-sheet" x="${left}" y="${top}" width="${side}" height="${side}"/>`); // the lines end at its edge
  drawImage(plot, digit.pixels, GRID.left, GRID.bottom, GRID.size);
  drawConnections(plot, first.matrix, centre, (i) => hiddenPlace(i, hidden.length));
  drawConnections(plot, second.matrix, (i) => hiddenPlace(i, hidden.length), outputPlace);
  hidden.forEach((value, i) => plot.marks([hiddenPlace(i, hidden.length)], "circle", value > 0 ? "ink" : "grey", value > 0 ? 5 : 3));
  for (let c = 0; c < 10; c += 1) {
    const wins = c === label;
    const look = wins ? (c === digit.label ? "green" : "red") : "grey";
    plot.marks([outputPlace(c)], wins ? "square" : "circle", look, wins ? 7 : 3);
    plot.addOver(`<text class="${look}" x="${plot.px(OUTPUT_X + 3.5)}" y="${plot.py(outputPlace(c)[1]) + 4}">${c}</text>`);
  }
  drawDigits(plot, result, data);
  return plot;
}

// Eight digits below the network, each with what the network takes it for.
function drawDigits(plot, result, data) {
  data.digits.forEach((digit, j) => {
    const left = 2 + 12.2 * j;
    drawImage(plot, digit.pixels, left, -11, 1.2);
    const { label } = result.labels[j];
    const right = label === digit.label;
    const [west, east, south, north] = [left - 0.9, left + 10.5, -18, -0.8];
    plot.area([[west, south], [east, south], [east, north], [west, north]], right ? "green pl-faint" : "red pl-flipped");
    plot.addOver(`<text class="pl-halo" text-anchor="middle" x="${plot.px(left + 4.8).toFixed(1)}" y="${plot.py(-17).toFixed(1)}">${right ? "✓" : "✗"} ${label}</text>`);
  });
}

function drawCurve({ width, height, state, result, data, memory }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [0, 1.02], xLabel: "sparsity: share of weights set to 0", yLabel: "test accuracy" });
  const upto = data.oneShot.filter((row) => row[0] <= Math.max(memory.seen, state.sparsity) + 1e-9);
  plot.line(upto.map((row) => [row[0], row[2]]), "blue");
  if (state.retrained) {
    plot.line(data.retrained.map((entry) => [entry.sparsity, entry.accuracy]), "green pl-dash");
    plot.marks(data.retrained.map((entry) => [entry.sparsity, entry.accuracy]), "square", "green", 4);
  }
  if (state.guess > 0) plot.vertical(state.guess, "orange", "your guess", 1);
  plot.vertical(result.sparsity, "grey pl-dot");
  plot.marks([[result.sparsity, result.accuracy]], state.retrained ? "square" : "circle", state.retrained ? "green" : "blue", 6);
  plot.handle(result.sparsity, Math.min(0.97, result.accuracy), "horizontal");
  return plot;
}

function sentence(state, result, data) {
  const how = state.retrained ? "and the survivors trained again" : "and nothing trained again";
  return `${result.kept} of ${result.dim} weights left (sparsity ${percent(result.sparsity)}), ${how}: ${result.right} of ${data.digits.length} digits right, test accuracy ${percent(result.accuracy)}.`;
}

export const spec = {
  name: "cut-a-network",
  play: {
    label: "Cut it",
    states: () => [0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99].map((sparsity) => ({ sparsity })),
  },
  remember: () => ({ seen: 0 }), // the curve appears as far as the reader has cut
  keeps: ["guess"],
  start: recallGuess,
  changed(view, changes) {
    if ("guess" in changes) keepGuess(view);
    view.memory.seen = Math.max(view.memory.seen, view.state.sparsity);
  },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "kept", label: "weights left", value: result.kept, text: `${result.kept} of ${result.dim}` },
    { name: "accuracy", label: "test accuracy", value: result.accuracy, text: percent(result.accuracy), look: state.retrained ? "green" : "blue" },
    ...(state.guess > 0 ? [{ name: "guess", label: "you guessed", value: state.guess, text: percent(state.guess), look: "orange" }] : []),
    { name: "right", label: "digits right", value: result.right, text: `${result.right} of 8`, look: result.right === 8 ? "green" : "red" },
  ],
  panels: [
    {
      name: "network", title: "64 pixels, 12 units, 10 classes; how it reads 8 digits", draw: drawNetwork, large: true, tall: 400, ratio: 0.76,
      legend: () => [{ label: "positive weight", look: "blue" }, { label: "negative weight", look: "orange pl-dash" }],
    },
    {
      name: "curve", title: "All 360 test digits", draw: drawCurve, tall: 400, ratio: 0.76,
      drag: { touch: "pan-y", move: (grip, x) => ({ sparsity: Math.min(0.99, Math.max(0, x)) }) },
      legend: (state) => [{ label: "cut, untouched", look: "blue" }, ...(state.retrained ? [{ label: "cut, trained again", look: "green", shape: "square" }] : [])],
    },
  ],
};

export default createWidget(spec);
