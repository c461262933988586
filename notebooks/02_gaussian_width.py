# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Gaussian width and statistical dimension
#
# **After this chapter you can**
#
# - say how many dimensions a cone has "in effect", and compute it: by hand, by formula, or by simulation with an error bar;
# - use the two rulers of the paper, Gaussian width and statistical dimension, and prove that they agree up to one;
# - read off how the size of a cone changes with its angle, with the dimension and with the viewer's distance.
#
# *Reading: 30 minutes. Exercises: 45 minutes. You need chapter 1, expectation and variance.*

# %%
import matplotlib.pyplot as plt
import numpy as np

from prunelimit import cones, plots
from prunelimit.plots import geometry as plots_geometry

plots.use_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## How much noise survives the projection?
#
# Chapter 1 ended with a bump: nearly every normal vector is projected onto a face of almost the same dimension, and the mean of that dimension is the size that we want. This chapter measures it without knowing any face. Throw a standard normal vector $g$ in $\R^D$: its squared length is about $D$, one unit for each dimension. Project it onto a subspace of dimension $m$. What survives has squared length about $m$.
# So the average of $\lVert \Pi_L g \rVert^2$ *measures the dimension* of a subspace. Nothing stops us from measuring a cone in the same way.
#
# :::{prf:definition} Statistical dimension
# :label: def-statistical-dimension
# $$\delta(C) = \mathbb{E}\, \lVert \Pi_C(g) \rVert^2$$
#
# with $g$ standard normal in $\R^D$.
#
# Definition 2.3 of {cite}`zhang2024sparse`, from {cite}`amelunxen2014living`.
# :::
#
# ### In the plane, by hand
#
# Take a wedge of angle $\theta < \pi$. From chapter 1: with probability $\theta / 2\pi$ all of $g$ survives, $2$ dimensions' worth; with probability $\tfrac12$ it is projected onto a side, which keeps $1$; else nothing is left. So
#
# $$\delta = 2 \cdot \frac{\theta}{2\pi} + 1 \cdot \frac12 = \frac12 + \frac{\theta}{\pi}.$$
#
# :::{admonition} Predict
# :class: tip
# What is $\delta$ of a ray ($\theta \to 0$), of the quadrant, and of a half-plane ($\theta \to \pi$)?
# :::

# %% tags=["hide-output"]
for name, cone in {
    "ray": cones.Product(cones.Orthant(1), cones.Subspace(1, 0)),
    "quadrant": cones.Orthant(2),
    "half-plane": cones.Product(cones.Orthant(1), cones.Subspace(1, 1)),
}.items():
    estimate = cones.estimate_statistical_dimension(cone, samples=100_000, seed=1)
    print(f"{name:>10}: exact {cone.statistical_dimension()},", end=" ")
    print(f"simulated {estimate.value:.3f} ± {estimate.stderr:.3f}")

# %% [markdown]
# :::{dropdown} What came out
# $\tfrac12$, $1$ and $\tfrac32$. A ray has half a dimension, because it keeps the noise half of the time.
# :::
#
# ### The error bar
#
# A simulated $\delta$ is an average of $N$ independent numbers, so its standard error is their standard deviation over $\sqrt N$. Four times the samples, half the error:

# %%
cone = cones.CircularCone(50, np.pi / 6)
for samples in (400, 1600, 6400, 25_600):
    estimate = cones.estimate_statistical_dimension(cone, samples, seed=samples)
    z = estimate.z_score(cone.statistical_dimension())
    print(f"N = {samples:>6}: {estimate.value:.3f} ± {estimate.stderr:.3f},", end=" ")
    print(f"{z:+.1f} s.e. off")

# %% [markdown]
# ### Shape against size
#
# Drag the half-angle, and project normal vectors onto the cone: their mean squared length is $\delta$.
#
# :::{admonition} Predict
# :class: tip
# The orthant and the circular cone of $45°$ have the same $\delta$. Is one of the two histograms wider? What does a tenfold $D$ do to both?
# :::

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.StatisticalDimension()

# %% [markdown]
# :::{dropdown} What came out
# The circular cone's is a little wider. A tenfold $D$ makes both about three times as wide, $\sqrt{10}$, and so three times narrower as a share of $D$.
# :::
#
# ## Rules of calculation
#
# :::{prf:theorem} Properties of the statistical dimension (exact)
# :label: thm-delta
# For closed convex cones $C, K$ in $\R^D$:
#
# 1. a subspace of dimension $m$ has $\delta = m$;
# 2. $\delta$ does not change when $C$ is turned;
# 3. $\delta(C) + \delta(C^\circ) = D$;
# 4. $\delta(C \times K) = \delta(C) + \delta(K)$;
# 5. $C \subseteq K$ implies $\delta(C) \le \delta(K)$;
# 6. $\delta(C) = \sum_j j\, v_j(C)$, the mean of the intrinsic volumes.
#
# Source: {cite}`amelunxen2014living`, Prop. 3.1 and §5.
# :::
#
# :::{prf:proof}
# (Idea.) 2: $g$ has no preferred direction. 3: Moreau's decomposition ({prf:ref}`thm-moreau`) splits $\lVert g \rVert^2$, whose mean is $D$, into the two parts. 4: the two blocks of $g$ are independent of each other.
# 5: $\lVert \Pi_C g\rVert$ is the largest $\langle g, u\rangle$ over $u \in C$ with $\lVert u \rVert \le 1$; a larger set has a larger maximum.
# 6: given that the projection lands in a $j$-dimensional face, its squared length is a sum of $j$ squared normal variables.
# :::

# %%
cone = cones.L1DescentCone(20, sparsity=3)
tripled = cones.Product(cone, cones.Product(cones.Orthant(4), cones.Subspace(6, 2)))
both = cone.statistical_dimension() + cone.polar().statistical_dimension()
mean_volume = np.arange(21) @ cone.intrinsic_volumes()
print("3  cone and polar:", round(both, 9))
print(
    "4  product:", np.isclose(tripled.statistical_dimension(), mean_volume + 4 / 2 + 2)
)
print("6  mean of the volumes:", round(mean_volume, 6))
run = cones.estimate_statistical_dimension(cone, 50_000, seed=3)
print(f"   simulated: {run.value:.3f} ± {run.stderr:.3f}")

# %% [markdown]
# Rule 3 has a neat consequence: a cone that equals its own polar up to a rotation has $\delta = D/2$. The orthant is one, the cone of half-angle $45°$ is one, and so is the cone of positive semi-definite matrices.
#
# :::{admonition} Predict
# :class: tip
# An $n \times n$ symmetric matrix has $n(n+1)/2$ free entries. What is $\delta$ of the semi-definite cone for $n = 4$?
# :::

# %% tags=["hide-output"]
cone = cones.PSDCone(4)
run = cones.estimate_statistical_dimension(cone, 20_000, seed=4)
exact = cone.statistical_dimension()
print(f"exact {exact}, simulated {run.value:.2f} ± {run.stderr:.2f}")

# %% [markdown]
# :::{dropdown} What came out
# Half of ten free entries: 5.
# :::
#
# ## A table of sizes
#
# | cone in $\R^D$ | $\delta$ | label |
# |---|---|---|
# | subspace of dimension $m$ | $m$ | exact |
# | orthant, circular cone of 45° | $D/2$ | exact |
# | circular cone of angle $\alpha$ | $D \sin^2\alpha + \cos 2\alpha$, nearly | asymptotic (exact by incomplete beta functions) |
# | monotone cone | $1 + \tfrac12 + \dots + \tfrac1D$ | exact |
# | $\ell_1$ descent cone, $s$ non-zeros | $D\,\psi(s/D)$, nearly | asymptotic (exact by integrals) |
# | cone over an ellipsoid | chapter 4 | by simulation |
#
# ### Circular cones
#
# The polar of a cone of angle $\alpha$ has angle $90° - \alpha$, and $\sin^2\alpha + \cos^2\alpha = 1$: rule 3 already suggests $\delta \approx D \sin^2\alpha$.
#
# :::{prf:proposition} Circular cones (asymptotic)
# :label: prp-circular
# $\delta(C_\alpha) = D \sin^2\alpha + \cos 2\alpha + o(1)$ as $D$ grows. Source: {cite}`amelunxen2014living`, Prop. 3.4, for $D\sin^2\alpha + O(1)$.
# :::
#
# :::{prf:proof}
# (Idea.) In high dimension $g$ is almost perpendicular to the axis, at angle $90°$, with length $\approx \sqrt D$. The edge of the cone nearest to it is $90° - \alpha$ away, so the shadow has squared length $D \cos^2(90° - \alpha)$.
# :::

# %% mystnb={"figure": {"caption": "Size of circular cones, as a share of the dimension: exact, simulated with standard errors, and the limit $\\sin^2\\alpha$.", "name": "fig-circular-size"}, "image": {"alt": "Statistical dimension divided by D against the half-angle, for D = 3 and D = 100. Simulated points lie on the exact curves; for D = 100 the curve is sine squared to the eye, for D = 3 it is flatter."}} tags=["hide-input"]
angles = np.linspace(0.02, np.pi / 2 - 0.02, 60)
lines, points = {}, {}
for dim in (3, 100):
    exact = [cones.CircularCone(dim, a).statistical_dimension() / dim for a in angles]
    lines[f"exact, D = {dim}"] = np.degrees(angles), exact
    few = [cones.CircularCone(dim, a) for a in angles[5::10]]
    runs = [cones.estimate_statistical_dimension(c, 2000, seed=5) for c in few]
    x, y = np.degrees(angles[5::10]), np.array([r.value for r in runs]) / dim
    points[f"simulated, D = {dim}"] = x, y, np.array([r.stderr for r in runs]) / dim
lines[r"$\sin^2\alpha$"] = np.degrees(angles), np.sin(angles) ** 2
plots_geometry.lines_and_points(
    lines, points, r"half-angle $\alpha$ (degrees)", r"$\delta / D$"
)
plt.show()

# %%
for dim in (3, 10, 30, 100):
    delta = cones.CircularCone(dim, np.pi / 6).statistical_dimension()
    rest = abs(delta - (dim * 0.25 + 0.5))
    print(f"D = {dim:>3}: δ = {delta:8.4f}, formula is off by {rest:.0e}")

# %% [markdown]
# ### Small cones
#
# The monotone cone is tiny: in ten thousand dimensions it has $\delta \approx 10$. Almost no noise looks like a rising sequence.

# %%
for dim in (10, 100, 1000, 10_000):
    print(f"D = {dim:>6}: δ = {cones.MonotoneCone(dim).statistical_dimension():.2f}")

# %% [markdown]
# ### Sparse vectors
#
# The $\ell_1$ norm of a vector with $s$ non-zeros can be lowered only in few directions. Their cone, the descent cone of chapter 1 (here $s$ and $\rho = s/D$ count *non-zeros*), rules which sparse vectors can be recovered from few equations (chapter 3).
#
# :::{prf:proposition} Descent cones of the ℓ1 norm (exact)
# :label: prp-l1
# Let $s \ge 1$ and $\rho = s / D$. Then $D\psi(\rho) - 2\sqrt{D/s} \le \delta \le D\,\psi(\rho)$ with
#
# $$\begin{aligned} \psi(\rho) = \inf_{\tau \ge 0}\; & \rho(1 + \tau^2) \\ & + (1 - \rho)\,\mathbb{E}\,(|g| - \tau)_+^2 . \end{aligned}$$
#
# Source: {cite}`amelunxen2014living`, Prop. 4.5.
# :::
#
# :::{prf:proof}
# (Idea for the upper bound.) By Moreau, $\lVert \Pi_C g \rVert$ is the distance from $g$ to the polar, whose points have $\tau$ on the support and at most $\tau$ elsewhere. For a fixed $\tau$ the mean squared distance is the expression times $D$; the best $\tau$ for each $g$ can only be nearer.
# :::
#
# Both sides at once, for $D = 50$: the exact value is always below the curve, and never by much.

# %% mystnb={"figure": {"caption": "Size of the descent cone of the $\\ell_1$ norm in 50 dimensions: exact, simulated, and the curve $\\psi$ that bounds it from above.", "name": "fig-descent-size"}, "image": {"alt": "Statistical dimension of the descent cone divided by D against the share of non-zeros, D = 50. The exact points lie slightly below the concave curve psi, which rises from 0 to 1."}} tags=["hide-input"]
sparsities = np.arange(1, 51)
descent = [cones.L1DescentCone(50, int(s)) for s in sparsities]
curve = np.array([c.asymptotic_statistical_dimension() for c in descent])
exact = np.array([c.statistical_dimension() for c in descent])
lines = {
    r"$\psi(s/D)$": (sparsities / 50, curve / 50),
    "exact": (sparsities / 50, exact / 50),
}
runs = [cones.estimate_statistical_dimension(c, 1000, seed=6) for c in descent[4::9]]
y, error = np.array([(r.value, r.stderr) for r in runs]).T / 50
points = {"simulated": (sparsities[4::9] / 50, y, error)}
plots_geometry.lines_and_points(
    lines, points, "share of non-zeros, $s/D$", r"$\delta / D$"
)
plt.show()

# %% [markdown]
# ## The other ruler
#
# :::{prf:definition} Gaussian width
# :label: def-width
# $$w(C) = \mathbb{E} \sup_{u \in C,\ \lVert u \rVert = 1} \langle g, u \rangle .$$
#
# Definition 2.2 of {cite}`zhang2024sparse`, who cite {cite}`vershynin2015estimation`. The same formula measures any set of unit vectors.
# :::
#
# It asks: how far does the cone reach, at best, into the direction of the noise? Unless $g$ lies inside the polar cone, the best $u$ points along $\Pi_C(g)$, and $\langle g, u\rangle = \lVert \Pi_C(g) \rVert$. Inside the polar all $\langle g, u\rangle$ are negative.
#
# **By hand.** A ray has one unit vector, and $\mathbb{E}\langle g, u\rangle = 0$: width $0$, although $\delta = \tfrac12$. A line has two, and $w = \mathbb{E}|g_1| = \sqrt{2/\pi} \approx 0.80$, although $\delta = 1$. A wedge of half-angle $\alpha$: the length of $g$ has mean $\sqrt{\pi/2}$, its angle to the axis is uniform, hence, as $\sqrt{\pi/2}/\pi = 1/\sqrt{2\pi}$,
#
# $$\begin{aligned} w &= \frac{1}{\sqrt{2\pi}} \Big( \int_0^\alpha 1\, d\varphi + \int_\alpha^\pi \cos(\varphi - \alpha)\, d\varphi \Big) \\ &= \frac{\alpha + \sin\alpha}{\sqrt{2\pi}} . \end{aligned}$$

# %%
for alpha in (0.1, 0.5, 1.0, 1.5):
    by_hand = (alpha + np.sin(alpha)) / np.sqrt(2 * np.pi)
    wedge = cones.CircularCone(2, alpha)
    run = cones.estimate_gaussian_width(wedge, 50_000, seed=7)
    delta = wedge.statistical_dimension()
    print(f"α = {alpha}: w = {by_hand:.3f},", end=" ")
    print(f"simulated {run.value:.3f} ± {run.stderr:.3f};", end=" ")
    print(f"δ = {delta:.3f}, δ - w² = {delta - by_hand**2:.3f}")

# %% [markdown]
# Square the width and compare: $\delta - w^2$ stays between $0$ and $1$ in every line. That is no accident.
#
# :::{prf:theorem} Gaussian width against statistical dimension (exact)
# :label: thm-sandwich
# For every closed convex cone $C \ne \{0\}$: $\quad w(C)^2 \;\le\; \delta(C) \;\le\; w(C)^2 + 1 .$
#
# Theorem 3.1 of {cite}`zhang2024sparse`, Proposition 10.2 of {cite}`amelunxen2014living`.
# :::
#
# :::{prf:proof}
# Write $f(g)$ for the supremum. Then $\lVert \Pi_C g \rVert = \max(f(g), 0)$.
#
# *Left.* $C$ holds a ray, so $w \ge 0$, and $w = \mathbb{E} f \le \mathbb{E} \max(f, 0)$ $\le \sqrt{\mathbb{E}\max(f,0)^2} = \sqrt{\delta}$ (a mean is at most the root mean square).
#
# *Right.* $\delta \le \mathbb{E} f^2 = w^2 + \operatorname{Var} f$. Moving $g$ by a step of length $t$ changes $f$ by at most $t$, since the $u$ are unit vectors; and a function of a normal vector with that property has variance at most $1$ (the Gaussian Poincaré inequality).
# :::
#
# Where $\delta$ is large an error of one does not matter, and the paper may change rulers freely. The check, on cones of all kinds:

# %%
zoo = {
    "ray": cones.Orthant(1),
    "subspace, 7 of 20": cones.Subspace(20, 7),
    "orthant": cones.Orthant(20),
    "circular, 10°": cones.CircularCone(20, np.pi / 18),
    "circular, 80°": cones.CircularCone(20, np.pi / 2.25),
    "monotone": cones.MonotoneCone(20),
    "polar of monotone": cones.MonotoneCone(20).polar(),
    "semi-definite, n = 5": cones.PSDCone(5),
    "ℓ1 descent": cones.L1DescentCone(20, 4),
    "over an ellipsoid": cones.EllipsoidCone(np.linspace(0.2, 2, 20), np.full(20, 0.6)),
}

# %% mystnb={"figure": {"caption": "Statistical dimension minus squared Gaussian width for ten cones. The theorem says that every difference lies between 0 and 1.", "name": "fig-sandwich"}, "image": {"alt": "For ten cones the difference between statistical dimension and squared Gaussian width, all between 0 and 1."}} tags=["hide-input"]
widths = [cones.estimate_gaussian_width(c, 20_000, seed=8).value for c in zoo.values()]
deltas = [
    cones.estimate_statistical_dimension(c, 20_000, seed=8).value for c in zoo.values()
]
plots_geometry.sandwich(list(zoo), np.square(widths), deltas)
plt.show()

# %% [markdown]
# ## Seen from further away
#
# Now the question that pruning asks. The good weights form an ellipsoid; the pruned point moves away from it as more weights are cut. How does the cone shrink?
#
# :::{admonition} Predict
# :class: tip
# A ball of radius 1 in $\R^{100}$: at which distance does its cone have $\delta = 25$, a quarter of all dimensions? (Recall $\sin\alpha = r/R$.) And does the cone over a stretched ellipsoid shrink faster, or more slowly?
# :::

# %% mystnb={"figure": {"caption": "Size of the cone over a ball and over a stretched ellipsoid in 100 dimensions, against the viewer's distance.", "name": "fig-distance"}, "image": {"alt": "Statistical dimension of the cone over a ball and over a stretched ellipsoid in 100 dimensions against the viewer's distance. The ball's falls from 45 at distance 1.5 through 25 at 2; the stretched ellipsoid's is smaller at 1.5 and larger from 2 on."}} tags=["hide-input", "hide-output"]
dim, distances = 100, np.array([1.5, 2, 3, 4, 6, 8, 12])
axis = np.ones(dim) / np.sqrt(dim)
points = {}
for name, radii in {
    "ball": np.ones(dim),
    "stretched": np.geomspace(0.1, 5, dim),
}.items():
    seen = [cones.EllipsoidCone(radii, distance * axis) for distance in distances]
    runs = [cones.estimate_statistical_dimension(cone, 1000, seed=9) for cone in seen]
    y, error = np.array([(run.value, run.stderr) for run in runs]).T
    points[f"{name}, simulated"] = distances, y, error
fine = np.linspace(1.5, 12, 100)
lines = {r"ball: $D\sin^2\alpha + \cos 2\alpha$": (fine, (dim - 2) / fine**2 + 1)}
plots_geometry.lines_and_points(
    lines, points, "distance $R$ (radii of the ball)", r"$\delta$"
)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# At distance 2, because $D\sin^2\alpha = 25$ asks for $\sin\alpha = \tfrac12$. The stretched ellipsoid shrinks more slowly, because its few long axes stay visible.
# :::
#
# Distance shrinks the cone, and so does sharpness. Besides $\epsilon$ these two, the paper's *weight magnitude* and *network sharpness*, are all that enters the pruning limit. The formula for ellipsoids is the business of chapter 4. Before that, chapter 3 shows what $\delta$ is good for: it says, nearly alone, whether a random subspace hits the cone.
#
# ## What this does *not* say
#
# - $\delta$ is one number. Two cones with the same $\delta$ can look very different; that it nevertheless decides almost everything about random subspaces is a theorem (chapter 3), not a truism.
# - "Half a dimension" is a way of speaking. No subspace of dimension $\tfrac12$ exists.
# - The sandwich says $\delta - w^2 \le 1$, which is sharp information for large cones and none for small ones: with $\delta = \tfrac12$, every $w$ from $0$ to $0.7$ is allowed.
# - A simulated $\delta$ has an error bar for *the cone that was simulated*. Whether that cone is the network's is another question.
# - We took the Gaussian Poincaré inequality on trust.

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** A ray has statistical dimension $\tfrac12$. What does the half say?
#
# :::{dropdown} A. A ray is a set of half a dimension.
#
# A ray is a part of a line and needs one coordinate. $\delta$ is an average, not a count of coordinates.
# :::
#
# :::{dropdown} B. The projection onto the ray keeps the noise along it half of the time.
#
# Right: with probability $\tfrac12$ one squared normal number survives, with mean one; else nothing does.
# :::
#
# :::{dropdown} C. Its Gaussian width is a half, too.
#
# The width is 0: one unit vector, and $\mathbb{E}\langle g, u\rangle = 0$. The two rulers agree up to one only, $0^2 \le \tfrac12 \le 0^2 + 1$.
# :::
#
# **2.** A circular cone in $\R^{100}$ has half-angle $30°$. Its $\delta$ is about
#
# :::{dropdown} A. 0, as it fills practically no share of space.
#
# Share of space is $v_D$, the last of the intrinsic volumes. $\delta$ is the mean over all of them.
# :::
#
# :::{dropdown} B. 25.
#
# Right: $D\sin^2\alpha = 100 \cdot \tfrac14$; the correction $\cos 60° = \tfrac12$ hardly counts.
# :::
#
# :::{dropdown} C. 33, as 30° is a third of 90°.
#
# Linear in the angle is right in the plane, where $\delta = \tfrac12 + \theta/\pi$. In many dimensions the squared sine takes over.
# :::
#
# **3.** You look at a ball of radius 1 in $\R^{100}$ from distance 2 and step back to 4. What does $\delta$ of its cone do?
#
# :::{dropdown} A. It falls to about a quarter.
#
# Right: $\sin\alpha = r/R$, so $D\sin^2\alpha = D r^2/R^2$ goes with the *square* of the distance.
# :::
#
# :::{dropdown} B. It falls to a half.
#
# So does $\sin\alpha$. But $\delta$ is a mean of squared lengths and goes with $\sin^2\alpha$.
# :::
#
# :::{dropdown} C. It hardly changes: in many dimensions all directions look alike.
#
# Random *vectors* are almost perpendicular to the axis, yes. How much of them survives still depends on the cone's angle.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise} A half-space
# :label: ex-halfspace
# **Calculate** $\delta$ and all intrinsic volumes of a half-space $\{x_1 \ge 0\}$ in $\R^D$, and the same for its polar.
# :::
#
# :::{solution} ex-halfspace
# :label: sol-halfspace
# :class: dropdown
# A half-space is (ray) × (subspace of dimension $D-1$). Convolving $(\tfrac12, \tfrac12)$ with a $1$ at $D-1$ gives $v_{D-1} = v_D = \tfrac12$ and $\delta = D - \tfrac12$. The polar is a ray: $v_0 = v_1 = \tfrac12$, $\delta = \tfrac12$. The sum is $D$.
# :::
#
# :::{exercise} The variance behind the sandwich
# :label: ex-variance
# **Code.** For circular cones of angle $30°$ in $D = 2, 10, 100, 1000$, estimate the variance of $f(g) = \sup\langle g, u\rangle$ (`cone.unit_support`). Which value does it approach? How does that fit with the theorem's bound of one?
# :::

# %% [markdown]
# ```{solution-start} ex-variance
# :label: sol-variance
# :class: dropdown
# ```
#
# For large $D$, $f \approx g_1 \cos\alpha + \lVert g_\perp \rVert \sin\alpha$, where the length $\lVert g_\perp\rVert$ has variance about $\tfrac12$. So the variance approaches $\cos^2\alpha + \tfrac12\sin^2\alpha = 0.875$, below one, as the proof demands.

# %%
for dim in (2, 10, 100, 1000):
    g = rng.standard_normal((20_000, dim))
    spread = np.var(cones.CircularCone(dim, np.pi / 6).unit_support(g))
    print(f"D = {dim:>4}: variance {spread:.3f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Too precise
# :label: ex-precise
# **Criticise.** "We estimated the statistical dimension of our network's cone as $\delta = 8123.4 \pm 0.2$, so the pruning limit is known to four digits." What does the error bar cover, and what does it not?
# :::
#
# :::{solution} ex-precise
# :label: sol-precise
# :class: dropdown
# It covers the sampling of $g$: with the same cone and other random vectors the result would move by about $0.2$. It covers neither the model of the loss (is the sublevel set an ellipsoid?), nor the Hessian's own estimation, nor the choice of $\epsilon$, nor the width of the transition, which is of the order $\sqrt D$ (chapter 3) and dwarfs the $0.2$. And a limit for *random* subspaces is not yet one for the mask that magnitudes choose.
# :::
#
# ## Sources
#
# Statistical dimension and its properties: {cite}`amelunxen2014living`. Gaussian width: {cite}`vershynin2015estimation`. Their use for pruning: {cite}`zhang2024sparse`. The exact volumes of the descent cone use face angles as in {cite}`donoho2009counting` and {cite}`boroczky1999random`. The plane's width formula, the constant $\cos 2\alpha$ and all code are this project's.
#
#
# :::{bibliography}
# :filter: docname in docnames
# :::
