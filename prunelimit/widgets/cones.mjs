// Chapters 1 to 3: projections, statistical dimensions, intrinsic volumes and hitting
// probabilities in closed form, so that the ambient dimension costs nothing.
import { betaRegularized, bisect, erfc, logBeta, radians } from "./common.mjs";

/** Share of the angle measure sin^(d−2) between 0 and `theta` (d is the ambient dimension). */
function angleShare(dim, theta) {
  const half = 0.5 * betaRegularized(Math.sin(theta) ** 2, (dim - 1) / 2, 0.5, Math.cos(theta) ** 2);
  return theta <= Math.PI / 2 ? half : 1 - half;
}

/**
 * δ of the circular cone of half-angle α in R^d: d·E f(θ), where a vector at angle θ keeps the
 * share f = 1 inside the cone, cos²(θ−α) up to α + 90°, and 0 beyond. The integrals of
 * cos²(θ−α) sin^(d−2)θ are incomplete Beta functions. Exact.
 */
export function circularStatisticalDimension(dim, degrees) {
  const alpha = radians(degrees);
  const end = alpha + Math.PI / 2;
  const inside = angleShare(dim, alpha);
  const between = angleShare(dim, end) - inside;
  const squares = ((dim - 1) / dim) * (angleShare(dim + 2, end) - angleShare(dim + 2, alpha));
  const norm = Math.exp(logBeta((dim - 1) / 2, 0.5));
  const powers = (2 * (Math.cos(alpha) ** dim - Math.sin(alpha) ** dim)) / (dim * norm);
  const cosine = Math.cos(2 * alpha) * (between - 2 * squares);
  return dim * (inside + 0.5 * (between + cosine + Math.sin(2 * alpha) * powers));
}

/** ψ(ρ) of the ℓ1 descent cone at a vector with a share ρ of non-zeros: δ ≈ d·ψ (ALMT, asymptotic). */
export function descentShare(rho) {
  if (rho <= 0) return 0;
  if (rho >= 1) return 1;
  const slope = (tau) => {
    const tail = tau * erfc(tau / Math.SQRT2) - Math.sqrt(2 / Math.PI) * Math.exp((-tau * tau) / 2);
    return rho * tau + (1 - rho) * tail;
  };
  const tau = bisect(slope, 0, 40);
  const square = 1 + tau * tau;
  const tail = square * erfc(tau / Math.SQRT2) - Math.sqrt(2 / Math.PI) * tau * Math.exp((-tau * tau) / 2);
  return rho * square + (1 - rho) * tail;
}

/** Dimension of the subspace, or number of non-zeros, that a share of `dim` stands for. */
export function rounded(dim, share) {
  return Math.min(dim, Math.max(1, Math.floor(share * dim + 0.5)));
}

/** δ of a cone {cone, dim, angle, share}. */
export function statisticalDimension({ cone, dim, angle, share }) {
  if (cone === "circular") return circularStatisticalDimension(dim, angle);
  if (cone === "orthant") return dim / 2;
  if (cone === "subspace") return rounded(dim, share);
  return dim * descentShare(rounded(dim, share) / dim);
}

function logBinomial(n, k) {
  return -Math.log(n + 1) - logBeta(k + 1, n - k + 1);
}

/** Conic intrinsic volume v_j of the circular cone or the orthant. */
export function intrinsicVolume({ cone, dim, angle }, j) {
  if (cone === "orthant") return Math.exp(logBinomial(dim, j) - dim * Math.LN2);
  const alpha = radians(angle);
  const [s, c] = [Math.sin(alpha), Math.cos(alpha)];
  if (j === dim) return angleShare(dim, alpha);
  if (j === 0) return angleShare(dim, Math.PI / 2 - alpha);
  return 0.5 * Math.exp(logBinomial((dim - 2) / 2, (j - 1) / 2) + (j - 1) * Math.log(s) + (dim - j - 1) * Math.log(c));
}

/**
 * Probability that a uniformly random m-dimensional subspace of R^D meets the cone outside 0. Exact.
 *
 * Circular: it does if the axis' projection is long enough, ‖P_L e‖² ≥ cos²α, and ‖P_L e‖² is
 * Beta(m/2, (D−m)/2). Orthant: Wendel's count (1962), a binomial tail. Both equal the kinematic
 * formula 2 Σ v_{D−m+1+2i}.
 */
export function hittingProbability({ cone, dim, angle }, m) {
  if (m <= 0) return 0;
  if (m >= dim) return 1;
  if (cone === "orthant") return betaRegularized(0.5, dim - m, m);
  const alpha = radians(angle);
  return betaRegularized(Math.sin(alpha) ** 2, (dim - m) / 2, m / 2, Math.cos(alpha) ** 2);
}

/** Projection of `x` onto the circular cone of half-angle `degrees` around the first axis. */
export function projectCircular(x, degrees) {
  const alpha = radians(degrees);
  const along = x[0];
  const across = Math.hypot(...x.slice(1));
  if (across <= along * Math.tan(alpha)) return [...x];
  const length = along * Math.cos(alpha) + across * Math.sin(alpha);
  if (length <= 0) return x.map(() => 0);
  const sideways = across > 0 ? (length * Math.sin(alpha)) / across : 0;
  return x.map((entry, i) => (i === 0 ? length * Math.cos(alpha) : entry * sideways));
}
