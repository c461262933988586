// Chapter 10: one quadratic picture of a loss, drawn anew 1 to 16 times on the way, and the real loss.
import { createWidget, firstCrossing, format, percent, Plot } from "./common.mjs";

const LOSSES = [0.003, 5]; // of both panels
const PARABOLA_POINTS = 24;

/** Where a picture q(t) = start + slope·t + curvature·t²/2 stands at t. */
export function picture({ start, slope, curvature }, t) {
  return start + slope * t + (curvature * t * t) / 2;
}

/** Number of the measured sparsity nearest to the one asked for. */
export function nearestPlace(sparsities, sparsity) {
  return sparsities.reduce((best, s, j) => (Math.abs(s - sparsity) < Math.abs(sparsities[best] - sparsity) ? j : best), 0);
}

/** A stored path as stages that each start where the one before has arrived. */
export function stages(path, loss, dim) {
  let [from, start] = [0, loss];
  return path.map(([removed, slope, curvature, losses]) => {
    const stage = { from: from / dim, to: removed / dim, start, slope, curvature, losses };
    [from, start] = [removed, losses[losses.length - 1]];
    return { ...stage, real: start, promised: picture(stage, 1) };
  });
}

export function evaluate(state, data) {
  const level = data.loss + data.epsilon;
  const paths = data.runs[state.pictures].map((path) => stages(path, data.loss, data.dim));
  const number = nearestPlace(data.sparsities, state.sparsity);
  const ends = paths.map((path) => path[path.length - 1]);
  const places = [0, ...data.sparsities];
  const reach = (values) => firstCrossing(places, [data.loss, ...values], level);
  return {
    level, number, ends, path: paths[number], sparsity: data.sparsities[number],
    promised: ends[number].promised,
    real: ends[number].real,
    reach: reach(ends.map((end) => end.real)),
    promisedReach: reach(ends.map((end) => end.promised)),
  };
}

const onPlot = (loss) => Math.max(loss, LOSSES[0] / 10); // a promise may be below 0, where no logarithm goes

function drawPath({ width, height, result }) {
  const plot = new Plot({ width, height, x: [0, 1], y: LOSSES, yLog: true, xLabel: "sparsity reached on the way", yLabel: "training loss" });
  plot.horizontal(result.level, "grey pl-dash", "allowed");
  const real = [[0, result.path[0].start]];
  for (const stage of result.path) {
    const at = (t) => stage.from + t * (stage.to - stage.from);
    const parabola = [];
    for (let j = 0; j <= PARABOLA_POINTS; j += 1) {
      const t = j / PARABOLA_POINTS;
      parabola.push([at(t), onPlot(picture(stage, t))]);
    }
    plot.line(parabola, "purple pl-dash");
    stage.losses.forEach((loss, j) => real.push([at((j + 1) / stage.losses.length), loss]));
  }
  plot.line(real, "blue");
  plot.marks(result.path.map((stage) => [stage.from, stage.start]), "circle", "blue", 3.5);
  plot.marks([[result.sparsity, onPlot(result.promised)]], "diamond", "purple", 5);
  plot.marks([[result.sparsity, result.real]], "circle", "blue", 6);
  return plot;
}

function drawReach({ width, height, result, data }) {
  const plot = new Plot({ width, height, x: [0.6, 0.95], y: LOSSES, yLog: true, xLabel: "sparsity at the end", yLabel: "training loss" });
  plot.horizontal(result.level, "grey pl-dash", "allowed");
  const ends = (name) => result.ends.map((end, j) => [data.sparsities[j], onPlot(end[name])]);
  plot.line(data.retrained, "green pl-dot");
  plot.marks(data.retrained, "square", "green", 3.5);
  plot.line(ends("promised"), "purple pl-dash");
  plot.marks(ends("promised"), "diamond", "purple", 3);
  plot.line(ends("real"), "blue");
  plot.marks(ends("real"), "circle", "blue", 3.5);
  plot.vertical(result.sparsity, "grey pl-dot");
  plot.handle(result.sparsity, Math.min(LOSSES[1] / 1.3, result.real), "horizontal");
  return plot;
}

function sentence(state, result) {
  const pictures = state.pictures === 1 ? "One picture, drawn at w*," : `${state.pictures} pictures, each drawn where the last one led,`;
  const verdict = result.real <= result.level ? "within" : "above";
  return `${pictures} to sparsity ${percent(result.sparsity)}: the last one promises a loss of ${format(result.promised, 3)}, the network has ${format(result.real, 3)}, ${verdict} the ${format(result.level, 3)} allowed. The real loss stays within it up to ${percent(result.reach)}.`;
}

export const spec = {
  name: "reexpansion",
  play: { label: "Draw it anew", states: () => [1, 2, 4, 8, 16].map((pictures) => ({ pictures })) },
  evaluate,
  sentence,
  readouts: (state, result) => [
    { name: "promised", label: "the last picture's promise", value: result.promised, look: "purple" },
    { name: "real", label: "real loss there", value: result.real, look: "blue" },
    { name: "promisedReach", label: "promised up to sparsity", value: result.promisedReach, text: percent(result.promisedReach), look: "purple" },
    { name: "reach", label: "reached", value: result.reach, text: percent(result.reach), look: "blue" },
  ],
  panels: [
    {
      name: "path", title: "On the way: bowls, and the loss", draw: drawPath, tall: 360, ratio: 0.72,
      legend: () => [{ label: "quadratic picture", look: "purple pl-dash" }, { label: "real loss", look: "blue" }],
    },
    {
      name: "reach", title: "At the end, for each sparsity", draw: drawReach, tall: 360, ratio: 0.72,
      drag: { touch: "pan-y", move: (grip, x, y, state, result, data) => ({ sparsity: data.sparsities[nearestPlace(data.sparsities, x)] }) },
      legend: () => [
        { label: "promised", look: "purple", shape: "diamond" }, { label: "real", look: "blue", shape: "circle" },
        { label: "fine-tuned", look: "green", shape: "square" },
      ],
    },
  ],
};

export default createWidget(spec);
