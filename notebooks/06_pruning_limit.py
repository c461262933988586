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
# # The pruning limit
#
# **After this chapter you can**
#
# - find the limit of a network from its weights, its spectrum and a loss budget, as the point where distance and effective dimension meet;
# - say what makes a network prunable: small weights in the right place, and flat directions;
# - say how sure the answer is, and how much of it is your choice of $\epsilon$.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You need chapter 4 (both formulas) and the idea of chapter 5: a spectrum is known through $N_\mathrm{eff}$.*

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from prunelimit import limit, plots
from prunelimit.plots import sublevel as plots_sublevel
from prunelimit.results import Result

plots.use_style()

# %% [markdown]
# ## Three numbers that depend on each other
#
# Chapter 4 left two formulas for the same question, and chapter 5 the spectrum that both need. What is missing is the answer: a number of weights. It is not yet in reach, because chapter 4 held the distance $R$ fixed and magnitude pruning does not: the number $k$ of kept weights sets the distance $R(k)$, the distance sets the ridge
# $\sigma = 2\epsilon/R(k)^2$, and the ridge sets how many directions count, $N_\mathrm{eff}(\sigma)$. So the limit is the $k$ that gives itself back, and this chapter finds it: first for networks that we make up, so that one thing can be changed at a time, then for two that were trained.
#
# ### Two weights by hand
#
# Let $w^* = (3, 1)$, both curvatures 1 and $\epsilon = \tfrac12$. Removing weights, smallest first, gives $R(2)^2 = 0$, $R(1)^2 = 1$, $R(0)^2 = 10$.
# Start at $k = 1$: $\sigma = 1/1 = 1$ and $N_\mathrm{eff}(1) = \tfrac12 + \tfrac12 = 1$. So $k_\mathrm{paper} = 1$.
#
# :::{admonition} Predict
# :class: tip
# Does the smaller weight have to be 1 for that? What happens if it shrinks to $0.5$, and to $0.1$?
# :::

# %% tags=["hide-output"]
for small in (1.0, 0.5, 0.1):
    profile = limit.distance_profile([3.0, small])
    kept = limit.paper_limit([1.0, 1.0], profile, 0.5)
    print(f"small weight {small}: k_paper = {kept:.3f}")

# %% [markdown]
# :::{dropdown} What came out
# Less than one weight: 0.931 and 0.909. A smaller weight is cheaper to remove, so the limit falls.
# :::
#
# A limit is a real number, because $R(k)^2$ is taken to be linear between integers: 0.931 of a weight means that one is enough, with something to spare. Could there be two such $k$, or none? No:
#
# :::{prf:proposition} One fixed point (exact)
# :label: prop-fixed-point
# Let $R(k)$ be continuous and not increase with $k$, $R(0) > 0$ and $\epsilon > 0$. Then $k = N_\mathrm{eff}(2\epsilon/R(k)^2)$ has exactly one solution in $[0, D]$.
# :::
#
# :::{prf:proof}
# Keeping more brings $w^k$ nearer, which raises the ridge, which lowers $N_\mathrm{eff}$: the right side does not increase with $k$, and is between 0 and $D$. The left side increases from 0 to $D$.
# :::
#
# ## A network made of two lists
#
# The theory sees a network as two lists: its weights and its eigenvalues. So we can make one up. Ours has $D = 20\,000$, a bulk of curvatures spread over many orders of magnitude, and thirty outliers, as chapter 5 finds them in real ones.

# %%
dim, epsilon = 20_000, 0.05
rng = np.random.default_rng(0)
eigenvalues = np.concatenate(
    [np.exp(rng.normal(-9, 2.5, dim - 30)), rng.uniform(0.5, 10, 30)]
)
shapes = {
    "equal magnitudes": np.ones(dim),
    "normal weights": rng.standard_normal(dim),
    "Laplace weights": rng.laplace(size=dim),
    "mostly tiny weights": rng.laplace(size=dim) ** 3,
}
networks = {name: 12 * w / np.linalg.norm(w) for name, w in shapes.items()}

# %% [markdown]
# All four have the same norm, $\lVert w^*\rVert = 12$, and the same spectrum. Only the *shape* of their weights differs: in the first all are alike, in the last a few hold nearly all of the norm. For each we compute the map from $k$ over $R(k)$ and the ridge to $N_\mathrm{eff}$, and where it gives $k$ back:

# %%
kept = np.linspace(0, dim, 300)
profiles = {name: limit.distance_profile(w) for name, w in networks.items()}
maps, crossings = {}, {}
for name, profile in profiles.items():
    radii = np.array([profile(k) for k in kept])
    with np.errstate(divide="ignore"):
        maps[name] = limit.effective_dimension(eigenvalues, 2 * epsilon / radii**2)
    crossings[name] = limit.paper_limit(eigenvalues, profile, epsilon)

# %% [markdown]
# :::{admonition} Predict
# :class: tip
# Which of the four can be pruned furthest, and which least? Draw the curves that you expect on paper: $N_\mathrm{eff}$ at the ridge of $k$, against $k$.
# :::

# %% mystnb={"figure": {"caption": "Four shapes of weights with one norm and one spectrum. The paper's limit is where a curve meets the diagonal.", "name": "fig-shapes"}, "image": {"alt": "The map from k/D to the effective dimension at the ridge that k sets, for four shapes of weights. Each falls and crosses the diagonal once. The more of the norm sits in few weights, the earlier it crosses: mostly tiny weights first, equal magnitudes last."}} tags=["hide-input", "hide-output"]
plots_sublevel.fixed_points(kept, maps, crossings, dim)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# Mostly tiny weights first, then Laplace, then normal, and equal magnitudes last. The more of the norm sits in few weights, the faster $R(k)$ falls, and therefore the earlier the curve crosses the diagonal.
# :::
#
# The $\ell_1$ term with which the paper trains acts here: it changes the shape of the weights, from the curves on the right to those on the left. The same comparison says which mask to take, because a mask, too, acts through $R(k)$ alone.
#
# :::{prf:proposition} Magnitude is the best mask for the formula (exact)
# :label: prop-magnitude
# Of all masks that keep $k$ weights, the one that keeps the largest has the least $R$, hence the least $k_\mathrm{paper}$ and $k_\mathrm{sharp}$ at a given spectrum. A random mask has $\mathbb{E}R^2 = (1 - k/D)\lVert w^*\rVert^2$.
# :::
#
# :::{prf:proof}
# $R^2$ is the sum of the removed squares; {prf:ref}`prop-levers` says that less $R$ means less $k$.
# :::


# %%
def random_mask(k):
    return 12 * np.sqrt(1 - k / dim)


for name, profile in [*profiles.items(), ("any, random mask", random_mask)]:
    paper = limit.paper_limit(eigenvalues, profile, epsilon)
    sharp = limit.sharp_limit(eigenvalues, profile, epsilon)
    print(
        f"{name:20} sparsity: paper {1 - paper / dim:.3f}, sharp {1 - sharp / dim:.3f}"
    )

# %% [markdown]
# From equal magnitudes to mostly tiny weights the paper's limit goes from 0.744 to 0.950, with not one curvature changed. Equal magnitudes and a random mask agree, as they must, because where all weights are alike there is nothing to choose.
#
# ## One curve, three limits
#
# In that list the sharp formula allows more than the paper's, for each network. To see why, write both in the same terms. Let $\sigma_k$ be the ridge at which $N_\mathrm{eff}(\sigma_k) = k$. Both limits of chapter 4, and the variant for a distance that points anywhere, compare a loss with $\epsilon$:
#
# $$\begin{aligned} \ell_\mathrm{paper}(k) &= \frac{R(k)^2}{2}\,\sigma_k, \\ \ell_\mathrm{sharp}(k) &= \frac{k}{D-k}\,\ell_\mathrm{paper}(k), \\ \ell_\mathrm{isotropic}(k) &= \frac{k}{D}\,\ell_\mathrm{paper}(k). \end{aligned}$$
#
# Each limit is the smallest $k$ whose loss is at most $\epsilon$. They share the spectrum, through $\sigma_k$, and the weights, through $R(k)$; they differ by a factor that knows neither.

# %%
laplace = profiles["Laplace weights"]
ks = dim * np.linspace(0.005, 0.8, 60)
ridges = np.array([limit.ridge_at(eigenvalues, k) for k in ks])
paper_loss = 0.5 * np.array([laplace(k) for k in ks]) ** 2 * ridges
factors = {"paper": 1, "sharp": ks / (dim - ks), "sharp_isotropic": ks / dim}
dimension = partial(limit.effective_dimension, eigenvalues)  # a function of the ridge
thresholds = {
    name: limit.solve_limit(dimension, laplace, epsilon, dim, name).sparsity
    for name in factors
}

# %% mystnb={"figure": {"caption": "What each formula believes that $k$ weights cost, Laplace weights. A limit is where its curve reaches $\\epsilon$.", "name": "fig-three-losses"}, "image": {"alt": "Three loss curves against sparsity on a logarithmic axis, for Laplace weights. All rise with sparsity; the paper's is highest above one half, the sharp one crosses it at one half, the isotropic one is lowest. Each limit is marked where its curve reaches epsilon."}} tags=["hide-input"]
losses = {name: paper_loss * factor for name, factor in factors.items()}
plots_sublevel.three_losses(1 - ks / dim, losses, thresholds, epsilon)
plt.show()

# %% [markdown]
# The factor $k/(D-k)$ is 1 at half sparsity, 1/9 at 0.9 and 1/99 at 0.99. So at 0.99 the paper's formula expects a hundred times the loss that the sharp one does, and the sparser the network, the further the two limits part.
#
# ## Two levers
#
# We moved one thing, the shape of the weights. What else moves the limit, and which way?
#
# :::{prf:proposition} Smaller or flatter means sparser (this project; exact)
# :label: prop-levers
# $k_\mathrm{paper}$ and $k_\mathrm{sharp}$ do not increase if any eigenvalue falls, if $R(k)$ falls at any $k$, or if $\epsilon$ grows.
# :::
#
# :::{prf:proof}
# $N_\mathrm{eff}(\sigma)$ increases with each $\lambda_i$ and decreases with $\sigma$, so at fixed $k$ the ridge $\sigma_k$ increases with each $\lambda_i$. Hence each $\ell(k)$ increases with $\lambda_i$ and $R(k)$, at every $k$, and the first $k$ at which it is at most $\epsilon$ cannot move down.
# :::
#
# The paper {cite}`zhang2024sparse` states the second lever through the trace of $H$, its *sharpness*, which bounds the fraction kept ({prf:ref}`lem-sharpness`, its Lemma 3.5); with $R(k)$ in it, the bound is a fixed point too. How much of the truth is in the trace? Halve it in two ways, once everywhere and once in the thirty outliers alone:

# %%
outliers = eigenvalues >= 0.5
share = eigenvalues.sum() / 2 / eigenvalues[outliers].sum()
fewer = np.where(
    outliers, (1 - share) * eigenvalues, eigenvalues
)  # half of the trace, too
halved = {"all curvatures halved": eigenvalues / 2, "outliers only": fewer}
for name, values in {"as it is": eigenvalues, **halved}.items():
    bound = limit.sharpness_bound(values.sum(), laplace, epsilon, dim)
    paper = limit.paper_limit(values, laplace, epsilon) / dim
    print(f"{name:22} Tr H = {values.sum():6.1f}   k/D = {paper:.4f} <= {bound:.4f}")

# %% [markdown]
# The bound cannot tell the two apart. The limit can: it falls from 0.162 to 0.127 if all curvatures are halved, and stays if the half is taken from the outliers alone, because they were a few dozen sharp directions before, and still are. The trace bounds the limit; the *bulk* sets it.
#
# ### Scale
#
# Halving weights and halving curvatures both help. By how much does one make up for the other?
#
# :::{prf:proposition} What the limits cannot see (this project; exact)
# :label: prop-scale
# The limits depend on weights, spectrum and budget only through $R(k)^2\lambda_i/\epsilon$. So they do not change under $w \to cw$, $H \to H/c^2$; and multiplying all weights by $c$ at an unchanged spectrum is the same as dividing $\epsilon$ by $c^2$.
# :::
#
# :::{prf:proof}
# Replace $\sigma$ by $\sigma/c^2$ in $N_\mathrm{eff}(\sigma)$ with eigenvalues $\lambda_i/c^2$: it is unchanged.
# :::

# %%
weights = networks["Laplace weights"]
for scale in (1, 2, 5):
    scaled = limit.distance_profile(scale * weights)
    both = limit.paper_limit(eigenvalues / scale**2, scaled, epsilon) / dim
    only = limit.paper_limit(eigenvalues, scaled, epsilon) / dim
    budget = limit.paper_limit(eigenvalues, laplace, epsilon / scale**2) / dim
    print(f"c = {scale}: both {both:.6f}, weights only {only:.6f},", end=" ")
    print(f"budget instead {budget:.6f}")

# %% [markdown]
# ## How sure?
#
# We can compute a limit, then. How far should one trust it? There are three kinds of doubt, and they do not mix.
#
# **The transition is not a step.** Given the width, the kinematics formula {cite}`amelunxen2014living` allows $\pm a_\eta\sqrt D$ in $k$ (chapter 4). For $D = 20\,000$ and $\eta = 0.01$ that is five points of sparsity (fewer once $R(k)$ answers: a larger $k$ is also nearer); for ten million weights, a fifth of a point.
#
# **The spectrum is estimated.** Chapter 5 gives $N_\mathrm{eff}$ between two curves. They pass through the equation in order:
#
# :::{prf:proposition} Brackets pass through (this project; exact)
# :label: prop-brackets
# If $N_- \le N_\mathrm{eff} \le N_+$ at every ridge, the limits from $N_-$, $N_\mathrm{eff}$ and $N_+$ are in the same order.
# :::
#
# :::{prf:proof}
# At fixed $k$, a larger $N$ gives a larger $\sigma_k$, hence a larger loss: as in {prf:ref}`prop-levers`.
# :::


# %%
def count_times(factor):
    return lambda ridge: min(dim, factor * dimension(ridge))


for formula in ("paper", "sharp"):
    given = laplace, epsilon, dim, formula
    larger, smaller = count_times(1.05), count_times(0.95)
    counts = larger, count_times(1.0), smaller
    found = [limit.solve_limit(count, *given).sparsity for count in counts]
    print(f"{formula:6} N 5 % larger, as it is, 5 % smaller:", end=" ")
    print(*(f"{s:.4f}" for s in found))

# %% [markdown]
# **The budget is a choice.** How much more loss is "as good"? The paper takes the standard deviation of the minibatch losses, which shrinks as the batch grows. Before you quote a limit, look at how it moves with $\epsilon$.
#
# :::{admonition} Predict
# :class: tip
# A budget ten times larger: how many points of sparsity by each formula? Is it the same number for every factor of ten?
# :::

# %% mystnb={"figure": {"caption": "Both limits of the made-up network against the budget. The band is the kinematic interval around the paper's limit at $\\eta = 0.01$.", "name": "fig-budgets"}, "image": {"alt": "Sparsity allowed by the paper's and the sharp formula against epsilon from 0.0001 to 1, logarithmic. Both rise; they cross at sparsity one half and the sharp one is higher beyond. A shaded band of the kinematic bounds surrounds the paper's line."}} tags=["hide-input", "hide-output"]
budgets = np.geomspace(1e-4, 1, 17)
curves = {
    "paper": [1 - limit.paper_limit(eigenvalues, laplace, e) / dim for e in budgets],
    "sharp": [1 - limit.sharp_limit(eigenvalues, laplace, e) / dim for e in budgets],
}
bounds = [
    limit.paper_interval(eigenvalues, laplace, e, confidence_eta=0.01) for e in budgets
]
band = ([1 - b.upper / dim for b in bounds], [1 - b.lower / dim for b in bounds])
xlabel = r"budget $\epsilon$ (units of the loss)"
plots_sublevel.sparsity_against(budgets, curves, xlabel, {"paper": band})
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# By the paper's formula 16 points for each of the first two factors of ten, then 13, then 8. By the sharp one 21, 22 and 14, and then 1.5, because from $\epsilon = 0.1$ on it allows nearly everything. Each step but that last one is larger than either of the other two doubts. A limit without its $\epsilon$ is therefore no statement.
# :::
#
# ## Two networks
#
# So far we made the lists up, and learned what moves a limit: the shape of the weights, the bulk of the spectrum, $\epsilon$. Now the lists are measured: a small network on 8 × 8 digits, and FC5 on Fashion-MNIST {cite}`xiao2017fashion`, both trained with an $\ell_1$ term. Chapter 7 tells how, and which commands made the two files.
#
# :::{admonition} Predict
# :class: tip
# Before a formula speaks: the small network reads 97.8 % of its test digits. Its smallest weights are set to zero, and nothing is trained again. At which sparsity are two points of accuracy gone? Your guess is kept in this browser, and stands beside the limits below.
# :::

# %% tags=["remove-input"]
from prunelimit import widgets

digits = Result.load("../book/results/digits-mlp.json")
widgets.WhereDoesAccuracyBreak(digits)

# %% [markdown]
# :::{dropdown} What came out
# At 0.796. Up to 0.70 the accuracy falls by four images of 360 at most, a point; at 0.95 it is 58 %.
# :::
#
# What do the formulas know of that? They get the two lists and an $\epsilon$:

# %%
reports = {}
for name in ("digits-mlp", "fashion-fc5"):
    reports[name] = Result.load(f"../book/results/{name}.json").prediction
for name, report in reports.items():
    trace, norm = report.spectrum.trace().value, report.distance(0)
    print(f"{name:12} D = {report.dim:9,}  Tr G = {trace:6.1f}", end="  ")
    print(f"||w*|| = {norm:5.2f}  epsilon = {report.epsilon:.4f}")

# %% [markdown]
# :::{admonition} Predict
# :class: tip
# FC5 has three hundred times as many weights. Where will its curve cross the diagonal, left or right of the small network's?
# :::

# %% mystnb={"figure": {"caption": "Two measured networks (curvature: Gauss\u2013Newton). Both axes are shares of all weights.", "name": "fig-two-networks"}, "image": {"alt": "The map from k/D to the effective dimension over D for the two measured networks. That of the digits network falls gently from 0.17 and crosses the diagonal at 0.11; that of FC5 starts at 0.02, falls at once and crosses at 0.007."}} tags=["hide-input", "hide-output"]
shares = np.geomspace(1e-3, 0.6, 60)
maps, crossings = {}, {}
for name, report in reports.items():
    ridges = [2 * report.epsilon / report.distance(s * report.dim) ** 2 for s in shares]
    maps[name] = [
        report.spectrum.effective_dimension(r).value / report.dim for r in ridges
    ]
    crossings[name] = report.paper.kept / report.dim
plots_sublevel.fixed_points(shares, maps, crossings, 1)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# Far to the left: FC5 keeps 0.7 % of its weights where the small network keeps 11 %. Its weights are three hundred times as many, its sharp directions only some twenty times: 11,400 against 520.
# :::
#
# The crossing with its bracket, for each formula, as a sparsity; and the bound that the trace alone gives:

# %%
table = {}
for name, report in reports.items():
    table[name] = {"Lemma 3.5: at least": f"{report.sharpness_bound:.4f}"}
    for formula in ("paper", "sharp"):
        found = getattr(report, formula)
        table[name][formula] = (
            f"{found.sparsity:.4f}  ({found.lower:.4f} to {found.upper:.4f})"
        )
pd.DataFrame(table)

# %% [markdown]
# Now move it.
#
# :::{admonition} Predict
# :class: tip
# Which of three changes moves the limits most: the weights halved, the curvature halved, or $\epsilon$ doubled?
# :::

# %% tags=["remove-input"]
widgets.TheLimit(digits)

# %% [markdown]
# :::{dropdown} What came out
# The weights. By {prf:ref}`prop-scale` only $R(k)^2\lambda_i/\epsilon$ counts: halving all curvatures and doubling $\epsilon$ are the same move, and halving all weights is that move twice.
# :::
#
# Compare the rows of the table. For the small network the trace alone promises a sparsity of 0.70, where the spectrum gives 0.89, because the curvature sits in few directions and the bound levels what is far from level. And the two formulas part on the same spectrum by six points, while the bracket of either is a fiftieth of a point wide.
#
# ## The ends
#
# Before trusting a formula in between, look at its edges, where the answer is known. It should say something sensible there, or say that it cannot.

# %%
flat = np.concatenate([eigenvalues[:10_000], np.zeros(10_000)])
ends = {
    "no curvature": (np.zeros(dim), laplace, epsilon),
    "budget 0, half of the directions flat": (flat, laplace, 0.0),
    "budget above the mean curvature": (eigenvalues, 12.0, 1.0),
    "equal curvatures, R fixed, budget below": (np.ones(dim), 12.0, 1.0),
}
for name, (values, distance, budget) in ends.items():
    of_ridge = partial(limit.effective_dimension, values)
    found = limit.solve_limit(of_ridge, distance, budget, dim, "sharp")
    print(f"{name:40} k = {found.kept:7.0f}  ({found.status})")

# %% [markdown]
# *Any* means that every $k$ will do, so the limit is 0; *none*, that no $k < D$ will. The last line shows the sharp model at its strangest: with equal curvatures a plane at distance $R$ pays the same whatever its dimension.
#
# We can now say how sparse a network may be, how sure the computation is, and which choices are in it. We cannot say which of the two formulas a network follows, because no equation knows that. Chapter 7 trains networks, cuts them, and lays the measurements beside both.

# %% [markdown]
# ## What this does *not* say
#
# - **Which formula is right for your network.** This chapter solves equations. Chapter 4 says which one answers the random-subspace model, chapter 7 compares both with measured networks, chapter 10 shows where both fail.
# - **That the bulk is known.** The limit hangs on curvatures near the ridge, the part of the spectrum that is hardest to estimate (chapter 5).
# - **That rescaling a layer is harmless.** {prf:ref}`prop-scale` is about one factor for *all* weights. Scaling one layer up and the next down leaves the function of a ReLU network as it is, and moves both limits.
# - **That the mask may look at $H$.** {prf:ref}`prop-magnitude` holds at a given spectrum and ridge; a mask that knows the curvature can do better on the loss itself.

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** All weights are multiplied by 2, and the spectrum stays as it is. For the limit this is the same as
#
# :::{dropdown} A. nothing: what matters is which weights are large, not how large.
#
# The *mask* stays as it is. The distance $R(k)$ doubles.
# :::
#
# :::{dropdown} B. half of the budget $\epsilon$.
#
# The distance enters squared, the budget does not.
# :::
#
# :::{dropdown} C. a quarter of the budget $\epsilon$.
#
# Right: {prf:ref}`prop-scale` with $c = 2$. So fewer weights can go.
# :::
#
# **2.** Thirty outliers among 20,000 curvatures make up more than half of $\operatorname{Tr} H$. All are lowered, so that the trace halves. What does $k_\mathrm{paper}$ do?
#
# :::{dropdown} A. It hardly changes.
#
# Right. Above the ridge a direction counts as about one, however large its curvature. The outliers were about thirty directions, and still are.
# :::
#
# :::{dropdown} B. It halves, as Lemma 3.5 says.
#
# The lemma bounds the limit by the trace. A bound that falls need not take the limit with it.
# :::
#
# :::{dropdown} C. It halves, as the network is half as sharp.
#
# If *every* curvature were halved, the limit would fall. Here the bulk is untouched, and the bulk sets it.
# :::
#
# **3.** Two groups report limits of 0.92 and 0.86 for one network, by one formula and with one policy. What do you ask first?
#
# :::{dropdown} A. Which random probes were drawn.
#
# Each group's bracket covers its probes, and brackets are seldom as wide as that.
# :::
#
# :::{dropdown} B. Which $\epsilon$, and so which batch size.
#
# Right. The default $\epsilon$ is a standard deviation over minibatches and falls as they grow; the limit falls with it, by points.
# :::
#
# :::{dropdown} C. How wide the kinematic transition is.
#
# Wide or narrow, it is the same for both and moves neither number.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise} Calculate: nothing to choose, nothing to distinguish
# :label: ex-limit-uniform
# Let all $|w_i| = a$ and all $\lambda_i = c$, and write $u = 2\epsilon/(cDa^2)$, $\rho = k/D$. Find $\rho_\mathrm{paper}$ and $\rho_\mathrm{sharp}$. What do they say at $u = 0.1$?
# :::
#
# :::{solution} ex-limit-uniform
# :class: dropdown
# $R^2 = (1-\rho)Da^2$ and $N_\mathrm{eff}(\sigma) = Dc/(c+\sigma)$. Paper: $\rho = \frac{1-\rho}{1-\rho+u}$, so $\rho^2 - (2+u)\rho + 1 = 0$ and $\rho_\mathrm{paper} = \frac{2+u-\sqrt{u^2+4u}}{2}$.
# Sharp: the loss is $\tfrac12 cR^2$ at every $k$, so $(1-\rho)cDa^2/2 = \epsilon$ and $\rho_\mathrm{sharp} = 1-u$.
# At $u = 0.1$: 0.730 and 0.900. Here the paper promises more sparsity than the model allows: $k > D/2$.
# :::
#
# :::{exercise} Code: the price of a sparsity
# :label: ex-limit-price
# Turn the question round: for the made-up network with Laplace weights, which $\epsilon$ does each formula ask for at sparsity 0.9, 0.95 and 0.99? Use `limit.ridge_at` and no solver.
# :::
#
# :::{solution} ex-limit-price
# :class: dropdown
# ```python
# for s in (0.9, 0.95, 0.99):
#     k = dim * (1 - s)
#     paper = 0.5 * laplace(k) ** 2 * limit.ridge_at(eigenvalues, k)
#     print(s, paper, paper * k / (dim - k), limit.sharp_loss(eigenvalues, laplace, k))
# ```
# The last two agree. The sharp price is $1/9$, $1/19$ and $1/99$ of the paper's.
# :::
#
# :::{exercise} Criticise: a limit with three digits
# :label: ex-limit-criticise
# "Predicted limit $0.871 \pm 0.001$ (three seeds of the Lanczos probe), with $\epsilon$ the standard deviation of the minibatch losses." Name three things that the $\pm 0.001$ does not contain.
# :::
#
# :::{solution} ex-limit-criticise
# :class: dropdown
# (1) $\epsilon$: it depends on the batch size, which is not even stated; halving it can move the limit by a point. (2) The bias of the iteration: three probes stopped at the same depth share it, and only a bracket shows it (chapter 5). (3) The formula: the width is a heuristic, and $k_\mathrm{sharp}$ from the same spectrum may be several points away. Also the kinematic $\pm a_\eta\sqrt D$, the examples that $H$ was taken from, and the training seed.
# :::
#
# ## Sources
#
# :::{bibliography}
# :filter: docname in docnames
# :::
