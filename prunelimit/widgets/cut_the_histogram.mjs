// Chapter 7: drag the threshold over the weights' histogram; sparsity, distance and accuracy follow.
import { createWidget, format, interpolate, percent, Plot, total } from "./common.mjs";

/** Share of weights below each edge: strictly increasing knots of log10|w| and share removed. */
export function cumulative({ edges, counts, zeros }) {
  const sums = edges.slice(1).map((_, j) => total(Object.values(counts).map((layer) => layer[j])));
  const all = total(sums) + zeros;
  const knots = { logs: [Math.log10(edges[0])], shares: [zeros / all] };
  let below = zeros;
  sums.forEach((sum, j) => {
    below += sum;
    if (sum === 0) return;
    knots.logs.push(Math.log10(edges[j + 1]));
    knots.shares.push(below / all);
  });
  return { ...knots, sums, all };
}

/** Share of each layer's (non-zero) weights below 10^log. */
export function layerShares({ edges, counts }, log) {
  const logs = edges.map(Math.log10);
  const names = Object.keys(counts).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return names.map((name) => {
    const layer = counts[name];
    let below = 0;
    layer.forEach((count, j) => {
      const part = (log - logs[j]) / (logs[j + 1] - logs[j]);
      below += count * Math.min(1, Math.max(0, part));
    });
    return [name, below / total(layer)];
  });
}

export function evaluate(state, data) {
  const knots = cumulative(data.weights);
  const log = interpolate(knots.shares, knots.logs, state.sparsity);
  const kept = Math.round(data.dim * (1 - state.sparsity));
  const layers = layerShares(data.weights, log);
  return {
    knots,
    log,
    threshold: 10 ** log,
    kept,
    distance: Math.sqrt(interpolate(data.kept, data.squares, kept)),
    accuracy: interpolate(data.measured, data.accuracy, state.sparsity),
    layers,
    emptiest: Math.max(...layers.map(([, removed]) => removed)),
  };
}

function drawHistogram({ width, height, result, data }) {
  const logs = data.weights.edges.map(Math.log10);
  const most = Math.max(...result.knots.sums);
  const plot = new Plot({ width, height, x: [10 ** logs[0], 10 ** logs[logs.length - 1]], xLog: true, y: [0, 1.1 * most], xLabel: "magnitude |w|", yLabel: "weights in a bin" });
  const boxes = { gone: [], kept: [] };
  result.knots.sums.forEach((sum, j) => {
    const [low, high] = [logs[j], logs[j + 1]];
    const cut = Math.min(high, Math.max(low, result.log));
    if (cut > low) boxes.gone.push([10 ** low, 10 ** cut, sum]);
    if (cut < high) boxes.kept.push([10 ** cut, 10 ** high, sum]);
  });
  plot.bars(boxes.gone, "grey");
  plot.bars(boxes.kept, "blue");
  plot.vertical(result.threshold, "red", "threshold", 0);
  plot.handle(result.threshold, 0.5 * most, "horizontal");
  return plot;
}

function drawAccuracy({ width, height, state, result, data }) {
  const plot = new Plot({ width, height, x: [0, 1], y: [0, 1.02], xLabel: "sparsity", yLabel: "test accuracy" });
  plot.horizontal(data.dense_accuracy, "grey pl-dash pl-thin", "dense");
  plot.line(data.measured.map((place, j) => [place, data.accuracy[j]]), "blue");
  plot.vertical(state.sparsity, "red pl-thin");
  plot.handle(state.sparsity, result.accuracy, "horizontal");
  return plot;
}

function drawLayers({ width, height, result }) {
  const { layers } = result;
  const plot = new Plot({ width, height, x: [0, 1], y: [0, layers.length], xLabel: "share of the layer removed", rows: true });
  layers.forEach(([name, removed], j) => {
    const row = layers.length - 1 - j;
    const box = [[0, row + 0.2], [removed, row + 0.2], [removed, row + 0.75], [0, row + 0.75]];
    plot.area(box, removed > 0.995 ? "red" : "grey");
    plot.note(plot.left + 2, plot.py(row + 0.5) + 4, `${name}: ${percent(removed)}`);
  });
  return plot;
}

function sentence(state, result, data) {
  const empty = result.emptiest > 0.995 ? " One layer is all but empty." : "";
  return (
    `${data.name}: setting the ${percent(state.sparsity)} of weights below ${format(result.threshold, 3)} to 0 leaves ${result.kept} ` +
    `and moves the network by R = ${format(result.distance, 3)}; the test accuracy is ${percent(result.accuracy)} (dense ${percent(data.dense_accuracy)}).${empty}`
  );
}

export const spec = {
  name: "cut-the-histogram",
  play: { label: "Cut deeper", states: () => [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99].map((sparsity) => ({ sparsity })) },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "threshold", label: "threshold", value: result.threshold, look: "red" },
    { name: "kept", label: "weights kept", value: result.kept, look: "blue" },
    { name: "distance", label: "distance R", value: result.distance, look: "grey" },
    { name: "accuracy", label: "test accuracy", value: result.accuracy, text: percent(result.accuracy), look: "blue" },
  ],
  panels: [
    {
      name: "histogram", title: "Magnitudes: what lies left of the cut becomes 0", draw: drawHistogram,
      drag: { touch: "pan-y", move: (grip, x, y, state, result) => ({ sparsity: interpolate(result.knots.logs, result.knots.shares, Math.log10(Math.max(x, 1e-300))) }) },
      legend: () => [{ label: "removed", look: "grey", shape: "area" }, { label: "kept", look: "blue", shape: "area" }],
    },
    {
      name: "accuracy", title: "Measured accuracy, survivors untouched", draw: drawAccuracy,
      drag: { touch: "pan-y", move: (grip, x) => ({ sparsity: x }) },
    },
    { name: "layers", title: "Layer by layer", draw: drawLayers, wide: true, more: true, tall: 230, ratio: 0.3 },
  ],
};

export default createWidget(spec);
