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
# # Convex cones
#
# **After this chapter you can**
#
# - recognise a convex cone, and build the conic hull of any set;
# - project a point onto a cone, name its polar cone, and split every vector into the two parts;
# - say why "which share of space?" is the wrong question about a cone in many dimensions, and what replaces it.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You need vectors, inner products and orthogonal projection onto a subspace.*

# %%
import matplotlib.pyplot as plt
import numpy as np

from prunelimit import cones, plots
from prunelimit.plots import geometry as plots_geometry

plots.use_style()

# %% [markdown]
# ## Why a book about pruning starts with cones
#
# {doc}`Chapter 0 </notebooks/00_an_hour>` asked how far a network can be cut, and answered with a picture: some weights are about as good as the trained ones, and pruning has to reach one of them. This chapter takes the picture seriously. A trained network sits at weights $w^*$; all weights that do about as well form a set $S$. Pruning moves us to another point, $w^k$, outside of $S$.
# From there we ask: *in which directions do we see $S$?*
#
# How far away a point of $S$ is does not matter for that question: if a direction $v$ leads to $S$, so does $2v$. A set of directions with this property is a cone.
#
# ### In the plane, by hand
#
# Take the quadrant $C = \{x_1 \ge 0,\ x_2 \ge 0\}$. Double one of its points, or add two of them: the result is in the quadrant again.
# The point $(3, -1)$ is not in it.

# %%
quadrant = cones.Orthant(2)
quadrant.contains([[3, 1], [6, 2], [3, -1]])

# %% [markdown]
# :::{prf:definition} Convex cone and conic hull
# :label: def-cone
# A set $C \subseteq \R^D$ is a **convex cone** when $a x + b y \in C$ for all $x, y \in C$ and all numbers $a, b \ge 0$.
#
# The **conic hull** of a set $S$ is the smallest convex cone around it, the set of all sums $\sum_i a_i s_i$ with $s_i \in S$ and $a_i \ge 0$.
#
# This is Definition 2.1 of {cite}`zhang2024sparse`, put in our words. All cones in this book are closed: they contain their border.
# :::
#
# Cones come in families. These five live in spaces of six dimensions (a symmetric $3 \times 3$ matrix has six free entries):

# %%
family = {
    "orthant": cones.Orthant(6),  # all entries non-negative
    "circular": cones.CircularCone(6, np.pi / 6),  # within 30° of the first axis
    "monotone": cones.MonotoneCone(6),  # entries in rising order
    "semi-definite": cones.PSDCone(3),  # matrices with eigenvalues ≥ 0
    "ℓ1 descent": cones.L1DescentCone(
        6, 2
    ),  # directions that lower the sum of |entries|
}

# %% [markdown]
# The last one is the **descent cone** of the $\ell_1$ norm: all directions in which one can leave a sparse vector without raising the sum of its entries' magnitudes. Its second argument, called `sparsity`, counts the entries that are *not* zero, as is usual where sparse vectors are recovered. Everywhere else in this book sparsity is the share of zeros.
#
# The definition can be tested: random members, mixed with random non-negative factors, must stay inside.

# %%
rng = np.random.default_rng(0)
for name, cone in family.items():
    members = cone.project(rng.standard_normal((50, cone.dim)))
    mixed = rng.exponential(size=(1000, 50)) @ members
    print(f"{name:>13}: {cone.contains(mixed).mean():.0%} of the mixtures are inside")

# %% [markdown]
# ### Take it in your hand
#
# In the plane: drag $x$, or the cone's edge. $x$ splits into two parts that meet at a right angle; a later section says why. In space: a random line or plane through the origin hits the cone or misses it.
#
# :::{admonition} Predict
# :class: tip
# Which half-angle makes a random *plane* hit every second time? Set it, and count the two hundred that fall.
# :::

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.ConeAndSubspace()

# %% [markdown]
# :::{dropdown} What came out
# $30°$. A random plane through the tip hits with probability $\sin\alpha$; chapter 3 shows why.
# :::
#
# ## What a set looks like from outside
#
# Stand at the origin and look at a disc of radius $r$ whose centre is at distance $R$. The lines of sight that touch it make a right-angled triangle
# with hypotenuse $R$ and one side $r$, so the disc fills the half-angle $\alpha$ with
#
# $$\sin\alpha = r / R .$$
#
# Its conic hull is the cone of that half-angle. For $r = 1$ and $R = 2$, $\alpha = 30°$.
#
# :::{admonition} Predict
# :class: tip
# You step back to $R = 4$. Does the half-angle become $15°$, less, or more?
# :::

# %% mystnb={"figure": {"caption": "A disc of radius 1 seen from two distances, with the cone that it fills.", "name": "fig-disc-from-outside"}, "image": {"alt": "Two views of a disc of radius 1. From distance 2 its conic hull has a half-angle of 30 degrees, from distance 4 of 14.5 degrees."}} tags=["hide-input", "hide-output"]
distances = [2.0, 4.0]
angles = [np.arcsin(1 / distance) for distance in distances]
titles = [f"half-angle {np.degrees(angle):.1f}°" for angle in angles]
plots_geometry.discs_from_outside(distances, 1.0, angles, titles)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# A little less, $14.5°$: twice the distance halves the *sine* of the angle, not the angle.
# :::
#
# The hull is all that matters for pruning, because a subspace is a set of directions too (the proposition below). This is the picture that the book is about, with two weights: from the cut network $w^k$, the set $S(\epsilon)$ of weights that are good enough fills a cone, and the line $L$ of what training the survivor can reach either lies in it or does not. {doc}`Chapter 4 </notebooks/04_sublevel_sets>` makes its parts.

# %% tags=["remove-input"]
widgets.OnePicture()

# %% [markdown]
#
# Every numbered statement of this book says what it is worth: [exact]{.label .label-exact}, a theorem that holds as it is written; [asymptotic]{.label .label-asymptotic}, right as the dimension grows, and the book shows how fast; [heuristic]{.label .label-heuristic}, a modelling step that experiments must judge. Here is the first:
#
# :::{prf:proposition} A subspace meets the set when it meets the hull (exact)
# :label: prp-hull
# Let $S$ be closed, bounded and convex with $0 \notin S$, let $C$ be its conic hull, and $L$ a linear subspace. Then $L$ meets $S$ exactly when $L$ and $C$ share more than the origin.
# :::
#
# :::{prf:proof}
# A common point of $L$ and $S$ is a common point of $L$ and $C$, and not $0$. Conversely let $0 \ne v \in L \cap C$.
# Since $S$ is convex, $v = a s$ with $s \in S$ and $a > 0$. Then $s = v / a$ lies in $L$, too.
# :::
#
# Test it with an ellipse and 2,000 random lines: solve for the point of the line nearest to the centre in the ellipse's own metric, and compare with membership in the cone.

# %%
radii, centre = np.array([1.0, 0.4]), np.array([2.0, 1.0])
hull = cones.EllipsoidCone(radii, centre)
lines = rng.standard_normal((2000, 2))
u, c = lines / radii, centre / radii
meets_set = np.sum(c**2) - (u @ c) ** 2 / np.sum(u**2, axis=1) <= 1
meets_hull = hull.contains(lines) | hull.contains(-lines)
print(f"{meets_set.mean():.1%} of the lines meet the ellipse")
print("the two answers agree on every line:", bool(np.all(meets_set == meets_hull)))

# %% [markdown]
# ## The nearest point, and what is left over
#
# :::{prf:theorem} Projection onto a cone (exact)
# :label: thm-projection
# Let $C$ be a closed convex cone. Every $x$ has exactly one nearest point $\Pi_C(x)$ in $C$. It is the only $p \in C$ with
#
# $$\begin{gathered} \langle x - p,\, p \rangle = 0, \\ \langle x - p,\, y \rangle \le 0 \ \text{ for all } y \in C . \end{gathered}$$
# :::
#
# :::{prf:proof}
# (Idea.) If moving from $p$ a little towards some $y \in C$, or along $p$ itself, brought us nearer to $x$, then $p$ would not be nearest. Each condition says that one of these moves does not help.
# Two nearest points would have a nearer midpoint.
# :::
#
# The rest $x - p$ makes an angle of at least $90°$ with everything in $C$. Such vectors form a cone as well.
#
# :::{prf:definition} Polar cone
# :label: def-polar
# $C^\circ$ is the set of all $y$ with $\langle x, y \rangle \le 0$ for all $x \in C$.
# :::
#
# In the plane, the polar of a wedge is the wedge between the outward normals of its two sides. A wide cone has a narrow polar.

# %% mystnb={"figure": {"caption": "Three cones of the plane and their polar cones.", "name": "fig-polars"}, "image": {"alt": "Three wedges of the plane and their polars. The quadrant's polar is the opposite quadrant; a wedge of 60 degrees has a polar of 120 degrees; a wedge of one degree has a polar of 179, almost a half-plane."}} tags=["hide-input"]
deg = np.pi / 180
wedges = [(0, 90 * deg), (-30 * deg, 30 * deg), (44.5 * deg, 45.5 * deg)]
polars = [(high + 90 * deg, low + 270 * deg) for low, high in wedges]
titles = ["quadrant, 90°", "wedge, 60°", "almost a ray, 1°"]
plots_geometry.cones_in_the_plane(wedges, polars, titles)
plt.show()

# %% [markdown]
# :::{prf:theorem} Moreau's decomposition (exact)
# :label: thm-moreau
# For every $x$: $\; x = \Pi_C(x) + \Pi_{C^\circ}(x)$, and the two parts are orthogonal. Hence
# $\lVert x \rVert^2 = \lVert \Pi_C(x) \rVert^2 + \lVert \Pi_{C^\circ}(x) \rVert^2$, and the polar of the polar is $C$.
# Source: {cite}`moreau1962decomposition`.
# :::
#
# :::{prf:proof}
# (Idea.) Put $p = \Pi_C(x)$ and $q = x - p$. {prf:ref}`thm-projection` says $q \in C^\circ$ and $\langle p, q \rangle = 0$.
# Every $y \in C^\circ$ has $\langle x - q, y\rangle = \langle p, y \rangle \le 0$, so $q$ meets the conditions of the same theorem for $C^\circ$: it is the nearest point there.
# :::
#
# For a subspace, $C^\circ$ is the orthogonal complement, and this is Pythagoras. Now by hand:
#
# :::{admonition} Predict
# :class: tip
# Project $x = (3, -4)$ onto the quadrant and onto its polar. What are the two parts?
# :::

# %% mystnb={"figure": {"caption": "A point splits into its projections onto a cone and onto the polar cone.", "name": "fig-split"}, "image": {"alt": "The point (3, -4) split into (3, 0) in the quadrant and (0, -4) in the opposite quadrant, at right angles."}} tags=["hide-input", "hide-output"]
x = np.array([3.0, -4.0])
inner, outer = quadrant.project(x), quadrant.polar().project(x)
plots_geometry.split_of_a_point((0, np.pi / 2), (np.pi, 1.5 * np.pi), x, inner, outer)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# $(3, 0)$ and $(0, -4)$: the negative entry is set to zero, and it is what the polar keeps.
# :::
#
# And for the whole family, on 1,000 random points each. The polar's projection is the rest $x - \Pi_C(x)$ by construction; what is tested is that the rest is orthogonal, and obtuse to other members.

# %%
for name, cone in family.items():
    points = rng.standard_normal((1000, cone.dim))
    inside = cone.project(points)
    rest = points - inside
    orthogonal = np.abs(np.sum(inside * rest, axis=1)).max() < 1e-9
    obtuse = (rest[:500] @ inside[500:].T).max() < 1e-9
    print(f"{name:>13}: orthogonal {orthogonal}, obtuse {obtuse}")

# %% [markdown]
# ### Three projections that you know under other names
#
# **Isotonic regression**: the rising sequence nearest to some data. Neighbours in the wrong order are averaged.

# %%
cones.MonotoneCone(6).project([1.0, 3.0, 2.0, 2.5, 5.0, 4.0])

# %% [markdown]
# **Clipping eigenvalues**: the nearest matrix without negative curvature. (We shall need it: the *Hessian*, the second derivative of a network's loss, has some.)

# %%
psd = cones.PSDCone(2)
matrix = np.array([[1.0, 2.0], [2.0, 1.0]])  # eigenvalues 3 and -1
psd.to_matrix(psd.project(psd.to_vector(matrix))).round(12)

# %% [markdown]
# **Soft thresholding**, in disguise: project onto the polar of the $\ell_1$ descent cone. One threshold $\tau$ is subtracted from the support and clips the other entries; what remains of those is what exceeds $\tau$.

# %%
noisy = np.array([2.0, 1.0, 0.3, -2.4])  # support: the first two entries
descent = cones.L1DescentCone(4, sparsity=2)
print("onto the polar:", descent.polar().project(noisy).round(3))
print("onto the cone: ", descent.project(noisy).round(3))

# %% [markdown]
# ## How large is a cone?
#
# A natural answer is its share of space: the chance that a random direction falls into it. A cone of half-angle $30°$ fills a sixth of the plane.
#
# :::{admonition} Predict
# :class: tip
# Which share of $\R^{100}$ does it fill? A tenth, a thousandth, less? And a typical vector, projected onto it: how much of its length is left?
# :::

# %% tags=["hide-output"]
for dim in (2, 3, 10, 30, 100):
    cone = cones.CircularCone(dim, np.pi / 6)
    share = np.exp(cone.log_intrinsic_volumes()[-1])
    print(f"D = {dim:>3}: share of space {share:.1e}")

# %% tags=["hide-output"]
cone = cones.CircularCone(100, np.pi / 6)
g = rng.standard_normal((5000, 100))
kept = np.linalg.norm(cone.project(g), axis=1) / np.linalg.norm(g, axis=1)
print(f"length kept: {kept.mean():.2f} ± {kept.std():.2f}")

# %% [markdown]
# :::{dropdown} What came out
# Practically nothing, $7 \cdot 10^{-32}$. And yet a typical vector keeps *half* of its length.
# :::
#
# The share of space is therefore blind to what a projection keeps. Random vectors hardly ever land *inside* the cone; their projections land on its *border*, and what counts is how large that border is.
#
# :::{prf:definition} Conic intrinsic volumes
# :label: def-volumes
# Let $C$ be a polyhedral cone (finitely many flat sides) and $g$ a standard normal vector: independent entries, each normal with mean 0 and variance 1. Then, for $j = 0, \dots, D$,
#
# $$\begin{gathered} v_j(C) = \mathbb{P}\{\Pi_C(g) \text{ lies in the inside of} \\ \text{a } j\text{-dimensional face}\}. \end{gathered}$$
#
# For other cones they are the limits over polyhedral cones that approximate $C$. The last one, $v_D$, is the share of space. Source: {cite}`amelunxen2014living`, §5.
# :::
#
# **By hand, a wedge of angle $\theta$.** The projection is inside (dimension 2) when $g$ is: $v_2 = \theta / 2\pi$. It is the tip (dimension 0) when $g$ lies in the polar wedge, of angle $\pi - \theta$: $v_0 = (\pi - \theta)/2\pi$.
# What is left falls on the two sides: $v_1 = \tfrac12$, whatever $\theta$ is. For the quadrant: $\tfrac14, \tfrac12, \tfrac14$.

# %%
wedge = cones.CircularCone(2, 30 * deg)  # opening angle 60°
print("quadrant: ", quadrant.intrinsic_volumes().round(4))
print("60° wedge:", wedge.intrinsic_volumes().round(4))
print("  by hand:", np.round([1 / 3, 1 / 2, 1 / 6], 4))

# %% [markdown]
# In more dimensions we can count. The face of the orthant that $g$ lands on has as many dimensions as $g$ has positive entries: $v_j$ is the chance of $j$ heads in $D$ coin tosses.

# %%
g = rng.standard_normal((100_000, 6))
landed = np.sum(cones.Orthant(6).project(g) > 0, axis=1)
print("counted:", (np.bincount(landed) / len(g)).round(4))
print("formula:", cones.Orthant(6).intrinsic_volumes().round(4))

# %% [markdown]
# :::{prf:theorem} Laws of intrinsic volumes (exact)
# :label: thm-volumes
# For every closed convex cone $C$ in $\R^D$:
#
# 1. they are probabilities: $v_j \ge 0$ and $\sum_j v_j = 1$;
# 2. unless $C$ is a subspace, even and odd ones balance (Gauss–Bonnet): $\sum_j (-1)^j v_j = 0$;
# 3. the polar reverses them: $v_j(C^\circ) = v_{D-j}(C)$;
# 4. a product convolves them: $v_j(C \times K)$ is the sum of $v_i(C)\, v_{j-i}(K)$ over $i$.
#
# Source: {cite}`amelunxen2014living`, §5.
# :::
#
# :::{prf:proof}
# (Idea.) 1: every projection lands in exactly one face. 3: where $\Pi_C(g)$ lies in a $j$-dimensional face, Moreau's other part lies in the face of $C^\circ$ orthogonal to it, of dimension $D - j$.
# 4: the two blocks of $g$ are independent, and dimensions of faces add. 2: for the orthant it is $(\tfrac12 - \tfrac12)^D = 0$; in general it is Euler's polyhedron formula, averaged over $g$.
# :::
#
# Check all four, for a circular cone and a monotone cone:

# %%
a, b = cones.CircularCone(6, np.pi / 6), cones.MonotoneCone(5)
va, vb = a.intrinsic_volumes(), b.intrinsic_volumes()
turned = cones.CircularCone(6, np.pi / 3)  # a copy of the polar
opposite = turned.intrinsic_volumes()
print("1  they sum to one:", np.isclose(va.sum(), 1, rtol=0, atol=1e-12))
print("2  even and odd balance:", np.isclose(va[::2].sum(), va[1::2].sum()))
print("3  the polar reverses:", np.allclose(opposite, va[::-1], rtol=0, atol=1e-12))
landed = cones.Product(a, b).project(rng.standard_normal((100_000, 11)))
steps = np.sum(np.diff(landed[:, 6:], axis=1) > 1e-9, axis=1) + 1
print("4  the monotone part, counted:", (np.bincount(steps) / 1e5).round(3)[1:])
print("   and by its own formula:    ", vb.round(3)[1:])

# %% [markdown]
# ### Large cones, sharp answers
#
# In sixty dimensions, nearly all the weight, about 97 % or more, sits within ten $j$ of the mean: most normal vectors are projected onto faces of nearly the same dimension.

# %% mystnb={"figure": {"caption": "Intrinsic volumes of four cones in 60 dimensions. The mean of each bump is marked.", "name": "fig-volumes"}, "image": {"alt": "Intrinsic volumes of four cones in 60 dimensions: orthant, circular cones of 30 and 60 degrees, monotone cone. Each is a narrow bump around its mean: 30, 15.5, 44.5 and 4.7."}} tags=["hide-input"]
shown = {
    "orthant": cones.Orthant(60),
    "circular, 30°": cones.CircularCone(60, 30 * deg),
    "circular, 60°": cones.CircularCone(60, 60 * deg),
    "monotone": cones.MonotoneCone(60),
}
volumes = {name: cone.intrinsic_volumes() for name, cone in shown.items()}
means = [np.arange(61) @ values for values in volumes.values()]
plots_geometry.volume_bars(volumes, means)
plt.show()

# %% [markdown]
# The mean of each bump deserves a name, because it replaces the share of space as the size of a cone. It is the *statistical dimension*, the subject of the next chapter, and the bump's narrowness is why pruning has a threshold at all.
#
# ## What this does *not* say
#
# - The set $S$ of good weights of a real network need not be convex. Its conic hull is then larger than what one sees; "the hull is missed" still implies "the set is missed", but "the hull is met" implies nothing.
# - A cone forgets distance. Whether a point of $S$ that we see is near enough for a quadratic model of the loss to hold is not a question about cones (chapter 4 and chapter 10).
# - Face counting defines $v_j$ for polyhedral cones; for round ones the definition as a limit is taken on trust here (it is proved in the source).

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** One of these sets of the plane is *not* a convex cone. Which?
#
# :::{dropdown} A. The polar of some wedge.
#
# It is one: if $y$ and $z$ are obtuse to everything in the wedge, so are $2y$ and $y + z$.
# :::
#
# :::{dropdown} B. A quadrant together with the opposite quadrant.
#
# Right. Doubling a point stays inside, adding two need not: $(1, 0) + (0, -1) = (1, -1)$ is in neither. A set of directions is a cone; *convex* takes sums, too.
# :::
#
# :::{dropdown} C. A single ray.
#
# It is one. A cone need not have an inside: multiples and sums of points of the ray lie on the ray.
# :::
#
# **2.** A circular cone of half-angle $30°$ fills practically nothing of $\R^{100}$. What is left of a normal vector after projection onto it?
#
# :::{dropdown} A. Practically nothing, as the vector almost never lies inside.
#
# It is true that it lies outside. But the projection lands on the border, and the border is large. The share of space measures the wrong thing.
# :::
#
# :::{dropdown} B. About a sixth of its length, the cone's share of the plane.
#
# Shares of the plane say nothing about $\R^{100}$, and a share of space is no length.
# :::
#
# :::{dropdown} C. About half of its length.
#
# Right. The vector is almost perpendicular to the axis, so it makes an angle of about $60°$ with the border, and $\cos 60° = \tfrac12$.
# :::
#
# **3.** The set $S$ of good weights is *not* convex. A subspace is compared with its conic hull. What follows?
#
# :::{dropdown} A. If it misses the hull, it misses $S$.
#
# Right: $S$ is a part of its hull, whatever its shape.
# :::
#
# :::{dropdown} B. If it meets the hull, it meets $S$.
#
# This needs a convex $S$ ({prf:ref}`prp-hull`). The hull fills gaps that $S$ may have.
# :::
#
# :::{dropdown} C. Nothing, in either case.
#
# Too careful. Convexity is used in one direction of the proof only; the other one survives.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise} A wedge by hand
# :label: ex-wedge
# **Calculate.** A wedge has opening angle $\theta < \pi$. Use its intrinsic volumes to find the mean dimension $\sum_j j\, v_j$ of the face that a normal vector is projected onto.
# Do the same for the polar, and add the two.
# :::
#
# :::{solution} ex-wedge
# :label: sol-wedge
# :class: dropdown
# $1 \cdot \tfrac12 + 2 \cdot \tfrac{\theta}{2\pi} = \tfrac12 + \tfrac{\theta}{\pi}$. The polar has angle $\pi - \theta$, hence $\tfrac12 + 1 - \tfrac{\theta}{\pi}$. The sum is $2$, the dimension of the plane, for every $\theta$.
# :::
#
# :::{exercise} Project onto a ray
# :label: ex-ray
# **Code.** Write the projection of a batch of points onto the ray $\{t u : t \ge 0\}$ through a unit vector $u$, in one line. Test Moreau's three conditions on random points, and compare with an `EllipsoidCone` over a tiny ball around $u$.
# :::

# %% [markdown]
# ```{solution-start} ex-ray
# :label: sol-ray
# :class: dropdown
# ```

# %%
u = np.array([0.6, 0.0, 0.8])
points = rng.standard_normal((1000, 3))
onto_ray = np.maximum(points @ u, 0)[:, None] * u
rest = points - onto_ray
print("orthogonal:", np.abs(np.sum(onto_ray * rest, axis=1)).max() < 1e-12)
print("obtuse:    ", (rest @ u).max() < 1e-12)
tiny = cones.EllipsoidCone(np.full(3, 1e-6), u)
print(
    "difference from the tiny ball:",
    f"{np.abs(tiny.project(points) - onto_ray).max():.0e}",
)

# %% [markdown]
# ```{solution-end}
# ```
#
# :::{exercise} A convenient sentence
# :label: ex-convenient
# **Criticise.** "The sublevel set of a network's loss is convex near the minimum. So a subspace through the pruned weights reaches a network that is as good as the trained one exactly when it meets the conic hull." Which words carry more than they can bear?
# :::
#
# :::{solution} ex-convenient
# :label: sol-convenient
# :class: dropdown
# "Near": the pruned weights are usually *not* near, and {prf:ref}`prp-hull` needs the whole set to be convex, as far as the subspace reaches it. One direction survives without convexity: if the hull is missed, the set is missed. So "with this few weights it cannot be done" is safer to say than "with this many it can".
# "Exactly": the hull is met by directions in which the convex *model* of the set lies, not the set. And the sentence says nothing on how a training procedure would find the point.
# :::
#
# ## Sources
#
# Convex cones, polarity and intrinsic volumes follow {cite}`amelunxen2014living`; the decomposition is due to {cite}`moreau1962decomposition`; the use for pruning is that of {cite}`zhang2024sparse`. The proofs' wording, {prf:ref}`prp-hull` as stated, and all code are this project's.
#
#
# :::{bibliography}
# :filter: docname in docnames
# :::
