// A plot as text: axes, lines, marks and words in pixels of a panel.
import { format, superscript } from "./words.mjs";

export function escapeText(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

function ticks(low, high, logarithmic, room) {
  if (logarithmic) {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    const stride = Math.max(1, Math.ceil((last - first + 1) / room));
    const found = [];
    for (let power = first; power <= last; power += stride) found.push(10 ** power);
    return found;
  }
  const rough = (high - low) / Math.max(2, room);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= rough);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + 1e-9 * step; value += step) {
    found.push(Math.abs(value) < 1e-9 * step ? 0 : Number(value.toPrecision(12)));
  }
  return found;
}

function tickLabel(value, logarithmic) {
  if (logarithmic && (value >= 1e4 || value < 1e-2)) return `10${superscript(Math.round(Math.log10(value)))}`;
  return format(value);
}

export const MARKS = {
  circle: (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  square: (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  diamond: (x, y, r) => `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`,
  triangle: (x, y, r) => `M${x} ${y - 1.3 * r}l${1.3 * r} ${2.3 * r}h${-2.6 * r}z`,
  cross: (x, y, r) => `M${x - r} ${y - r}l${2 * r} ${2 * r}M${x + r} ${y - r}l${-2 * r} ${2 * r}`,
};

/** Axes, lines, marks and words in pixels of the panel, in `layers` of SVG from back to front. */
export class Plot {
  constructor({ width, height, x, y, xLabel = "", yLabel = "", xLog = false, yLog = false, square = false, bare = false, rows = false }) {
    Object.assign(this, { width, height, xLog, yLog, xLabel, yLabel, bare, rows });
    this.left = bare ? 6 : rows ? 14 : 50; // rows are labelled inside
    this.right = width - 10;
    this.top = 12;
    this.bottom = height - (bare ? 6 : 40);
    this.x = [...x];
    this.y = [...y];
    if (square) this.makeSquare();
    this.items = []; // cut off at the frame
    this.still = []; // on top of them: pictures that stay as they are while the reader moves something
    this.over = []; // marks, words and handles on top of it
  }

  // Equal units on both axes: widen the axis that has more room.
  makeSquare() {
    const perX = (this.right - this.left) / (this.x[1] - this.x[0]);
    const perY = (this.bottom - this.top) / (this.y[1] - this.y[0]);
    const unit = Math.min(perX, perY);
    const widen = (range, pixels) => {
      const middle = (range[0] + range[1]) / 2;
      return [middle - pixels / unit / 2, middle + pixels / unit / 2];
    };
    this.x = widen(this.x, this.right - this.left);
    this.y = widen(this.y, this.bottom - this.top);
  }

  fraction(value, range, logarithmic) {
    if (!logarithmic) return (value - range[0]) / (range[1] - range[0]);
    return Math.log(Math.max(value, 1e-300) / range[0]) / Math.log(range[1] / range[0]);
  }

  px(value) {
    const f = this.fraction(value, this.x, this.xLog);
    return this.left + Math.min(50, Math.max(-50, f)) * (this.right - this.left);
  }

  py(value) {
    const f = this.fraction(value, this.y, this.yLog);
    return this.bottom - Math.min(50, Math.max(-50, f)) * (this.bottom - this.top);
  }

  /** Data coordinates of a pixel. */
  invert(px, py) {
    const undo = (f, range, logarithmic) =>
      logarithmic ? range[0] * (range[1] / range[0]) ** f : range[0] + f * (range[1] - range[0]);
    return [
      undo((px - this.left) / (this.right - this.left), this.x, this.xLog),
      undo((this.bottom - py) / (this.bottom - this.top), this.y, this.yLog),
    ];
  }

  path(points) {
    let text = "";
    let pen = "M";
    for (const [x, y] of points) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        pen = "M";
        continue;
      }
      text += `${pen}${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)}`;
      pen = "L";
    }
    return text;
  }

  addStill(svg) {
    this.still.push(svg);
    return this;
  }

  add(svg) {
    this.items.push(svg);
    return this;
  }

  addOver(svg) {
    this.over.push(svg);
    return this;
  }

  holds(x, y) {
    const [px, py] = [this.px(x), this.py(y)];
    return px >= this.left - 2 && px <= this.right + 2 && py >= this.top - 2 && py <= this.bottom + 2;
  }

  line(points, look) {
    return this.add(`<path class="pl-line ${look}" d="${this.path(points)}"/>`);
  }

  area(points, look) {
    return this.add(`<path class="pl-area ${look}" d="${this.path(points)}Z"/>`);
  }

  // Bars as one path: [[x0, x1, y], …] standing on the bottom of the axis. Neighbours that
  // touch share an outline, so that many narrow bars leave no seams.
  bars(boxes, look) {
    let text = "";
    const base = this.bottom.toFixed(1);
    boxes.forEach(([x0, x1, y], j) => {
      const touches = j > 0 && boxes[j - 1][1] === x0;
      if (!touches) text += `${j > 0 ? `V${base}Z` : ""}M${this.px(x0).toFixed(1)} ${base}`;
      text += `V${this.py(y).toFixed(1)}H${this.px(x1).toFixed(1)}`;
    });
    if (boxes.length) text += `V${base}Z`;
    return this.add(`<path class="pl-area ${look}" d="${text}"/>`);
  }

  segment(x0, y0, x1, y1, look) {
    return this.line([[x0, y0], [x1, y1]], look);
  }

  vertical(x, look, label = "", row = 0) {
    const at = this.px(x);
    if (at < this.left - 1 || at > this.right + 1) return this;
    this.add(`<path class="pl-line ${look}" d="M${at.toFixed(1)} ${this.top}V${this.bottom}"/>`);
    if (label) this.note(at, this.top + 12 + 16 * row, label, look);
    return this;
  }

  horizontal(y, look, label = "") {
    const at = this.py(y);
    if (at < this.top - 1 || at > this.bottom + 1) return this;
    this.add(`<path class="pl-line ${look}" d="M${this.left} ${at.toFixed(1)}H${this.right}"/>`);
    if (label) this.addOver(`<text class="pl-halo ${look}" x="${this.right - 4}" y="${(at - 5).toFixed(1)}" text-anchor="end">${escapeText(label)}</text>`);
    return this;
  }

  // Words beside a pixel, turned inwards near the right edge.
  note(px, py, label, look = "") {
    const inwards = px > this.left + 0.62 * (this.right - this.left);
    const x = inwards ? px - 6 : px + 6;
    return this.addOver(`<text class="pl-halo ${look}" x="${x.toFixed(1)}" y="${py.toFixed(1)}" text-anchor="${inwards ? "end" : "start"}">${escapeText(label)}</text>`);
  }

  text(x, y, label, look = "") {
    return this.note(this.px(x), this.py(y), label, look);
  }

  marks(points, shape, look, radius = 4.5) {
    const d = points
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && this.holds(x, y))
      .map(([x, y]) => MARKS[shape](Number(this.px(x).toFixed(1)), Number(this.py(y).toFixed(1)), radius))
      .join("");
    return this.addOver(`<path class="pl-mark ${shape === "cross" ? "pl-open" : ""} ${look}" d="${d}"/>`);
  }

  // Points with error bars: [[x, low, high], …].
  errors(points, look) {
    let d = "";
    for (const [x, low, high] of points) {
      const at = this.px(x);
      d += `M${(at - 3).toFixed(1)} ${this.py(low).toFixed(1)}h6M${at.toFixed(1)} ${this.py(low).toFixed(1)}V${this.py(high).toFixed(1)}m-3 0h6`;
    }
    return this.add(`<path class="pl-line pl-thin ${look}" d="${d}"/>`);
  }

  /** Something to drag: a ring that is easy to see and at least 44 pixels to touch. */
  handle(x, y, direction = "both") {
    const px = this.px(x).toFixed(1);
    const py = this.py(y).toFixed(1);
    return this.addOver(
      `<g class="pl-handle pl-drag-${direction}"><circle class="pl-touch" cx="${px}" cy="${py}" r="22"/>` +
        `<circle class="pl-ring" cx="${px}" cy="${py}" r="8"/></g>`,
    );
  }

  axes() {
    if (this.bare) return "";
    const xs = ticks(this.x[0], this.x[1], this.xLog, this.width / 75).filter((v) => this.px(v) <= this.right + 1 && this.px(v) >= this.left - 1);
    const ys = this.rows ? [] : ticks(this.y[0], this.y[1], this.yLog, this.height / 45).filter((v) => this.py(v) <= this.bottom + 1 && this.py(v) >= this.top - 1);
    let grid = "";
    let words = "";
    for (const value of xs) {
      const at = this.px(value).toFixed(1);
      grid += `M${at} ${this.top}V${this.bottom}`;
      const edge = Number(at) > this.right - 12;
      words += `<text x="${edge ? this.right + 8 : at}" y="${this.bottom + 16}" text-anchor="${edge ? "end" : "middle"}">${tickLabel(value, this.xLog)}</text>`;
    }
    for (const value of ys) {
      const at = this.py(value).toFixed(1);
      grid += `M${this.left} ${at}H${this.right}`;
      words += `<text x="${this.left - 6}" y="${(Number(at) + 4).toFixed(1)}" text-anchor="end">${tickLabel(value, this.yLog)}</text>`;
    }
    words += `<text class="pl-axis" x="${(this.left + this.right) / 2}" y="${this.height - 6}" text-anchor="middle">${escapeText(this.xLabel)}</text>`;
    if (!this.rows) words += `<text class="pl-axis" transform="translate(12 ${(this.top + this.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(this.yLabel)}</text>`;
    return `<path class="pl-grid" d="${grid}"/><path class="pl-frame" d="M${this.left} ${this.top}V${this.bottom}H${this.right}"/>${words}`;
  }

  // Apart, so that the view draws only those anew that have changed.
  layers() {
    const clip = `pl-clip-${this.name || ""}`;
    const box = `<clipPath id="${clip}"><rect x="${this.left}" y="${this.top - 1}" width="${this.right - this.left + 1}" height="${this.bottom - this.top + 1}"/></clipPath>`;
    return [`${box}${this.axes()}`, `<g clip-path="url(#${clip})">${this.items.join("")}</g>`, this.still.join(""), this.over.join("")];
  }

  toString() {
    return this.layers().join("");
  }
}
