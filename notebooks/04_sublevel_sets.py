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
# # Loss sublevel sets
#
# **After this chapter you can**
#
# - draw the set of weights that do about as well as the trained ones, and say how large it looks from the pruned ones;
# - derive the paper's limit $k_\mathrm{paper}$, and name the one step in it that is a guess;
# - put the same question to the same model exactly, and derive the answer, $k_\mathrm{sharp}$;
# - judge both by simulation, and say where each of them errs.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You need chapters 1 to 3, eigenvalues and least squares.*

# %%
import matplotlib.pyplot as plt
import numpy as np

from prunelimit import cones, limit, plots, sublevel
from prunelimit.plots import sublevel as plots_sublevel

plots.use_style()

# %% [markdown]
# ## Weights that do as well
#
# Chapter 3 left one unknown: $\delta$, the size of the cone under which the pruned weights see the good ones. We find it twice: by a shortcut, which gives the paper's limit, and without it, which gives another. Then simulated subspaces decide between the two.
#
# Which weights are good? Training ends at $w^*$. Along a direction of curvature $\lambda$ a step of length $t$ costs $\tfrac12\lambda t^2$, so a loss rise of 1 is used up after one unit if $\lambda = 2$, after two if $\lambda = \tfrac12$, and never if the direction is flat.
#
# :::{prf:definition} Loss sublevel set
# :label: def-sublevel
# $S(\epsilon) = \{w : L(w) \le L(w^*) + \epsilon\}$. Near a minimum with Hessian $H$ we replace it by the ellipsoid
#
# $$\begin{gathered}S(\epsilon)\approx\{w:\tfrac12(w-w^*)^\top H(w-w^*)\le\epsilon\},\\r_i=\sqrt{2\epsilon/\lambda_i},\end{gathered}$$
#
# whose radius along the $i$-th eigenvector of $H$ is $r_i$; where $\lambda_i = 0$ it is infinite.
# The ellipsoid is **heuristic**, good for small steps only. Chapter 10 shows where it breaks.
# :::
#
# Flat directions are long axes. The three radii from above:

# %%
sublevel.ellipsoid_radii([2.0, 0.5, 0.0], epsilon=1.0)

# %% [markdown]
# ### Two weights by hand
#
# Let $H = \begin{pmatrix} 2 & 1 \\ 1 & 2\end{pmatrix}$ and $w^* = (1, 2)$. Magnitude pruning to $k=1$ removes the smaller weight: $w^1 = (0, 2)$, so
# $x = w^* - w^1 = (1, 0)$ and $R = \lVert x \rVert = 1$.
#
# - *Leave the survivor alone* (one-shot): the loss rises by $\tfrac12 x^\top H x = 1$.
# - *Let the survivor move* by $t$: it rises by $\tfrac12 (1, -t) H (1, -t)^\top = 1 - t + t^2$.
#
# All networks with this mask form a line $L$. For $\epsilon = 0.8$ one-shot pruning fails, because it costs 1: $w^1$ is outside of the ellipse.
#
# :::{admonition} Predict
# :class: tip
# Does a network with this mask and a loss within $0.8$ exist all the same? Below which $\epsilon$ does the whole line miss the ellipse?
# :::

# %% mystnb={"figure": {"caption": "Two weights: the line of networks with one mask, and level ellipses of the quadratic loss.", "name": "fig-two-weights"}, "image": {"alt": "Two level ellipses of the loss around the trained weights (1, 2). The vertical line of kept weights, w1 = 0, touches the inner ellipse of level 0.75 at (0, 2.5) and passes through the pruned weights (0, 2) on the outer ellipse of level 1."}} tags=["hide-input", "hide-output"]
hessian = np.array([[2.0, 1.0], [1.0, 2.0]])
trained = np.array([1.0, 2.0])
x, y = np.linspace(-0.6, 2.6, 200), np.linspace(0.4, 3.6, 200)
steps = np.stack(np.meshgrid(x, y), axis=-1) - trained
rise = 0.5 * np.einsum("abi,ij,abj->ab", steps, hessian, steps)
points = {"$w^*$": (1, 2), "$w^1$, one-shot": (0, 2), "best on $L$": (0, 2.5)}
levels = {0.75: "0.75", 1.0: "1"}
plots_sublevel.plane_view(x, y, rise, levels, points, [(0, 0.4), (0, 3.6)])
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# It exists: $1 - t + t^2$ is least at $t = \tfrac12$, where it is $0.75$. The line touches the ellipse of that level; below it no network with this mask will do.
# :::
#
# The question is the same in $D$ dimensions. A mask that keeps $k$ weights leaves a $k$-dimensional plane $L$ through $w^k$,
# at distance $R = \lVert w^* - w^k\rVert$ from the centre. **How large must $k$ be for $L$ to meet $S(\epsilon)$?**

# %% [markdown]
# ## How large does an ellipsoid look?
#
# Chapter 3 answers for a *random* plane: it starts to meet a cone $C$ at $k = D - \delta(C)$. Here $C$ is the cone over $S(\epsilon)$ as seen from $w^k$.
# In two dimensions its size is an angle.
#
# :::{prf:lemma} Seen along an axis (exact)
# :label: lem-tangent
# From distance $R > r_1$ along its first axis, an ellipse with radii $r_1, r_2$ subtends the half-angle
# $\tan\alpha = r_2 / \sqrt{R^2 - r_1^2}$.
# :::
#
# :::{prf:proof}
# The line $y = mx$ touches the ellipse around $(R, 0)$ when the tangency condition $m^2R^2 = m^2 r_1^2 + r_2^2$ holds.
# :::
#
# Two ellipses of the same height, one deep, one shallow:

# %% mystnb={"figure": {"caption": "Two ellipses of the same height, seen from the same distance along their axis.", "name": "fig-tangents"}, "image": {"alt": "Two ellipses at distance 4 from the viewer, both with radius 1.5 across. The deep one, radius 3 along the line of sight, subtends a visibly larger angle than the shallow one, radius 0.5."}} tags=["hide-input"]
turn = np.linspace(0, 2 * np.pi, 100)[:-1]
circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
ellipses = [np.array([3.0, 1.5]), np.array([0.5, 1.5])]
contacts = [sublevel.contact_points(radii, [4.0, 0.0]) for radii in ellipses]
angles = [np.degrees(np.arctan2(abs(c[0, 1]), c[0, 0])) for c in contacts]
titles = [f"half-angle {angle:.1f}°" for angle in angles]
outlines = [[4, 0] + radii * circle for radii in ellipses]
plots_sublevel.tangent_view(outlines, contacts, titles)
plt.show()

# %%
for radii, angle in zip(ellipses, angles, strict=True):
    by_lemma = np.degrees(np.arctan(radii[1] / np.sqrt(4**2 - radii[0] ** 2)))
    print(f"radii {radii}: tangent {angle:.6f}°, lemma {by_lemma:.6f}°")

# %% [markdown]
# The deep ellipse is no wider than the shallow one and looks larger, because it begins nearer to the viewer.
#
# ### The shortcut of the width formula
#
# The statistical dimension of a circular cone is about $D\sin^2\alpha$ (chapter 2), which is $\sin^2\alpha$ for each axis. An elliptic cone suggests a sum of $\sin^2\alpha_i$, each axis with its own angle.
# If the viewer is far away, $\tan\alpha_i \approx r_i/R$, and then $\sin^2\alpha_i = r_i^2/(R^2 + r_i^2)$: 0.1 for an axis that is a third of the distance.
#
# :::{prf:assumption} Width of an ellipsoid (heuristic)
# :label: asm-width
# Seen from distance $R$, the cone over an ellipsoid with radii $r_i$ has
# $w^2 \approx \delta \approx \sum_i \frac{r_i^2}{R^2 + r_i^2}$.
# Source: {cite}`larsen2022degrees`, taken over by {cite}`zhang2024sparse`.
# :::
#
# :::{admonition} Predict
# :class: tip
# Take a ball of radius $r$ in $D = 100$ and walk towards it. At $R = r$ you stand on its surface and it fills half of the space:
# $\delta = D - \tfrac12$. What does the formula say there?
# :::

# %% mystnb={"figure": {"caption": "Size of the cone over a ball of radius 1 in 100 dimensions: exact, simulated, and by the width formula (heuristic).", "name": "fig-width-formula"}, "image": {"alt": "Statistical dimension of the cone over a ball against the viewer's distance in radii, dimension 100. Simulated points follow the exact curve, which rises to 100 at the surface; the width formula only reaches 50 there. At three radii they still differ, 12 against 10, at five hardly."}} tags=["hide-input", "hide-output"]
dim, curvature, budget = 100, 2.0, 1.0  # a ball of radius 1
ratio = np.linspace(1.02, 5, 120)
exact = [
    cones.CircularCone(dim, np.arcsin(1 / r)).statistical_dimension() for r in ratio
]
formula = [sublevel.ellipsoid_width(np.full(dim, curvature), r, budget) for r in ratio]
measured = {
    r: sublevel.cone_statistical_dimension(
        np.full(dim, curvature), r, budget, samples=400
    )
    for r in (1.1, 1.5, 2.0, 3.0, 4.5)
}
curves = {"width formula (heuristic)": formula, "circular cone (exact)": exact}
plots_sublevel.width_against_distance(ratio, curves, measured, dim)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# It says $D/2$, about half of the truth. The formula uses $\tan\alpha = r/R$ where the ball has $\sin\alpha = r/R$, which is harmless from afar only.
# :::
#
# How far is far enough? It matters, because a network has many nearly flat directions (chapter 5), with $r_i$ larger than $R$.

# %% [markdown]
# ### Two answers that move
#
# With two weights the whole question is one picture: drag $w^*$, turn $L$, or pull at the ellipse.

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.OnePicture()

# %% [markdown]
# With 200 weights the widget draws the least loss that $k$ of them can reach, against $k/D$; the limit is where it comes down to $\epsilon$. Its curves, one for each answer, are derived below.
#
# :::{admonition} Predict
# :class: tip
# Which of the two curves will the simulated subspaces follow? Press *Next* to let them fall, then look for a spectrum and a budget $\epsilon$ at which it makes no difference.
# :::

# %% tags=["remove-input"]
widgets.SublevelSet(simulate=False)

# %% [markdown]
# :::{dropdown} What came out
# They follow the curve of the sharp formula. It makes no difference where a formula gives $k = D/2$: there the two agree.
# :::
#
# ## The paper's limit
#
# The paper takes the shortcut. Put the assumption into chapter 3's transition, $k = D - \delta$. As $r_i^2 = 2\epsilon/\lambda_i$,
#
# $$\begin{aligned}k&=D-\sum_i\frac{2\epsilon}{\lambda_iR^2+2\epsilon}\\&=\sum_i\frac{\lambda_i}{\lambda_i+\sigma}=N_\mathrm{eff}(\sigma),\quad\sigma=\frac{2\epsilon}{R^2}.\end{aligned}$$
#
# $N_\mathrm{eff}$ is the *effective dimension*: it counts the directions that curve more than the ridge $\sigma$, softly. A direction with $\lambda = \sigma$ counts one half, one with $9\sigma$ counts 0.9. So the formula says: keep as many weights as there are sharp directions.
#
# :::{prf:theorem} Lower bound of the pruning ratio (Zhang et al., Theorem 3.2; heuristic)
# :label: thm-paper-lower
# A random $k$-dimensional subspace at distance $R$ misses $S(\epsilon)$ with high probability when $k+\delta<D$ by a few $\sqrt{D}$; with {prf:ref}`asm-width`, when
# $k < k_\mathrm{paper} = N_\mathrm{eff}(2\epsilon/R^2)$.
# **Exact** given $\delta$ (approximate kinematics, chapter 3, for a uniformly random subspace); **heuristic** in its value.
# A lower bound on $\rho = k/D$, the fraction *kept*, bounds sparsity from *above*. Source: {cite}`zhang2024sparse` ({ref}`what-we-hold`).
# :::
#
# :::{prf:theorem} Upper bound of the pruning ratio (Zhang et al., Theorem 3.6; heuristic)
# :label: thm-paper-upper
# Above the same transition the subspace meets $S(\epsilon)$ with high probability. With $a_\eta = \sqrt{8\log(4/\eta)}$ {cite}`amelunxen2014living` and
# $w^2 \le \delta \le w^2 + 1$ we get: misses with probability $\ge 1-\eta$ for $k \le N_\mathrm{eff} - 1 - a_\eta\sqrt D$, meets for $k \ge N_\mathrm{eff} + a_\eta\sqrt D$.
# **Exact** given $w^2$, **heuristic** through {prf:ref}`asm-width`. The constants are derived here.
# :::
#
# If $R$ shrinks as more weights are kept, $k = N_\mathrm{eff}(2\epsilon/R(k)^2)$ is a fixed point (chapter 6); here $R$ stays. Our example: $D = 200$, $\lambda_i = 1/i$, $R = 3$, $\epsilon = 0.1$. Computed in three ways, the paper's limit keeps 76 of 200:

# %%
dim, distance, epsilon = 200, 3.0, 0.1
harmonic = 1 / np.arange(1, dim + 1)
from_width = dim - sublevel.ellipsoid_width(harmonic, distance, epsilon)
from_sum = limit.effective_dimension(harmonic, 2 * epsilon / distance**2)
solved = limit.paper_limit(harmonic, distance, epsilon)
print(f"{from_width:.6f}  {from_sum:.6f}  {solved:.6f}")

# %%
large = np.tile(harmonic, 500)  # D = 100,000: the bounds need room
interval = limit.paper_interval(large, distance, epsilon, confidence_eta=0.01)
low, high = interval.lower / large.size, interval.upper / large.size
print(f"k/D between {low:.3f} and {high:.3f}")

# %% [markdown]
# For 200 weights the bounds run from 0 to 174, since $a_\eta\sqrt D = 98$ at $\eta = 0.01$. With 500 copies of the spectrum they hold $k/D = 0.379$ to about two points.
#
# The trace alone bounds the fraction kept, the **pruning ratio** of the paper's theorems:
#
# :::{prf:lemma} Pruning ratio and sharpness (Zhang et al., Lemma 3.5; exact)
# :label: lem-sharpness
# For $H \succeq 0$ (else $|H|$),
# $\displaystyle \rho_\mathrm{paper} = \frac{k_\mathrm{paper}}{D} \le \frac{R^2 \operatorname{Tr} H}{R^2 \operatorname{Tr} H + 2\epsilon D}.$
# **Exact**, given $k_\mathrm{paper}$. Source: {cite}`zhang2024sparse`.
# :::
#
# :::{prf:proof}
# $\lambda \mapsto \lambda/(\lambda+\sigma)$ is concave, so by Jensen the mean of its values is at most its value at the mean $\operatorname{Tr} H/D$.
# :::
#
# Equal eigenvalues give equality; the more unequal they are, the more room is left:

# %%
spectra = {
    "equal": np.full(dim, harmonic.mean()),
    "narrow": harmonic.mean() * np.linspace(0.5, 1.5, dim),
    "harmonic": harmonic,
}
bound = limit.sharpness_bound(harmonic.sum(), distance, epsilon, dim)
for name, eigenvalues in spectra.items():
    ratio_kept = limit.paper_limit(eigenvalues, distance, epsilon) / dim
    print(f"{name:9} k/D = {ratio_kept:.4f} <= {bound:.4f}")

# %% [markdown]
# ## Asking the model exactly
#
# All this rests on {prf:ref}`asm-width`, which failed near a ball. For a quadratic loss the question can be answered without it, because no cone is needed. The model is: $L$ is a random $k$-dimensional subspace through $w^k$; $x = w^* - w^k$ has length $R$ and is orthogonal to $L$, as under every mask.
# It meets the ellipsoid if and only if the *least* loss on it is at most $\epsilon$, and that is least squares.
#
# :::{prf:proposition} Least loss on a subspace (exact)
# :label: prop-least-loss
# Let the columns of $A$ be an orthonormal basis of $L^\perp$, $a = A^\top x$, and $H$ positive definite. Then
# $\min_{v\in L} \tfrac12 (x-v)^\top H (x-v)$ $= \tfrac12\, a^\top (A^\top H^{-1} A)^{-1} a.$
# :::
#
# ::::{dropdown} Proof
# :::{prf:proof}
# Minimise $\tfrac12 u^\top H u$ over all $u$ with $A^\top u = a$. Lagrange: $Hu = A\mu$, so $A^\top H^{-1}A\mu = a$, and the minimum is $\tfrac12 a^\top\mu$.
# :::
# ::::
#
# With two weights, $A = (1, 0)^\top$ and $(H^{-1})_{11} = \tfrac23$ give $\tfrac12 \cdot \tfrac32 = 0.75$, as by hand. A random case, both ways:

# %%
generator = np.random.default_rng(0)
basis = np.linalg.qr(generator.standard_normal((dim, dim)))[0]
inside, outside = basis[:, :40], basis[:, 40:]  # L and its complement, k = 40
a = generator.standard_normal(160)
cut = outside @ a  # x, orthogonal to L
dense = 0.5 * a @ np.linalg.solve(outside.T @ (outside / harmonic[:, None]), a)
root = np.sqrt(harmonic)
residual = np.linalg.lstsq(root[:, None] * inside, root * cut)[1][0]
print(f"formula {dense:.8f}   least squares {0.5 * residual:.8f}")

# %% [markdown]
# ### The expected least loss
#
# For a random subspace we need the mean. With $\Sigma = H^{-1}$, $A(A^\top \Sigma A)^{-1}A^\top$ is a random matrix. For large $D$ it acts, on average, like a simple one:
# $(\Sigma + \gamma I)^{-1}$, where $\gamma$ makes $\operatorname{Tr}\Sigma(\Sigma+\gamma I)^{-1}$ equal to the number of columns of $A$ {cite}`lejeune2022asymptotics`. That is a *deterministic equivalent*.
#
# :::{prf:theorem} Sharp threshold (this project; asymptotic)
# :label: thm-sharp
# For $x \perp L$ the expected least loss is, for large $D$,
#
# $$\ell(k) = \frac{R^2}{2}\,\frac{\sigma k}{D-k} \quad\text{with}\quad N_\mathrm{eff}(\sigma) = k,$$
#
# and $L$ starts to meet $S(\epsilon)$ where $\ell(k) = \epsilon$, that is at
#
# $$k_\mathrm{sharp} = N_\mathrm{eff}\!\left(\frac{2\epsilon}{R^2}\cdot\frac{D-k_\mathrm{sharp}}{k_\mathrm{sharp}}\right).$$
#
# If instead $x$ points anywhere, replace $D - k$ by $D$: $k = N_\mathrm{eff}(2\epsilon D/(R^2k))$.
# :::
#
# ::::{dropdown} Proof
# :::{prf:proof}
# *Idea.* Put $\Sigma = H^{-1}$ and $\sigma = 1/\gamma$: the condition on $\gamma$ reads $D - N_\mathrm{eff}(\sigma) = D - k$.
# Given $L$, the vector $a$ is uniform on a sphere of radius $R$ in $D-k$ dimensions, so
# $\mathbb{E}\,\ell = \frac{R^2}{2(D-k)} \operatorname{Tr}(A^\top H^{-1}A)^{-1}$ $\approx \frac{R^2}{2(D-k)} \operatorname{Tr}(H^{-1}+\gamma I)^{-1}$ $= \frac{R^2}{2(D-k)}\,\sigma N_\mathrm{eff}(\sigma).$
# If $x$ points anywhere, only the part of it outside $L$ counts, of squared length $R^2(D-k)/D$. The equivalent is the source's, a limit in which $k$ and $D-k$ grow together: with two weights kept of a steep spectrum the formula stays several percent off.
# :::
# ::::
#
# It is the paper's functional at another ridge, larger by the factor $(D-k)/k$, so that for $k < D/2$ fewer directions count as sharp: 10.5 in our example instead of 76. Does a formula for large $D$ hold for 200?

# %% mystnb={"figure": {"caption": "Least quadratic loss on random subspaces, $\\lambda_i = 1/i$, $D = 200$: simulated means with standard errors, and the sharp formula.", "name": "fig-least-loss"}, "image": {"alt": "Least loss rise on a random subspace against its dimension k, for eigenvalues 1/i. Simulated means lie on the curve of the sharp formula from k = 0 to 199 and cross the budget 0.1 near k = 10."}} tags=["hide-input"]
curves = sublevel.simulate_loss_curves(harmonic, trials=100, seed=1)
kept = np.arange(0, dim)
simulated = {
    k: curves.at(k, distance) for k in (0, 2, 5, 10, 20, 40, 80, 120, 160, 190)
}
losses = {"sharp": limit.sharp_loss(harmonic, distance, kept)}
plots_sublevel.loss_curve(kept, losses, simulated, epsilon)
plt.show()

# %%
worst = max(
    abs(estimate.z_score(limit.sharp_loss(harmonic, distance, k)))
    for k, estimate in simulated.items()
)
print(f"largest distance between formula and simulation: {worst:.1f} standard errors")

# %% [markdown]
# ### One crossing
#
# The curve crosses $\epsilon$ once, as it has to:
#
# :::{prf:proposition} The threshold is unique (this project; exact)
# :label: prop-unique
# If $R(k)$ does not increase with $k$, then $\ell(k)$ does not increase either. At constant $R$ it falls from $\frac{R^2}{2}\cdot$ the arithmetic mean of the $\lambda_i$ (at $k = 0$)
# to $\frac{R^2}{2}\cdot$ their harmonic mean (as $k \to D$), strictly unless all are equal.
# :::
#
# ::::{dropdown} Proof
# :::{prf:proof}
# Write $k = N_\mathrm{eff}(\sigma)$; $k$ falls as $\sigma$ grows. As $D - k = \sigma\sum_i \frac{1}{\lambda_i+\sigma}$,
# the factor $\frac{\sigma k}{D-k}$ is the mean of the $\lambda_i$ with weights $p_i \propto \frac{1}{\lambda_i+\sigma}$.
# Its derivative in $\sigma$ is the covariance under $p$ of $\lambda_i$ and $-\frac{1}{\lambda_i+\sigma}$, two increasing functions of $\lambda_i$, hence $\ge 0$. And $R(k)^2$ does not decrease with $\sigma$.
# :::
# ::::
#
# Three cases: $\epsilon$ above the first value (*any* $k$ will do), below the second (*none* but $k = D$), or one crossing.

# %%
narrow = spectra["narrow"]
ends = limit.sharp_loss(narrow, distance, [0, dim - 1e-9])
print(f"least loss from {ends[0]:.4f} at k = 0 to {ends[1]:.4f} near k = D")
for tried in (0.2, 0.125, 0.1):
    solution = limit.solve_limit(
        lambda ridge: limit.effective_dimension(narrow, ridge),
        distance,
        tried,
        dim,
        "sharp",
    )
    print(f"epsilon {tried}: {solution.status}, k = {solution.kept:.1f}")

# %% [markdown]
# ## Which line do the points follow?
#
# Six spectra, each with a budget, at $D = 200$, $R = 3$. For each we draw 200 random subspaces and count those that meet $S(\epsilon)$.

# %%
rank = np.arange(1, dim + 1)
features = np.random.default_rng(2).standard_normal((300, dim)) / np.sqrt(300)
cases = {
    "1/i": (1 / rank, 0.1),
    "1/i²": (1 / rank**2, 0.01),
    "exponential": (np.exp(-np.linspace(0, 12, dim)), 0.1),
    "two levels": (np.where(rank <= 20, 10.0, 1e-3), 0.01),
    "half flat": (np.where(rank <= 100, 1 / rank, 0.0), 0.02),
    "random features": (np.linalg.svd(features, compute_uv=False) ** 2, 1.7),
}

# %%
panels, draws, trials = {}, {}, 200
for name, (eigenvalues, budget) in cases.items():
    draws[name] = sublevel.simulate_loss_curves(eigenvalues, trials, seed=4)
    lines = {
        "paper": limit.paper_limit(eigenvalues, distance, budget),
        "sharp": limit.sharp_limit(eigenvalues, distance, budget),
    }
    share = draws[name].meeting(budget, distance)
    panels[name] = {"fraction": share, "trials": trials, "limits": lines}

# %% [markdown]
# :::{admonition} Predict
# :class: tip
# Where $k_\mathrm{paper} < D/2$, on which side of it will the points rise? And in the panel where $k_\mathrm{paper} > D/2$?
# :::

# %% mystnb={"figure": {"caption": "Six spectra: share of 200 random subspaces that meet $S(\\epsilon)$ in the quadratic model, and both predicted limits.", "name": "fig-meeting"}, "image": {"alt": "Six panels, one a spectrum: the share of random subspaces that meet the sublevel set rises from 0 to 1 around the line of k_sharp in every panel. The line of k_paper lies to the right of the rise in five of them, in the panel of the half-flat spectrum by little, and to the left for random features."}} tags=["hide-input", "hide-output"]
plots_sublevel.meeting_panels(panels)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# In every panel the points rise at $k_\mathrm{sharp}$. Where $k_\mathrm{paper} < D/2$ they rise before $k_\mathrm{paper}$: the paper asks for too many weights.
# Where $k_\mathrm{paper} > D/2$ they rise after it: there it promises too much, and so it is no safe bound either.
# :::
#
# More budgets, with thresholds all over $k$:

# %% mystnb={"figure": {"caption": "Predicted against simulated thresholds of the quadratic random-subspace model, for six spectra and up to six budgets each.", "name": "fig-agreement"}, "image": {"alt": "Predicted against simulated thresholds for six spectra and six budgets each. The circles of k_sharp lie on the diagonal; the crosses of k_paper lie above it below k = 100, below it above, and meet it at one half."}} tags=["hide-input"]
simulated, predicted = [], {"paper": [], "sharp": []}
for name, (eigenvalues, _) in cases.items():
    for target in (5, 20, 50, 90, 130, 170):
        budget = float(limit.sharp_loss(eigenvalues, distance, target))
        if budget > 0:  # beyond the rank no budget is needed
            simulated.append(draws[name].threshold(budget, distance))
            predicted["paper"].append(limit.paper_limit(eigenvalues, distance, budget))
            predicted["sharp"].append(target)
plots_sublevel.agreement(simulated, predicted, dim)
plt.show()

# %% [markdown]
# The two formulas cross at $k = D/2$, because $(D-k)/k = 1$ there. Elsewhere the subspaces side with the sharp one.
#
# ## Why the other line misses
#
# The paper's argument has two steps: the cone's size, and the kinematics. Which one is off?
# Measure the first. Let $x$ point anywhere: then $L$ is uniformly random and chapter 3 holds as it stands. So project Gaussian vectors onto the true cone, and see whether $D - \delta$ is where the subspaces start to meet $S(\epsilon)$ (*isotropic*):

# %%
print(f"{'':16}D - δ (projected)   isotropic   paper")
for name, (eigenvalues, budget) in cases.items():
    delta = sublevel.cone_statistical_dimension(
        eigenvalues, distance, budget, 12, 100, seed=5
    )
    anywhere = limit.sharp_limit(eigenvalues, distance, budget, orientation="isotropic")
    paper = limit.paper_limit(eigenvalues, distance, budget)
    print(f"{name:16}{dim - delta.value:8.1f} ± {delta.stderr:3.1f}", end=" ")
    print(f"{anywhere:14.1f} {paper:9.1f}")

# %% [markdown]
# The kinematics is right, to within three dimensions; the width is off, by 21 to 70. Read backwards, the isotropic formula gives the width that works:
#
# :::{prf:proposition} The cone over an ellipsoid (this project; asymptotic)
# :label: prop-cone-dimension
# Seen from a random direction at distance $R$, with $k = D - \delta$,
#
# $$\delta = \sum_i \frac{r_i^2}{r_i^2 + R^2\,k/D}.$$
#
# It is {prf:ref}`asm-width` with $R\sqrt{k/D}$ in place of $R$. For $x \perp L$ read $R\sqrt{k/(D-k)}$.
# :::
#
# ::::{dropdown} Proof
# :::{prf:proof}
# $\frac{\lambda_i}{\lambda_i+\sigma} = 1 - \frac{r_i^2}{r_i^2 + 2\epsilon/\sigma}$; put $\sigma = 2\epsilon D/(R^2k)$ from {prf:ref}`thm-sharp`.
# :::
# ::::
#
# For a ball it gives $\delta = D r^2/R^2 = D\sin^2\alpha$: our walk's curve, to within one.
#
# So we have two limits, and know which one answers the quadratic question for a random subspace. Both ask one thing of a network: how many of its directions curve more than a ridge? Chapter 5 finds out, without ever writing down $H$.

# %% [markdown]
# ## What this does *not* say
#
# - **A mask is not a random subspace.** {prf:ref}`thm-sharp` needs a mask that knows nothing of $H$'s eigenvectors. Exercise 2 breaks it.
# - **A quadratic is not a loss.** $H$ at $w^*$ need not describe the loss as far away as $R$. Which formula is nearer to a *real* network's threshold is measured in chapters 7 and 10, and the winner changes.
# - **The proof is an idea.** We bound neither the error of the deterministic equivalent nor the fluctuations.

# %% [markdown]
# ## Check yourself
#
# Choose an answer, then open it.
#
# **1.** You allow four times the loss rise, $\epsilon$, and the pruned point is twice as far away. What does $k_\mathrm{paper}$ do?
#
# :::{dropdown} A. It rises: distance counts squared.
#
# So it does, and takes back exactly the fourfold $\epsilon$.
# :::
#
# :::{dropdown} B. It stays.
#
# Right: only $\sigma = 2\epsilon/R^2$ enters. The same is true of $k_\mathrm{sharp}$.
# :::
#
# :::{dropdown} C. It falls: a larger set is easier to meet.
#
# All radii $r_i$ double, and so does $R$: the picture is the same, drawn larger.
# :::
#
# **2.** A spectrum and a budget give $k_\mathrm{paper} = D/10$. Where do random subspaces start to meet the ellipsoid?
#
# :::{dropdown} A. Below $k_\mathrm{paper}$.
#
# Right: below $D/2$ the factor $(D-k)/k$ exceeds 1. It raises the ridge, and fewer directions count.
# :::
#
# :::{dropdown} B. At or above it; a theorem says that below they miss.
#
# The theorem is exact *given* $\delta$. Its value of $\delta$ is a heuristic.
# :::
#
# :::{dropdown} C. At $k_\mathrm{paper}$, for large $D$.
#
# A larger $D$ narrows the transition; it does not repair its place.
# :::
#
# **3.** $k_\mathrm{sharp}/D = 0.1$. What is promised for a mask that keeps a tenth?
#
# :::{dropdown} A. The loss stays within $\epsilon$ if all other weights are set to zero.
#
# That is one-shot pruning. The limit lets the survivors move.
# :::
#
# :::{dropdown} B. Fine-tuning will come back to within $\epsilon$.
#
# Existence is not a recipe, nor is the real loss a quadratic.
# :::
#
# :::{dropdown} C. In the quadratic model, if the mask acts like a random subspace, some values of the survivors do.
#
# Right, with both conditions. Chapters 7 and 10 test them.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise} Calculate: a few sharp directions
# :label: ex-sublevel-two-levels
# Let $m$ of the $D$ eigenvalues be $c > 0$ and the others 0, and $u = 2\epsilon/(cR^2)$.
# Find $k_\mathrm{paper}$ and $k_\mathrm{sharp}$. Which one notices that flat directions are added?
# :::
#
# :::{solution} ex-sublevel-two-levels
# :class: dropdown
# $N_\mathrm{eff}(\sigma) = mc/(c+\sigma)$. At $\sigma = uc$: $k_\mathrm{paper} = m/(1+u)$, whatever $D$ is.
# For the sharp one $k = m/(1 + u\frac{D-k}{k})$, so $k + u(D-k) = m$ and $k_\mathrm{sharp} = \frac{m - uD}{1-u}$ (0 if $uD \ge m$).
# With $c = 3, m = 30, D = 120, R = 2, \epsilon = 0.4$: $u = 1/15$, $k_\mathrm{paper} = 28.1$, $k_\mathrm{sharp} = 23.6$.
# :::
#
# :::{exercise} Code: a Hessian that is aligned with the weights
# :label: ex-sublevel-diagonal
# Let $H$ be *diagonal* in the weights, with entries $1/i$ in random order. Keep a random set of 40 of the 200 weights, cut a random $x$ with $R = 3$ and find the mean least loss over many draws.
# Compare it with `limit.sharp_loss` and `limit.one_shot_random_orientation`.
# :::
#
# :::{solution} ex-sublevel-diagonal
# :class: dropdown
# ```python
# rng, least = np.random.default_rng(0), []
# for _ in range(2000):
#     removed = rng.permutation(harmonic)[40:]   # curvatures of the weights that are cut
#     x = rng.standard_normal(removed.size)
#     x *= 3.0 / np.linalg.norm(x)
#     least.append(0.5 * removed @ x**2)         # no cross terms: the survivors cannot help
# print(np.mean(least), limit.one_shot_random_orientation(harmonic.sum(), 3.0, 200),
#       limit.sharp_loss(harmonic, 3.0, 40))
# ```
# The mean is the one-shot value, about 0.13; `sharp_loss` promises little more than half, because its gain comes from cross terms.
# :::
#
# :::{exercise} Criticise: a flatter minimum
# :label: ex-sublevel-criticise
# "In a ReLU network we multiplied one layer by 2 and divided the next by 2. The function is unchanged, but $\operatorname{Tr} H$ fell by a third. By Lemma 3.5 we can now prune more." What is wrong? Name three things.
# :::
#
# :::{solution} ex-sublevel-criticise
# :class: dropdown
# (1) The lemma bounds $\rho_\mathrm{paper}$ from above; a smaller bound is not a smaller value. (2) Rescaling moves $R$, too, and the *order* of magnitudes, hence the mask. (3) Whether a good network exists under a mask cannot depend on a rescaling; a criterion that does measures the parametrisation.
# :::
#
# ## Sources
#
# :::{bibliography}
# :filter: docname in docnames
# :::
