// What every widget shares: numbers, the URL fragment, an SVG plot, and the view.
//
// The first half touches no document, so node can import and test it. Python
// joins this file and one widget's file into the single ES module that anywidget
// wants (see base.py).

// ---------------------------------------------------------------- numbers

const LANCZOS_G = 607 / 128;
const LANCZOS_COEFFICIENTS = [
  0.99999999999999709182, 57.156235665862923517, -59.597960355475491248,
  14.136097974741747174, -0.49191381609762019978, 0.33994649984811888699e-4,
  0.46523628927048575665e-4, -0.98374475304879564677e-4, 0.15808870322491248884e-3,
  -0.21026444172410488319e-3, 0.21743961811521264320e-3, -0.16431810653676389022e-3,
  0.84418223983852743293e-4, -0.26190838401581408670e-4, 0.36899182659531622704e-5,
];

/** Logarithm of the Gamma function for x > 0 (Lanczos' approximation). */
export function logGamma(x) {
  let series = LANCZOS_COEFFICIENTS[0];
  for (let j = 1; j < LANCZOS_COEFFICIENTS.length; j += 1) series += LANCZOS_COEFFICIENTS[j] / (x - 1 + j);
  const t = x - 0.5 + LANCZOS_G;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

// What Stirling's formula leaves out, so that large Gammas can be subtracted without cancellation.
function stirlingRemainder(x) {
  if (x < 15) return logGamma(x) - ((x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI));
  const y = 1 / (x * x);
  return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - (y * 691) / 360360))))) / x;
}

/** Logarithm of the Beta function for a, b > 0, accurate for large arguments too. */
export function logBeta(a, b) {
  const small = Math.min(a, b);
  const large = Math.max(a, b);
  if (large < 15) return logGamma(a) + logGamma(b) - logGamma(a + b);
  const rest = stirlingRemainder(large) - stirlingRemainder(large + small);
  // log Γ(large) − log Γ(large+small), the big terms taken together
  const difference = -(large - 0.5) * Math.log1p(small / large) - small * Math.log(large + small) + small + rest;
  return logGamma15(small) + difference;
}

function logGamma15(x) {
  if (x < 15) return logGamma(x);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + stirlingRemainder(x);
}

// Continued fraction of the incomplete Beta function (modified Lentz).
function betaFraction(x, a, b) {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let h = d;
  for (let m = 1; m < 5000; m += 1) {
    let numerator = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + numerator * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + numerator / c;
    if (Math.abs(c) < tiny) c = tiny;
    h *= d * c;
    numerator = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + numerator * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + numerator / c;
    if (Math.abs(c) < tiny) c = tiny;
    const factor = d * c;
    h *= factor;
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return h;
}

/** Regularised incomplete Beta function I_x(a, b); `complement` is 1 − x where it is known better. */
export function betaRegularized(x, a, b, complement = 1 - x) {
  if (x <= 0) return 0;
  if (complement <= 0) return 1;
  const logX = x > 0.5 ? Math.log1p(-complement) : Math.log(x);
  const logY = x > 0.5 ? Math.log(complement) : Math.log1p(-x);
  const front = Math.exp(a * logX + b * logY - logBeta(a, b));
  if (x < (a + 1) / (a + b + 2)) return (front * betaFraction(x, a, b)) / a;
  return 1 - (front * betaFraction(complement, b, a)) / b;
}

/** Complementary error function (through the incomplete Gamma function's continued fraction). */
export function erfc(x) {
  if (x < 0) return 2 - erfc(-x);
  const z = x * x;
  if (x < 2) {
    // power series of erf
    let term = x;
    let sum = x;
    for (let n = 1; n < 200; n += 1) {
      term *= (2 * z) / (2 * n + 1);
      sum += term;
      if (term < 1e-17 * sum) break;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-z) * sum;
  }
  let b = z + 0.5;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 500; i += 1) {
    const an = -i * (i - 0.5);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const factor = d * c;
    h *= factor;
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return (Math.exp(-z) * x * h) / Math.sqrt(Math.PI);
}

/** Root of an increasing function on [low, high]; an end if there is no sign change. */
export function bisect(increasing, low, high, iterations = 200) {
  if (increasing(low) >= 0) return low;
  if (increasing(high) <= 0) return high;
  let a = low;
  let b = high;
  for (let i = 0; i < iterations; i += 1) {
    const middle = 0.5 * (a + b);
    if (middle <= a || middle >= b) break;
    if (increasing(middle) < 0) a = middle;
    else b = middle;
  }
  return 0.5 * (a + b);
}

/** Position of `x` in the ascending `grid`, and how far between it and the next. */
export function locate(grid, x) {
  let low = 0;
  let high = grid.length - 1;
  if (x <= grid[0]) return [0, 0];
  if (x >= grid[high]) return [high - 1, 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (grid[middle] <= x) low = middle;
    else high = middle;
  }
  return [low, (x - grid[low]) / (grid[high] - grid[low])];
}

/** Linear interpolation of `values` over the ascending `grid`, constant outside. */
export function interpolate(grid, values, x) {
  const [i, t] = locate(grid, x);
  if (t === 0) return values[i];
  if (t === 1) return values[i + 1];
  return values[i] + t * (values[i + 1] - values[i]);
}

/** A small seeded generator of uniform numbers in (0, 1) (mulberry32). */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

/** One standard normal number (Box and Muller's cosine half). */
export function normal(uniform) {
  return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** One Gamma(shape, 1) number (Marsaglia and Tsang 2000), so a χ²_d costs the same for every d. */
export function gamma(uniform, shape) {
  if (shape < 1) return gamma(uniform, shape + 1) * uniform() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(uniform);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** One χ² number with `freedom` degrees of freedom. */
export function chiSquare(uniform, freedom) {
  return freedom <= 0 ? 0 : 2 * gamma(uniform, freedom / 2);
}

export function radians(degrees) {
  return (degrees * Math.PI) / 180;
}

/** N_eff(σ) = Σ λ/(λ+σ) for nodes λ of which each stands for `counts` eigenvalues. */
export function effectiveDimension(nodes, counts, ridge) {
  let sum = 0;
  for (let j = 0; j < nodes.length; j += 1) sum += (counts[j] * nodes[j]) / (nodes[j] + ridge);
  return sum;
}

/** Σ σ/(λ+σ) = D − N_eff(σ), without cancellation. */
export function flatDimension(nodes, counts, ridge) {
  let sum = 0;
  for (let j = 0; j < nodes.length; j += 1) sum += (counts[j] * ridge) / (nodes[j] + ridge);
  return sum;
}

export function total(numbers) {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}

/** Tr H of a spectrum given as nodes and counts. */
export function trace(nodes, counts) {
  let sum = 0;
  for (let j = 0; j < nodes.length; j += 1) sum += counts[j] * nodes[j];
  return sum;
}

/** The curvature that `formula` ("paper" or "sharp") multiplies by R²/2, at ridge σ. */
export function curvatureAt(formula, nodes, counts, ridge) {
  if (formula === "paper") return ridge;
  return (ridge * effectiveDimension(nodes, counts, ridge)) / flatDimension(nodes, counts, ridge);
}

/**
 * Where a limit's equation R(k)²·curvature(σ) = 2ε is met, k = N_eff(σ), by bisection in log σ.
 *
 * The left side grows with σ (prunelimit.limit proves it), so there is one crossing.
 * Returns {kept, ridge, status}: "solved", "any" (even k = 0 reaches the set) or
 * "none" (no k below D does).
 */
export function solveLimit(formula, nodes, counts, distance, epsilon) {
  const dim = total(counts);
  const positive = nodes.filter((node, j) => node > 0 && counts[j] > 0);
  if (!positive.length) return { kept: 0, ridge: Infinity, status: "any" };
  const excess = (logRidge) => {
    const ridge = Math.exp(logRidge);
    const kept = effectiveDimension(nodes, counts, ridge);
    return distance(kept) ** 2 * curvatureAt(formula, nodes, counts, ridge) - 2 * epsilon;
  };
  const low = Math.log(Math.min(...positive)) - 40;
  const high = Math.log(Math.max(...positive)) + Math.log(dim) + 40;
  if (excess(high) < 0) return { kept: 0, ridge: Infinity, status: "any" };
  const ridge = Math.exp(bisect(excess, low, high));
  const kept = effectiveDimension(nodes, counts, ridge);
  return { kept, ridge, status: kept >= dim * (1 - 1e-12) ? "none" : "solved" };
}

/** Distance R at which each formula would just allow k = N_eff(σ): {paper: [[sparsity, R], …], sharp}. */
export function boundaries(nodes, counts, dim, epsilon, points = 110) {
  const positive = nodes.filter((node) => node > 0);
  const low = Math.log(Math.min(...positive)) - 8;
  const high = Math.log(Math.max(...positive)) + Math.log(dim) + 2;
  const found = { paper: [], sharp: [] };
  for (let j = 0; j <= points; j += 1) {
    const ridge = Math.exp(low + ((high - low) * j) / points);
    const kept = effectiveDimension(nodes, counts, ridge);
    const flat = flatDimension(nodes, counts, ridge);
    found.paper.push([1 - kept / dim, Math.sqrt((2 * epsilon) / ridge)]);
    found.sharp.push([1 - kept / dim, Math.sqrt((2 * epsilon * flat) / (ridge * kept))]);
  }
  return found;
}

/** The ridge at which the effective dimension is `kept` (between 0 and the rank). */
export function ridgeAt(nodes, counts, kept) {
  const positive = nodes.filter((node, j) => node > 0 && counts[j] > 0);
  const rank = total(counts.filter((count, j) => nodes[j] > 0));
  if (kept <= 0) return Infinity;
  if (kept >= rank) return 0;
  const odds = Math.log(rank - kept) - Math.log(kept);
  const low = Math.log(Math.min(...positive)) + odds - 1e-9;
  const high = Math.log(Math.max(...positive)) + odds + 1e-9;
  return Math.exp(bisect((t) => kept - effectiveDimension(nodes, counts, Math.exp(t)), low, high));
}

/** R(k) from a grid of kept counts and R² (linear in R² between the grid's points). */
export function distanceProfile(keptGrid, squares, scale = 1) {
  return (kept) => scale * Math.sqrt(Math.max(0, interpolate(keptGrid, squares, kept)));
}

// ---------------------------------------------------------------- words and addresses

/** A number as a reader wants it: four significant digits, no noise. */
export function format(x, digits = 4) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e7) return String(x).replace("-", "−");
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, power] = x.toExponential(2).split("e");
    return `${mantissa}·10${superscript(Number(power))}`.replace("-", "−");
  }
  return String(Number(x.toPrecision(digits))).replace("-", "−");
}

function superscript(integer) {
  const signs = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  return String(integer).replace(/[-0-9]/g, (sign) => signs[sign]);
}

/** A share as a percentage with one digit. */
export function percent(x) {
  return Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "–";
}

// An address may hold anything: what cannot be decoded is taken as it stands.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Split "#anchor&w=name:a=1,b=2&w=…" into the anchor and each widget's settings. */
export function parseFragment(fragment) {
  const widgets = new Map();
  let anchor = "";
  for (const part of fragment.replace(/^#/, "").split("&")) {
    if (!part.startsWith("w=")) {
      if (!anchor) anchor = part;
      continue;
    }
    const [name, ...rest] = part.slice(2).split(":");
    const settings = {};
    for (const pair of rest.join(":").split(",")) {
      const cut = pair.indexOf("=");
      if (cut > 0) settings[decoded(pair.slice(0, cut))] = decoded(pair.slice(cut + 1));
    }
    widgets.set(decoded(name), settings);
  }
  return { anchor, widgets };
}

/** The inverse of `parseFragment`. */
export function formatFragment({ anchor, widgets }) {
  const parts = anchor ? [anchor] : [];
  for (const [name, settings] of widgets) {
    const pairs = Object.entries(settings).map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
    parts.push(`w=${encodeURIComponent(name)}:${pairs.join(",")}`);
  }
  return parts.length ? `#${parts.join("&")}` : "";
}

/** Where a value stands on its slider (log sliders move in decades). */
export function toPosition(control, value) {
  return control.scale === "log" ? Math.log10(value) : value;
}

/** The value at a slider's position. */
export function fromPosition(control, position) {
  const value = control.scale === "log" ? 10 ** position : position;
  const bounded = Math.min(control.max, Math.max(control.min, value));
  return control.integer ? Math.round(bounded) : bounded;
}

/** A value from outside (an address, a preset) made admissible; undefined if it cannot be. */
export function admit(control, value) {
  if (control.kind === "toggle") return value === true || value === "true" || value === "1";
  if (control.kind === "choice") {
    const option = control.options.find((candidate) => String(candidate.value) === String(value));
    return option === undefined ? undefined : option.value;
  }
  const number = Number(value);
  if (!Number.isFinite(number) || value === "") return undefined;
  const bounded = Math.min(control.max, Math.max(control.min, number));
  return control.integer ? Math.round(bounded) : bounded;
}

// ---------------------------------------------------------------- an SVG plot, as text

function escapeText(text) {
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

// Every widget on a page carries its own copy of this module: ids must differ between copies.
const COPY = Math.random().toString(36).slice(2, 8);

const MARKS = {
  circle: (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  square: (x, y, r) => `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  diamond: (x, y, r) => `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`,
  triangle: (x, y, r) => `M${x} ${y - 1.3 * r}l${1.3 * r} ${2.3 * r}h${-2.6 * r}z`,
  cross: (x, y, r) => `M${x - r} ${y - r}l${2 * r} ${2 * r}M${x + r} ${y - r}l${-2 * r} ${2 * r}`,
};

/** Axes, lines, marks and words in pixels of the panel; `toString` is the SVG's content. */
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
    words += `<text class="pl-axis" transform="translate(12 ${(this.top + this.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(this.yLabel)}</text>`;
    return `<path class="pl-grid" d="${grid}"/><path class="pl-frame" d="M${this.left} ${this.top}V${this.bottom}H${this.right}"/>${words}`;
  }

  toString() {
    const clip = `pl-clip-${this.name || ""}`;
    const box = `<clipPath id="${clip}"><rect x="${this.left}" y="${this.top - 1}" width="${this.right - this.left + 1}" height="${this.bottom - this.top + 1}"/></clipPath>`;
    return `${box}${this.axes()}<g clip-path="url(#${clip})">${this.items.join("")}</g>${this.over.join("")}`;
  }
}

// ---------------------------------------------------------------- the view

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

let viewsMade = 0;
const NARROWEST = 80; // pixels

function inNotebookServer() {
  return Boolean(document.querySelector("#jupyter-config-data, .jp-LabShell, .jp-Notebook, .notebook_app"));
}

/** One widget on the page: its controls, panels, readouts, sentence and address. */
class View {
  constructor(spec, model, root) {
    this.spec = spec;
    this.model = model;
    this.id = `pl-${COPY}-${(viewsMade += 1)}`;
    this.controls = model.get("_controls");
    this.data = model.get("data") || {};
    this.defaults = { ...model.get("_defaults") };
    this.address = model.get("key") || spec.name;
    this.memory = spec.remember ? spec.remember() : {};
    this.state = {};
    for (const control of this.controls) this.state[control.key] = model.get(control.key);
    this.adoptAddress();
    if (spec.start) spec.start(this);
    this.build(root);
    this.listen();
    this.update();
    clearTimeout(this.liveTimer); // nothing has changed yet that a reader would have to hear
    this.bringIntoView();
  }

  // ---- state

  set(changes, { fromModel = false } = {}) {
    let changed = false;
    for (const control of this.controls) {
      if (!(control.key in changes)) continue;
      const value = admit(control, changes[control.key]);
      if (value === undefined || value === this.state[control.key]) continue;
      this.state[control.key] = value;
      changed = true;
    }
    if (!changed) return;
    if (this.spec.forget) this.spec.forget(this.memory, this.state, changes);
    if (this.spec.changed) this.spec.changed(this, changes);
    this.update();
    if (!fromModel) this.saveSoon();
    this.rememberAddressSoon();
  }

  replace(values) {
    this.set({ ...this.defaults, ...values });
  }

  saveSoon() {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => {
      for (const control of this.controls) this.model.set(control.key, this.state[control.key]);
      try {
        this.model.save_changes();
      } catch {
        // a page without a kernel has nowhere to save to
      }
    }, 60);
  }

  adoptAddress() {
    if (inNotebookServer()) return false;
    const settings = parseFragment(window.location.hash).widgets.get(this.address);
    if (!settings) return false;
    for (const control of this.controls) {
      const value = control.key in settings ? admit(control, settings[control.key]) : undefined;
      this.state[control.key] = value === undefined ? this.defaults[control.key] : value;
    }
    return true;
  }

  rememberAddressSoon() {
    this.root.dataset.address = "pending";
    clearTimeout(this.addressTimer);
    this.addressTimer = setTimeout(() => this.rememberAddress(), 250);
  }

  rememberAddress() {
    if (inNotebookServer()) return;
    const fragment = parseFragment(window.location.hash);
    const settings = {};
    for (const control of this.controls) {
      if (this.state[control.key] !== this.defaults[control.key]) settings[control.key] = this.state[control.key];
    }
    if (Object.keys(settings).length) fragment.widgets.set(this.address, settings);
    else fragment.widgets.delete(this.address);
    const url = `${window.location.pathname}${window.location.search}${formatFragment(fragment)}`;
    try {
      window.history.replaceState(window.history.state, "", url);
    } catch {
      // a frame without an address of its own, or a browser that has had enough for now
    }
    this.root.dataset.address = "written";
  }

  // A link to an exact state leads to the widget; a link to an anchor beside states leads to the anchor.
  bringIntoView() {
    const { anchor, widgets } = parseFragment(window.location.hash);
    if (!widgets.size || inNotebookServer()) return;
    if (anchor) document.getElementById(decoded(anchor))?.scrollIntoView();
    else if ([...widgets.keys()][0] === this.address) this.root.scrollIntoView({ block: "start" });
  }

  // ---- what is on the page

  build(root) {
    this.root = element("section", { class: "pl-widget", "aria-label": this.model.get("title"), "data-widget": this.address });
    this.root.append(
      element("p", { class: "pl-title" }, this.model.get("title")),
      this.buildPresets(),
      this.buildPanels(),
      this.buildReadouts(),
      this.buildControls(),
      this.buildActions(),
    );
    this.sentence = element("p", { class: "pl-sentence" });
    this.live = element("p", { class: "pl-hidden", "aria-live": "polite", role: "status" });
    this.root.append(this.sentence, this.live);
    root.append(this.root);
  }

  buildPresets() {
    const group = element("div", { class: "pl-presets", role: "group", "aria-label": "Presets" });
    for (const preset of this.model.get("_presets")) {
      group.append(element("button", { type: "button", "data-preset": preset.name, onclick: () => this.replace(preset.values) }, preset.name));
    }
    group.append(
      element("button", { type: "button", class: "pl-reset", "data-preset": "Reset", onclick: () => this.reset() }, "Reset"),
    );
    return group;
  }

  reset() {
    if (this.spec.remember) this.memory = this.spec.remember();
    this.replace({});
    this.update();
  }

  buildPanels() {
    const holder = element("div", { class: "pl-panels" });
    this.panels = this.spec.panels.map((panel, index) => {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("role", "img");
      svg.setAttribute("class", panel.drag ? `pl-plot pl-draggable pl-touch-${panel.drag.touch || "none"}` : "pl-plot");
      svg.setAttribute("data-panel", panel.name);
      const legend = element("ul", { class: "pl-legend" });
      const caption = element("figcaption", { id: `${this.id}-panel-${index}` }, panel.title);
      const figure = element("figure", { class: `pl-panel ${panel.wide ? "pl-wide" : ""}` }, caption, svg, legend);
      holder.append(figure);
      const entry = { panel, svg, legend, caption, plot: null };
      if (panel.drag) this.makeDraggable(entry);
      return entry;
    });
    return holder;
  }

  buildReadouts() {
    this.readouts = element("dl", { class: "pl-readouts" });
    return this.readouts;
  }

  buildControls() {
    this.inputs = new Map();
    const holder = element("div", { class: "pl-controls" });
    for (const control of this.controls) {
      const make = { slider: "buildSlider", choice: "buildChoice", toggle: "buildToggle" }[control.kind];
      holder.append(this[make](control));
    }
    return holder;
  }

  buildSlider(control) {
    const id = `${this.id}-${control.key}`;
    const shown = element("output", { for: id, class: "pl-value" });
    const input = element("input", {
      type: "range", id, "data-control": control.key,
      min: toPosition(control, control.min), max: toPosition(control, control.max), step: control.step,
    });
    input.addEventListener("input", () => this.set({ [control.key]: fromPosition(control, Number(input.value)) }));
    const row = element("div", { class: "pl-control" }, element("label", { for: id }, control.label), input, shown);
    this.inputs.set(control.key, { control, input, shown, row });
    return row;
  }

  buildChoice(control) {
    const id = `${this.id}-${control.key}`;
    const input = element("select", { id, "data-control": control.key });
    for (const option of control.options) input.append(element("option", { value: option.value }, option.label));
    input.addEventListener("change", () => this.set({ [control.key]: input.value }));
    const row = element("div", { class: "pl-control" }, element("label", { for: id }, control.label), input);
    if (control.stepper) row.append(this.stepButton(control, -1), this.stepButton(control, 1));
    this.inputs.set(control.key, { control, input, row });
    return row;
  }

  stepButton(control, direction) {
    const move = () => {
      const here = control.options.findIndex((option) => option.value === this.state[control.key]);
      const there = Math.min(control.options.length - 1, Math.max(0, here + direction));
      this.set({ [control.key]: control.options[there].value });
    };
    const label = direction > 0 ? `next ${control.label}` : `previous ${control.label}`;
    return element("button", { type: "button", class: "pl-step", "aria-label": label, "data-step": `${control.key}${direction > 0 ? "+" : "-"}`, onclick: move }, direction > 0 ? "+" : "−");
  }

  buildToggle(control) {
    const input = element("input", { type: "checkbox", "data-control": control.key });
    input.addEventListener("change", () => this.set({ [control.key]: input.checked }));
    const row = element("div", { class: "pl-control" }, element("label", { class: "pl-check" }, input, element("span", {}, control.label)));
    this.inputs.set(control.key, { control, input, row });
    return row;
  }

  buildActions() {
    const holder = element("div", { class: "pl-actions" });
    this.buttons = (this.spec.actions || []).map((action) => {
      const button = element("button", { type: "button", "data-action": action.name }, action.label);
      button.addEventListener("click", () => {
        action.run(this);
        this.update();
      });
      holder.append(button);
      return { action, button };
    });
    holder.append(this.buildSimulation());
    return holder;
  }

  // What needs Python stays hidden until a kernel answers.
  buildSimulation() {
    this.simulateButton = element("button", { type: "button", "data-action": "simulate", onclick: () => this.send({ type: "simulate" }) }, this.spec.simulateLabel || "Simulate in Python");
    this.stopButton = element("button", { type: "button", "data-action": "stop", hidden: true, onclick: () => this.send({ type: "stop" }) }, "Stop");
    this.progress = element("progress", { max: 1, value: 0, hidden: true, "aria-label": "progress of the simulation" });
    this.simulation = element("span", { class: "pl-simulation", hidden: true }, this.simulateButton, this.progress, this.stopButton);
    return this.simulation;
  }

  send(message) {
    try {
      this.model.send(message);
    } catch {
      // no kernel: the button is hidden anyway
    }
  }

  // ---- events

  listen() {
    this.controlListeners = this.controls.map((control) => {
      const react = () => this.set({ [control.key]: this.model.get(control.key) }, { fromModel: true });
      this.model.on(`change:${control.key}`, react);
      return [`change:${control.key}`, react];
    });
    const dataChanged = () => {
      this.data = this.model.get("data") || {};
      this.update();
    };
    const message = (content) => this.receive(content);
    this.model.on("change:data", dataChanged);
    this.model.on("msg:custom", message);
    this.controlListeners.push(["change:data", dataChanged], ["msg:custom", message]);
    this.hashListener = () => {
      if (this.adoptAddress()) this.update();
      else this.rememberAddressSoon(); // a link within the page has dropped the state from the address
    };
    window.addEventListener("hashchange", this.hashListener);
    // In a frame of its own: drawing changes the height, which would set the observer off again.
    this.observer = new ResizeObserver(() => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.fit());
    });
    this.observer.observe(this.root);
    if (this.model.get("_simulates")) this.send({ type: "hello" });
  }

  receive(message) {
    if (message.type === "ready") this.simulation.hidden = false;
    const running = message.type === "progress";
    if (["progress", "done", "stopped", "failed"].includes(message.type)) {
      this.progress.hidden = !running;
      this.stopButton.hidden = !running;
      this.simulateButton.disabled = running;
    }
    if (running) this.progress.value = message.fraction;
    if (message.type === "failed") this.say(message.text);
  }

  say(text) {
    this.sentence.textContent = text;
    this.live.textContent = text;
  }

  makeDraggable(entry) {
    const { svg, panel } = entry;
    let grip = null;
    const point = (event) => {
      const box = svg.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const move = (event) => {
      const [px, py] = point(event);
      const [x, y] = entry.plot.invert(px, py);
      this.set(panel.drag.move(grip, x, y, this.state, this.result, this.data));
    };
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !entry.plot) return;
      const [px, py] = point(event);
      grip = panel.drag.start ? panel.drag.start(px, py, entry.plot, this.state, this.result, this.data) : "all";
      if (!grip) return;
      svg.setPointerCapture(event.pointerId);
      event.preventDefault();
      move(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (grip) move(event);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      svg.addEventListener(end, () => {
        grip = null;
      });
    }
    // A finger that has hold of something drags it; elsewhere it scrolls the page.
    svg.addEventListener("touchstart", (event) => {
      if (grip && event.cancelable) event.preventDefault();
    }, { passive: false });
  }

  destroy() {
    for (const [event, listener] of this.controlListeners) this.model.off(event, listener);
    window.removeEventListener("hashchange", this.hashListener);
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.saveTimer);
    clearTimeout(this.addressTimer);
    clearTimeout(this.liveTimer);
  }

  // ---- redraw

  update() {
    this.result = this.spec.evaluate(this.state, this.data, this.memory);
    this.showControls();
    this.showReadouts();
    this.draw();
    this.sentence.textContent = this.spec.sentence(this.state, this.result, this.data, this.memory);
    clearTimeout(this.liveTimer);
    this.liveTimer = setTimeout(() => {
      this.live.textContent = this.sentence.textContent;
    }, 500);
    this.root.dataset.state = JSON.stringify(this.state);
  }

  showControls() {
    for (const { control, input, shown, row } of this.inputs.values()) {
      const value = this.state[control.key];
      row.hidden = this.spec.shows ? !this.spec.shows(control.key, this.state, this.data) : false;
      if (control.kind === "toggle") input.checked = value;
      else if (control.kind === "choice") input.value = value;
      else {
        const limits = this.spec.limits ? this.spec.limits(control.key, this.state) : null;
        if (limits) [input.min, input.max] = limits.map((limit) => toPosition(control, limit));
        const position = toPosition(control, value);
        if (Math.abs(Number(input.value) - position) > control.step / 2) input.value = position;
        const text = control.percent ? percent(value) : `${format(value)}${control.unit || ""}`;
        shown.textContent = text;
        input.setAttribute("aria-valuetext", text);
      }
    }
    for (const { action, button } of this.buttons) {
      if (action.enabled) button.disabled = !action.enabled(this.state, this.memory, this.data);
    }
  }

  showReadouts() {
    const rows = this.spec.readouts(this.state, this.result, this.data, this.memory);
    this.readouts.innerHTML = rows
      .map(({ name, label, value, text, look }) => {
        const full = typeof value === "number" ? ` data-value="${value}"` : "";
        return `<div class="${look || ""}"><dt>${escapeText(label)}</dt><dd data-readout="${name}"${full}>${escapeText(text ?? format(value))}</dd></div>`;
      })
      .join("");
  }

  // Measured once and after a change of size only: asking while drawing would lay the page out
  // again for every panel.
  measure() {
    this.widths = this.panels.map((entry) => Math.round(entry.svg.parentNode.clientWidth));
  }

  fit() {
    const before = String(this.widths);
    this.measure();
    if (before !== String(this.widths)) this.draw();
  }

  draw() {
    if (!this.widths) this.measure();
    const words = this.spec.sentence(this.state, this.result, this.data, this.memory);
    for (const [index, entry] of this.panels.entries()) {
      const width = this.widths[index];
      if (width < NARROWEST) continue; // folded away, or no room for axes: drawn when there is
      const height = Math.round(Math.min(entry.panel.tall || 300, Math.max(210, width * (entry.panel.ratio || 0.68))));
      entry.svg.setAttribute("width", width);
      entry.svg.setAttribute("height", height);
      entry.plot = entry.panel.draw({ width, height, state: this.state, result: this.result, data: this.data, memory: this.memory });
      entry.plot.name = `${this.id}-${entry.panel.name}`;
      const content = String(entry.plot);
      if (content !== entry.content) entry.svg.innerHTML = content;
      entry.content = content;
      entry.svg.setAttribute("aria-label", `${entry.panel.title}. ${words}`);
      this.showLegend(entry);
    }
  }

  showLegend({ panel, legend }) {
    const rows = panel.legend ? panel.legend(this.state, this.result, this.data, this.memory) : [];
    const html = rows
      .map(({ label, look, shape }) => {
        const sample = shape === "area" ? `<path class="pl-area ${look}" d="M1 2H27V14H1z"/>` : shape
          ? `<path class="pl-mark ${shape === "cross" ? "pl-open" : ""} ${look}" d="${MARKS[shape](14, 8, 4.5)}"/>`
          : `<path class="pl-line ${look}" d="M1 8H27"/>`;
        return `<li><svg width="28" height="16" aria-hidden="true">${sample}</svg>${escapeText(label)}</li>`;
      })
      .join("");
    if (html !== legend.shown) legend.innerHTML = html;
    legend.shown = html;
  }
}

/** An anywidget module's default export for `spec`. */
export function createWidget(spec) {
  return {
    render({ model, el }) {
      const view = new View(spec, model, el);
      return () => view.destroy();
    },
  };
}
