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
# # The kinematics formula
#
# **After this chapter you can**
#
# - compute the exact probability that a random subspace meets a cone, and check it by throwing subspaces;
# - state the approximate kinematics formula of the paper (its Theorem 2.4), and say how loose it is;
# - explain why the answer jumps from "almost never" to "almost always" near $m = D - \delta(C)$, and how wide the jump is.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You need chapters 1 and 2.*

# %%
import matplotlib.pyplot as plt
import numpy as np

from prunelimit import cones, kinematics, plots
from prunelimit.geometry import recovery
from prunelimit.plots import geometry as plots_geometry

plots.use_style()

# %% [markdown]
# ## Does a random line hit the wedge?
#
# Chapter 2 measured how large a cone is, and left open why one number should be enough. This chapter asks the question for which it is. The set of good weights fills a cone $C$ of directions, as seen from the pruned point. The weights that we may still move span a subspace $L$. Do the two share more than the origin?
# We shall turn $L$ at random, uniformly, and ask for the probability.
#
# ### In the plane, by hand
#
# $C$ is a wedge of angle $\theta < \pi$, and $L$ a random line. The line's angle is uniform over $180°$, and it hits the wedge for $\theta$ of them:
#
# $$\mathbb{P}\{C \cap L \ne \{0\}\} = \theta / \pi .$$
#
# Recall $v_2 = \theta/2\pi$ from chapter 1: the probability is $2 v_2$. A two-dimensional $L$ is the whole plane and hits with probability $1 = 2 v_1$. Both are cases of one formula.

# %%
wedge = cones.CircularCone(2, np.pi / 6)  # opening angle θ = 60°
print("by hand:", round(1 / 3, 6))
print("formula:", round(kinematics.intersection_probability(wedge, subspace_dim=1), 6))
run = kinematics.simulate_intersection(wedge, 1, trials=100_000, seed=1)
print(f"thrown:  {run.value:.4f} ± {run.stderr:.4f}")

# %% [markdown]
# :::{prf:theorem} Kinematic formula (exact)
# :label: thm-kinematic
# Let $C \subset \R^D$ be a closed convex cone, not a subspace, and $L$ a uniformly random subspace of dimension $m$. Then
#
# $$\begin{aligned} \mathbb{P}\{C \cap L \ne \{0\}\} = 2\,\big( & v_{D-m+1} + v_{D-m+3} \\ & + v_{D-m+5} + \dots \big) \end{aligned}$$
#
# with the intrinsic volumes $v_j = v_j(C)$. For a second cone $K$, not both of them subspaces, turned at random: $\; 2\,\big( v_{D+1}(C \times K)$ $+\, v_{D+3}(C \times K) + \dots \big)$.
#
# Source: {cite}`amelunxen2014living`, §5.
# :::
#
# :::{prf:proof}
# (Idea.) Cut a cone into two pieces by a hyperplane: the expected Euler characteristic of "cone cut with $L$" adds up over pieces, just as the intrinsic volumes do. Few functions of cones add up and ignore rotations: combinations of $v_0, \dots, v_D$.
# Trying subspaces for $C$ finds the coefficients, and Gauss–Bonnet ({prf:ref}`thm-volumes`) turns them into every second $v_j$, twice.
# :::
#
# ### A second check that anyone can do
#
# A random subspace of dimension $m$ in $\R^D$ holds a vector with non-negative entries only. How likely is that? {cite}`wendel1962problem` counted: $D$ random half-spaces of $\R^m$ have a common direction with probability
# $2^{1-D} \sum_{i<m} \binom{D-1}{i}$, the chance of fewer than $m$ heads in $D - 1$ tosses.
#
# :::{admonition} Predict
# :class: tip
# For $D = 20$, at which $m$ is the chance one half?
# :::

# %% tags=["hide-output"]
from scipy import stats

for m in (5, 8, 10, 12, 15):
    exact = kinematics.intersection_probability(cones.Orthant(20), m)
    wendel = stats.binom.cdf(m - 1, 19, 0.5)
    run = kinematics.simulate_intersection(cones.Orthant(20), m, trials=500, seed=m)
    print(f"m = {m:>2}: {exact:.4f}, Wendel {wendel:.4f},", end=" ")
    print(f"thrown {run.value:.3f} ± {run.stderr:.3f}")

# %% [markdown]
# :::{dropdown} What came out
# At $m = 10$, exactly. The orthant has $\delta = 10$, and $m = D - \delta$.
# :::
#
# ### Move the subspace's dimension
#
# Drag $m$ through the transition; the shaded tail on the right is, nearly, the sum in the formula (which takes every second bar, twice). Then step $D$ up. The axes stay where they are.
#
# :::{admonition} Predict
# :class: tip
# Before you press +: what happens to the width of the transition, and what to the bounds (the blue band, of which more below)?
# :::

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.Kinematics()

# %% [markdown]
# :::{dropdown} What came out
# Against $m/D$ both narrow, by about a factor of three for ten times the dimensions. The band always contains the curve and stays several times wider.
# :::
#
# ## The whole curve
#
# A circular cone of $30°$ in $\R^{60}$ has $\delta = 15.5$. The simulation knows nothing of intrinsic volumes: it draws the angle between the cone's axis and a random subspace.

# %%
cone = cones.CircularCone(60, np.pi / 6)
exact = kinematics.intersection_probabilities(cone)
m = np.arange(30, 61, 3)
runs = [kinematics.simulate_intersection(cone, int(i), trials=2000, seed=2) for i in m]
thrown = m, [run.value for run in runs], [run.stderr for run in runs]

# %% mystnb={"figure": {"caption": "Chance that a random subspace meets a circular cone of $30\u00b0$ in 60 dimensions: exact curve, thrown subspaces with standard errors, and $D - \\delta$ as a dotted line.", "name": "fig-whole-curve"}, "image": {"alt": "Probability that a random subspace meets a circular cone of 30 degrees in 60 dimensions, against the subspace's dimension. The exact curve rises from 0 to 1 between about 35 and 55, with one half near D minus delta = 44.5; simulated points lie on it."}} tags=["hide-input"]
location = 60 - cone.statistical_dimension()
plots_geometry.transition(np.arange(61), {"exact": exact}, {}, thrown, location)
plt.show()

# %% [markdown]
# The same for cones of every make. The last column counts how many standard errors lie between exact and thrown.

# %%
for cone, m in [
    (cones.MonotoneCone(15), 12),
    (cones.MonotoneCone(15).polar(), 3),
    (cones.L1DescentCone(16, 3), 7),
    (cones.PSDCone(2), 2),
    (cones.Product(cones.Orthant(6), cones.CircularCone(8, 0.6)), 9),
]:
    exact = kinematics.intersection_probability(cone, m)
    run = kinematics.simulate_intersection(cone, m, trials=400, seed=3)
    print(f"{type(cone).__name__:>14}: {exact:.3f}, thrown {run.value:.3f},", end=" ")
    print(f"{run.z_score(exact):+.1f} s.e.")

# %% [markdown]
# ### Two cones
#
# Two circular cones meet when the angle between their axes is at most $\alpha + \beta$. For a random axis in space, the share of directions within angle $\gamma$ of a given one is $(1 - \cos\gamma)/2$.

# %%
a, b = cones.CircularCone(3, 0.4), cones.CircularCone(3, 0.5)
print("formula:", round(kinematics.intersection_probability_of_cones(a, b), 9))
print("by hand:", round((1 - np.cos(0.9)) / 2, 9))

# %% [markdown]
# ### Two subspaces are different
#
# Two random subspaces in general position meet exactly when their dimensions add up to more than $D$: the probability is $0$ or $1$, nothing between. The factor $2$ and the "every second" of the formula come from Gauss–Bonnet, which fails for subspaces; so they are treated apart.

# %%
for m in (6, 7, 8):
    p = kinematics.intersection_probability(cones.Subspace(10, 3), m)
    print(f"dimensions 3 and {m} in R^10: probability {p:.0f}")

# %% [markdown]
# ## One number is almost enough
#
# The exact formula needs all of $v_0, \dots, v_D$, and for the cone of a real network nobody knows them. But chapter 1 showed that they huddle around their mean $\delta$. So $\delta$ alone says when the sum catches the bump and when it misses it.
#
# :::{prf:theorem} Approximate kinematics formula (exact)
# :label: thm-approximate
# Let $C \subset \R^D$ be a closed convex cone and $L$ a uniformly random subspace of dimension $m$. For $0 < \eta < 1$ let $a_\eta = \sqrt{8 \log(4/\eta)}$. Then
#
# $$\begin{aligned}
# & \delta(C) + m \le D - a_\eta \sqrt{D} \\
# & \qquad \Longrightarrow\; \mathbb{P}\{C \cap L \ne \{0\}\} \le \eta , \\
# & \delta(C) + m \ge D + a_\eta \sqrt{D} \\
# & \qquad \Longrightarrow\; \mathbb{P}\{C \cap L \ne \{0\}\} \ge 1 - \eta .
# \end{aligned}$$
#
# Theorem 2.4 of {cite}`zhang2024sparse`, who cite Theorem 7.1 of {cite}`amelunxen2014living`; in this form, with $\sqrt D$, it is their Theorem I for a subspace. It is **exact** as a bound and loose as an estimate.
# :::
#
# :::{prf:proof}
# (Idea.) Let $V$ be a random number with $\mathbb{P}\{V = j\} = v_j(C)$. The probability of {prf:ref}`thm-kinematic` lies between $\mathbb{P}\{V \ge D-m+1\}$ and $\mathbb{P}\{V \ge D - m\}$ (every second term, doubled, is squeezed between two full tails).
# $V$ has mean $\delta$, and $\lVert \Pi_C g \rVert^2$ is a sum of $V$ squared normal variables. The latter is a smooth function of $g$ and hence concentrates within $O(\sqrt D)$ of $\delta$; then so must $V$.
# :::
#
# :::{admonition} Predict
# :class: tip
# For $D = 100$ and $\eta = 0.05$, how many dimensions away from the transition must $m$ be before the theorem says anything?
# :::

# %% tags=["hide-output"]
for dim in (100, 10_000, 1_000_000):
    gap = kinematics.deviation(0.05, dim)
    print(f"D = {dim:>9,}: {gap:7.0f} dimensions, {gap / dim:.1%} of D")

# %% [markdown]
# :::{dropdown} What came out
# 59 of 100: nothing useful. In the spaces of neural networks, with a million dimensions, it is less than a percent.
# :::
#
# The bound can be improved where the cone is small:
#
# :::{prf:theorem} The sharper form (exact)
# :label: thm-sharper
# Let $\omega^2 = \min\{\delta(C),\, D - \delta(C)\}$ and $t = |\delta(C) + m - D|$. The probability differs from $0$ (below the transition) or from $1$ (above) by at most $\;4 \exp\!\Big( \dfrac{-t^2/8}{\omega^2 + t} \Big)$.
# Source: {cite}`amelunxen2014living`, Theorem 7.1, from the concentration of the intrinsic volumes (Theorem 6.1).
# :::
#
# For a small cone, $\omega$ is far below $\sqrt D$, and therefore the transition is far narrower than the first theorem admits.

# %% mystnb={"figure": {"caption": "The exact chance for a cone of $10\u00b0$ in 2,000 dimensions, between the two pairs of bounds.", "name": "fig-bounds"}, "image": {"alt": "Exact probability for a circular cone of 10 degrees in 2000 dimensions against the subspace's dimension, with two pairs of bounds. Both contain the exact step near 1940; the sharper form hugs it much more closely than the plain one."}} tags=["hide-input"]
cone = cones.CircularCone(2000, np.pi / 18)
m, delta = np.arange(1200, 2001), cone.statistical_dimension()
bounds = {
    r"plain, $\sqrt{D}$": kinematics.approximate_bounds(delta, m, 2000),
    r"sharper, $\omega$": kinematics.sharper_bounds(delta, m, 2000),
}
exact = kinematics.intersection_probabilities(cone)[m]
plots_geometry.transition(
    m, {"exact": exact}, bounds, title=rf"$\delta = {delta:.1f}$, $D = 2000$"
)
plt.show()

# %%
for lower, upper in bounds.values():
    print(
        "contains the exact curve:", bool(np.all((lower <= exact) & (exact <= upper)))
    )

# %% [markdown]
# ## The jump sharpens
#
# Take one shape, a cone of $40°$, in spaces of growing dimension. Drawn against the *fraction* $m/D$ the curve becomes a step at $\cos^2 40° \approx 0.587$. Drawn against the distance from $D - \delta$ in units of $\sqrt D$, all curves agree.

# %% mystnb={"figure": {"caption": "One shape of cone, $40\u00b0$, in 20 to 10,000 dimensions. First against the share $m/D$, then in units of $\\sqrt D$ around $D-\\delta$.", "name": "fig-sharpening"}, "image": {"alt": "First: probability of meeting against m/D for D = 20, 100, 1000 and 10000; the curves steepen into a step at 0.587. Then: the same curves against (m - (D - delta)) over root D fall on one S-shaped curve between -1.5 and 1.5."}} tags=["hide-input"]
curves, angle = {}, np.radians(40)
for dim in (20, 100, 1000, 10_000):
    cone = cones.CircularCone(dim, angle)
    m = np.arange(dim + 1)
    scaled = (m - (dim - cone.statistical_dimension())) / np.sqrt(dim)
    curves[f"D = {dim}"] = m / dim, scaled, kinematics.intersection_probabilities(cone)
plots_geometry.sharpening(curves, np.cos(angle) ** 2)
plt.show()

# %% [markdown]
# :::{prf:theorem} Location and shape of the transition (asymptotic)
# :label: thm-transition
# The transition is located at $m = D - \delta(C)$ and its width is at most of order $\omega \le \sqrt{D}$. More precisely, when $\delta(C) \to \infty$ and $\operatorname{Var} V$ stays above a fixed share of $\delta(C)$ (or the same for $C^\circ$),
#
# $$\begin{gathered} \mathbb{P}\{C \cap L \ne \{0\}\} \approx \Phi(z), \\ z = \frac{m - (D - \delta(C))}{\sqrt{\operatorname{Var} V}}, \qquad \operatorname{Var} V \le 2\,\omega^2, \end{gathered}$$
#
# with $\Phi$ the distribution function of the standard normal law. Sources: {cite}`amelunxen2014living` (location and width), {cite}`mccoy2014steiner` (variance), {cite}`goldstein2017gaussian` (shape).
# :::
#
# :::{prf:proof}
# (Idea.) $\lVert \Pi_C g\rVert^2$ depends smoothly on $g$, and smooth functions of many normal variables are nearly normal. It equals $V$ plus the fluctuation of $V$ squared normals around their number, so $V$ is nearly normal as well.
# :::
#
# :::{admonition} Predict
# :class: tip
# Each row of the next table has ten times the dimensions of the row above. By which factor does the width grow?
# :::

# %% tags=["hide-output"]
for dim in (100, 1000, 10_000):
    cone = cones.CircularCone(dim, angle)
    exact, j = kinematics.intersection_probabilities(cone), np.arange(dim + 1)
    ten, half, ninety = np.searchsorted(exact, [0.1, 0.5, 0.9])
    delta, v = cone.statistical_dimension(), cone.intrinsic_volumes()
    sd = np.sqrt((j - delta) ** 2 @ v)
    worst = np.abs(stats.norm.cdf((j - (dim - delta)) / sd) - exact).max()
    print(f"D = {dim:>6}: half at {half} (D - δ = {dim - delta:.1f}),", end=" ")
    print(f"10-90 % over {ninety - ten}, normal curve off by {worst:.3f}")

# %% [markdown]
# :::{dropdown} What came out
# By $\sqrt{10}$, about three: 18, 56, 179 dimensions.
# :::
#
# As a share of $D$ the transition shrinks by as much as it grows in dimensions. That is why a network with millions of weights can have *a* pruning limit rather than a pruning slope.
#
# ## The classic: sparse recovery
#
# A vector $x_0$ with $s$ non-zeros among $D$ entries is observed through $n$ random linear equations $A x = A x_0$. Take the solution with the smallest $\ell_1$ norm. Is it $x_0$?
#
# The solutions are $x_0 + L$ with $L$ the null space of $A$, a random subspace of dimension $m = D - n$. Another solution with a norm no larger lies in a direction of the descent cone $C$ of chapter 2.
# So recovery succeeds exactly when $C \cap L = \{0\}$, and flips at $D - n = D - \delta(C)$: **one equation per statistical dimension**.
#
# The colours are linear programmes, the line is $\delta$; neither knows of the other.

# %% mystnb={"figure": {"caption": "Sparse recovery by linear programming in 40 dimensions: share of vectors recovered, and the statistical dimension of the descent cone as a line.", "name": "fig-recovery"}, "image": {"alt": "Share of recovered vectors by linear programming over number of non-zeros and number of equations in 40 dimensions. A sharp border between failure and success follows the curve of the descent cone's statistical dimension."}} tags=["hide-input"]
grid = list(range(1, 41, 2))
simulated = recovery.recovery_map(40, grid, range(1, 41), trials=10, seed=4)
curve = {r"$\delta$ of the descent cone": recovery.transition_curve(40, grid)}
plots_geometry.recovery(grid, simulated.measurements, simulated.frequency, curve)
plt.show()

# %%
exact = 1 - kinematics.intersection_probabilities(cones.L1DescentCone(40, 5))[::-1]
row = simulated.frequency[grid.index(5)]
for n in (14, 17, 20, 23, 26):
    print(f"s = 5, {n} equations: exact {exact[n]:.3f},", end=" ")
    print(f"recovered in {row[n - 1]:.0%} of 10 trials")

# %% [markdown]
# ## A cone without a formula
#
# For the cone over an ellipsoid nobody gives us the intrinsic volumes. Still, $\delta$ can be simulated by projecting (chapter 2), and the theorem says that nothing else is needed to locate the jump.
# Here the axes of the ellipsoid range over a factor of fifty.
#
# The width can be had, too: given $V = j$, the squared length $\lVert \Pi_C g \rVert^2$ is a sum of $j$ squared normals, with mean $j$ and variance $2j$. So its variance is $\operatorname{Var} V + 2\delta$, and both unknowns come from one simulation.

# %%
radii, centre = np.geomspace(0.1, 5, 100), np.full(100, 0.3)
cone = cones.EllipsoidCone(radii, centre)
g = np.random.default_rng(5).standard_normal((20_000, 100))
kept = np.sum(cone.project(g) ** 2, axis=1)
delta, variance = kept.mean(), kept.var() - 2 * kept.mean()
runs = [
    kinematics.simulate_intersection(cone, m, trials=1000, seed=m)
    for m in range(58, 100, 4)
]
print(f"δ = {delta:.1f}, Var V = {variance:.1f}")

# %% mystnb={"figure": {"caption": "Chance that a random subspace meets the cone over an ellipsoid in 100 dimensions: thrown, the normal curve from the simulated mean and variance, and the sharper bounds.", "name": "fig-ellipsoid-chance"}, "image": {"alt": "Simulated probability that a random subspace meets the cone over a stretched ellipsoid in 100 dimensions, rising from 0 to 1 around the dotted line at D minus the simulated statistical dimension. The normal curve with the simulated mean and variance runs through the points, well inside the sharper bounds."}} tags=["hide-input"]
m = np.arange(56, 101)
normal = stats.norm.cdf((m - (100 - delta)) / np.sqrt(variance))
bounds = {"sharper bound": kinematics.sharper_bounds(delta, m, 100)}
thrown = range(58, 100, 4), [run.value for run in runs], [run.stderr for run in runs]
curve = {"normal, simulated δ and Var V": normal}
plots_geometry.transition(m, curve, bounds, thrown, 100 - delta)
plt.show()

# %% [markdown]
# ## What this says about pruning
#
# Read $C$ as the conic hull of the good weights, seen from $w^k$, and $L$ as the $k$ weights that are kept. Well **below** $k = D - \delta$ the two almost never meet, well **above** they almost always do. Divide by $D$: the smallest fraction of weights that one can keep is $1 - \delta/D$.
# All that is left is to find $\delta$.
#
# Distance works through $\delta$. Let $S$ be a ball of radius 1 in $\R^{100}$ and keep $k = 50$, $75$ or $90$ dimensions.
#
# :::{admonition} Predict
# :class: tip
# At which distance does a random subspace of 75 dimensions miss the ball every second time? (Chapter 2: $\delta \approx D\sin^2\alpha$ with $\sin\alpha = 1/R$.)
# :::

# %% mystnb={"figure": {"caption": "Chance that a subspace of $k$ dimensions meets the unit ball in 100 dimensions, against the ball's distance.", "name": "fig-ball-chance"}, "image": {"alt": "Probability that a random subspace of 50, 75 or 90 dimensions meets the unit ball in 100 dimensions, against the ball's distance: three falling S-shaped curves that pass one half near distances 1.4, 2 and 3.2."}} tags=["hide-input", "hide-output"]
distances = np.linspace(1.02, 5, 120)
seen = [cones.CircularCone(100, np.arcsin(1 / distance)) for distance in distances]
chances = np.array([kinematics.intersection_probabilities(cone) for cone in seen])
lines = {f"k = {k}": (distances, chances[:, k]) for k in (50, 75, 90)}
labels = "distance $R$ (radii of the ball)", "probability of meeting"
plots_geometry.lines_and_points(lines, {}, *labels)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# At distance 2, where $\delta = 25 = D - k$.
# :::
#
# The further away the pruned point, the more weights must be kept: *projection distance* decides, which is what Figure 1 of the paper is about. For a ball we knew $\delta$. The good weights of a network form no ball, and so chapter 4 asks how large an ellipsoid looks.
#
# ## What this does *not* say
#
# - $L$ was turned *at random*. A magnitude mask keeps coordinate axes that the weights themselves have chosen. Whether the two behave alike is an empirical question (chapters 7 and 10).
# - "They meet" says that a good network with this mask exists, not that training finds it.
# - The bounds are exact and loose; the location is right only as $D$ grows. For $D = 20$ the cone of $40°$ takes eight dimensions from 10 to 90 %.
# - The theorems take $C$ as given. If $S$ is not an ellipsoid, or if its curvature is misjudged, the jump is sharp and in the wrong place.

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** A cone in $\R^{1000}$ has $\delta = 300$. From about which dimension on does a random subspace meet it?
#
# :::{dropdown} A. 300: as many dimensions as the cone has.
#
# A subspace of dimension 300 and one of dimension $m$ meet when the dimensions *add up* to more than 1000. Cones behave alike.
# :::
#
# :::{dropdown} B. 500: from a half on, meeting is more likely than missing.
#
# This holds for cones with $\delta = D/2$, such as the orthant. In general the place depends on the cone.
# :::
#
# :::{dropdown} C. 700.
#
# Right: $m = D - \delta$. The smaller the cone, the more dimensions the subspace needs.
# :::
#
# **2.** The same shape in a space with a hundred times as many dimensions. The width of the transition, counted in dimensions,
#
# :::{dropdown} A. grows tenfold, and shrinks tenfold as a share of $D$.
#
# Right: $\sqrt{100} = 10$ dimensions for each one before, out of a hundred times as many.
# :::
#
# :::{dropdown} B. stays the same.
#
# The sharpening is relative. Counted in dimensions the transition widens like $\sqrt D$, since $V$ collects more independent noise.
# :::
#
# :::{dropdown} C. shrinks, since the jump sharpens.
#
# Only when drawn against $m/D$. Check what the axis counts.
# :::
#
# **3.** For $D = 100$ and $\eta = 0.05$ the approximate kinematics formula is silent within 59 dimensions of $D - \delta$. So in this range
#
# :::{dropdown} A. the formula does not hold, as $D$ is too small for it.
#
# It holds for every $D$; it is no limit theorem. A bound may be true and say little.
# :::
#
# :::{dropdown} B. the probability may be near 0 or near 1: the bound is loose.
#
# Right. The exact curve does its jump within some twenty dimensions; the bound cannot see it.
# :::
#
# :::{dropdown} C. the probability is near one half.
#
# Silence of a bound is no statement about the middle. Compare it with the exact curve of the figure.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise} A plane and a cone in space
# :label: ex-plane
# **Calculate.** In $\R^3$, find the probability that a random plane through the tip meets a circular cone of half-angle $\alpha$ in more than the tip, (a) from geometry, (b) from $v_2$ and the kinematic formula. When is it one half?
# :::
#
# :::{solution} ex-plane
# :label: sol-plane
# :class: dropdown
# (a) The plane meets the cone when the angle between its normal and the axis is at least $90° - \alpha$ (and at most $90° + \alpha$). Directions within this band fill the share $\sin\alpha$ of the sphere.
# (b) $m = 2$: $P = 2 v_2$, and $v_2 = \tfrac12 \binom{1/2}{1/2} \sin\alpha = \tfrac12\sin\alpha$. One half at $\alpha = 30°$.
# :::
#
# :::{exercise} How many trials?
# :label: ex-trials
# **Code.** For the orthant in $\R^{40}$ and $m = 24$, compare the simulated with the exact probability at 100, 1,000 and 4,000 trials. How does the standard error scale, and how many trials would tell $0.90$ from $0.91$?
# :::

# %% [markdown]
# ```{solution-start} ex-trials
# :label: sol-trials
# :class: dropdown
# ```
#
# The error falls like one over the root of the number of trials. To see a difference of $0.01$ at three standard errors takes $\sqrt{0.09/N} \approx 0.0033$, about 8,000 trials.

# %%
exact = kinematics.intersection_probability(cones.Orthant(40), 24)
for trials in (100, 1000, 4000):
    run = kinematics.simulate_intersection(cones.Orthant(40), 24, trials=trials, seed=7)
    print(f"{trials:>5} trials: {run.value:.4f} ± {run.stderr:.4f}, exact {exact:.4f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} Sharp, therefore true?
# :label: ex-sharp
# **Criticise.** "The phase transition in $\R^{10^7}$ has a relative width of less than a thousandth. So the predicted pruning limit of a network with ten million weights is accurate to a thousandth." What is accurate here?
# :::
#
# :::{solution} ex-sharp
# :label: sol-sharp
# :class: dropdown
# The *probability* jumps within a thousandth of $D$ around $D - \delta$, for the cone and the random subspace of the model. The location is as accurate as $\delta$ is, and $\delta$ comes from a curvature estimate, a choice of $\epsilon$, a quadratic model of the loss and an approximation of the cone's size. Each may be off by percents. Precision of the jump is not accuracy of its place.
# :::
#
# ## Sources
#
# The kinematic formula and both approximate forms: {cite}`amelunxen2014living`; variance and shape: {cite}`mccoy2014steiner`, {cite}`goldstein2017gaussian`; orthants: {cite}`wendel1962problem`; sparse recovery as face counting: {cite}`donoho2009counting`; pruning: {cite}`zhang2024sparse`. What we hold of the paper is said once, in {ref}`what-we-hold`. The simulations and the way the recovery map walks along its border are this project's.
#
#
# :::{bibliography}
# :filter: docname in docnames
# :::
