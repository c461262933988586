// Special functions, random numbers, and the effective dimension of a spectrum.

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

/** Largest place up to which `values` stay at or below `level`, linear in between. */
export function firstCrossing(places, values, level) {
  for (let j = 1; j < places.length; j += 1) {
    if (values[j] > level) {
      const share = (level - values[j - 1]) / (values[j] - values[j - 1]);
      return places[j - 1] + Math.max(0, share) * (places[j] - places[j - 1]);
    }
  }
  return places[places.length - 1];
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
