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
# # Hessian spectra
#
# **After this chapter you can**
#
# - say why the limit needs one function of the spectrum, not a picture of it;
# - compute that function from a few matrix-vector products, with a lower and an upper bound;
# - tell the two errors apart: too few products, too few probes;
# - say what negative curvature and a subsample of the data do to the answer, and by how much.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You need chapter 4, eigenvalues, and a little PyTorch.*

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

from prunelimit import plots, spectrum
from prunelimit.plots import spectrum as plots_spectrum
from prunelimit.spectrum.quadrature import gauss, gauss_radau

plots.use_style()

# %% [markdown]
# ## One function of the spectrum
#
# Chapter 4 left one question to the network: how many directions curve more than a ridge $\sigma$?
#
# $$\begin{gathered} N_\mathrm{eff}(\sigma) = \sum_{i=1}^D \frac{\lambda_i}{\lambda_i+\sigma} = D - \operatorname{Tr} f(H), \\ f(\lambda) = \frac{\sigma}{\lambda+\sigma}. \end{gathered}$$
#
# That count decides both limits, and only the network can tell it. FC5, a network of chapter 7, has 1.6 million weights, so its $H$ would fill twenty terabytes. But we can multiply $H$ by a vector without writing it down: $Hv$ costs about as much as a few gradients {cite}`pearlmutter1994fast`.
# This chapter gets $N_\mathrm{eff}$ from dozens of such products. A trace is the mean of $z^\top f(H) z$ over random vectors $z$, so there are two questions: what do products say about one $z$, and how many $z$ does it take?
#
# ### Two weights by hand
#
# Let $H = \begin{pmatrix} 2 & 1 \\ 1 & 2\end{pmatrix}$, with eigenvalues $1$ and $3$, and $\sigma = 1$: $N_\mathrm{eff} = \tfrac12 + \tfrac34 = 1.25$.
# Now pretend that we do not know $H$ and may multiply only once. Take $z = (1, 0)$: $Hz = (2, 1)$.
#
# - The part along $z$ is $\alpha = 2$, the length of the rest is $\beta = 1$.
# - *Lower bound.* $f$ is convex, so by Jensen $z^\top f(H) z \ge f(\alpha) = \tfrac13$.
# - *Upper bound.* Put one node at $0$, where $f$ is largest, and a second so that the first two moments are right: nodes $0$ and $\tfrac52$, weights $\tfrac15$ and $\tfrac45$, so
#   $z^\top f(H) z \le \tfrac15 f(0) + \tfrac45 f(\tfrac52) = \tfrac37$.
#
# The truth is $\tfrac12 f(1) + \tfrac12 f(3) = \tfrac38$, because half of $z$ lies along each eigenvector. One product puts it between 0.333 and 0.429:

# %%
alphas, betas = np.array([2.0]), np.array([1.0])
for rule in (gauss(alphas, betas), gauss_radau(alphas, betas, node=0.0)):
    nodes, weights = rule
    print(f"nodes {nodes}, weights {weights}: {weights @ (1 / (nodes + 1)):.4f}")

# %% [markdown]
# The rest of the chapter is this, with more weights, and with more products, so that the bounds close.
#
# ## A network small enough to know everything
#
# A small network on $8\times 8$ digits has so few weights, 1,184, that we can afford all eigenvalues, and check every claim.

# %%
inputs, targets = load_digits(return_X_y=True)
inputs = torch.tensor(inputs[:900] / 16.0, dtype=torch.float32)
targets = torch.tensor(targets[:900])
loss_fn = torch.nn.functional.cross_entropy

# %%
torch.manual_seed(0)
layers = torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
model = torch.nn.Sequential(*layers)
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(60):
    optimiser.zero_grad()
    loss = loss_fn(model(inputs), targets)
    loss.backward()
    optimiser.step()

# %% tags=["within-2%"]
data = [(inputs, targets)]
exact = spectrum.hessian_spectrum(model, loss_fn, data, policy="abs")
signed = np.array(exact.eigenvalues)
mean_curvature = np.abs(signed).mean()
print(f"loss {loss.item():.3f}, D = {exact.dim}, exact: {exact.exact}")
print(f"largest {signed.max():.2f}, mean |λ| {mean_curvature:.4f},", end=" ")
print(f"smallest {signed.min():.4f}")

# %% [markdown]
# Below 6,000 weights `hessian_spectrum` builds the matrix and diagonalises it in double precision. Only the weights of linear layers count, as in the mask.
#
# The mean, 0.02, will be our ridge $\sigma$.
#
# ## Why a histogram lies near zero
#
# The obvious way to a count is to draw the spectrum and look.
#
# :::{admonition} Predict
# :class: tip
# The largest curvature is nearly two hundred times the mean. If you draw a histogram with 60 bins, in how many of them will the directions lie that decide about pruning?
# :::

# %% mystnb={"figure": {"caption": "All 1,184 curvatures of a small network, as a histogram and by rank. The ridge is marked.", "name": "fig-histogram"}, "image": {"alt": "Above: histogram of the curvatures with 60 linear bins and a logarithmic count; almost all directions lie in the one bin at zero. Below: the same curvatures by rank on logarithmic axes; after a step behind the ninth they fall smoothly over many powers of ten, through the ridge, and a smaller branch is negative."}} tags=["hide-input", "hide-output"]
ridge = mean_curvature
plots_spectrum.spectrum_views(signed, ridge)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# In one. The bin at zero is 0.064 wide, three times the ridge. It holds 1,152 of the 1,184 directions, among them 31 of the 63 that curve more than the ridge.
# :::
#
# By rank, on logarithmic axes, there is a step after the ninth, far above the ridge. Behind it they fall smoothly, and nothing marks where sharp ends and flat begins.
# What is $N_\mathrm{eff}$ if each direction is moved to the middle of its bin, or smeared by a Gaussian kernel, as density plots do {cite}`ghorbani2019investigation`?

# %% tags=["within-2%"]
size = np.abs(signed)
counts, edges = np.histogram(size, bins=60)
middles = (edges[1:] + edges[:-1]) / 2
noise = np.random.default_rng(0).normal(0, 0.02 * size.max(), (50, size.size))
for name, values, weight in (
    ("all eigenvalues", size, 1.0),
    ("middles of 60 bins", middles, counts),
    ("smeared by 2 % of the range", np.abs(size + noise), 1 / 50),
):
    kept = np.sum(weight * values / (values + ridge))
    print(f"{name:28} N_eff/D = {kept / exact.dim:.3f}")

# %% [markdown]
# Nine directions of a hundred count. Smeared, it would be more than sixty, because a flat direction that is moved by half a bin is moved above the ridge. So we draw no density and integrate $f$ itself, as by hand.
#
# ## From products to nodes
#
# :::{prf:definition} Spectral measure
# :label: def-spectral-measure
# The spectral measure of a unit vector $q$ puts the weight $(u_i^\top q)^2$ on each eigenvalue $\lambda_i$ (eigenvector $u_i$), so that $q^\top f(H) q = \int f\,d\mu_q$.
# :::
#
# By hand it was $\tfrac12$ on each of 1 and 3, and one product showed its mean, $\alpha = 2$, and its spread, $\beta = 1$. More products show more. Lanczos' iteration multiplies $q$, then the part of the product that is new, and so on. After $m$ products it has an orthonormal basis of the *Krylov space* $q, Hq, \dots, H^{m-1}q$,
# in which $H$ is a tridiagonal matrix $T_m$.
#
# :::{prf:theorem} Lanczos is Gauss quadrature (exact)
# :label: thm-lanczos-gauss
# The eigenvalues $\theta_j$ of $T_m$, with weights $\tau_j^2$ (squared first components of its eigenvectors), form the $m$-point Gauss rule of $\mu_q$: it integrates every polynomial of degree up to $2m-1$ exactly.
# Source: {cite}`golub2010matrices`.
# :::
#
# So a few dozen nodes stand for millions of eigenvalues. With a random start, averaging over starts, this is *stochastic Lanczos quadrature* {cite}`ubaru2017fast`. The start is a vector of random signs, for then $\mathbb{E}\, z^\top f(H) z = \operatorname{Tr} f(H)$.

# %%
operator = spectrum.CurvatureOperator(
    model, loss_fn, data, kind="ggn", dtype=torch.float64
)
matrix = operator.dense()
curvatures = np.maximum(torch.linalg.eigvalsh(matrix).numpy(), 0)


# %%
def krylov(products, seed=0, matrix=matrix):
    basis = spectrum.basis.Basis(len(matrix), torch.float64)
    space = spectrum.KrylovSpace(basis, torch.float64)
    space.add_start(spectrum.search.rademacher(len(matrix), seed, 0))
    while space.products < products and not space.exhausted:
        space.grow(lambda vectors: matrix @ vectors)
    return space


# %% [markdown]
# We use the *generalised Gauss–Newton matrix* $\frac1N\sum_n J_n^\top H_n J_n$ for now: the network is linearised, the loss is not {cite}`schraudolph2002fast`. For a loss that is convex in the outputs, as cross-entropy is, it has no negative eigenvalue. Here are its nodes for 8 and 32 products:

# %% mystnb={"figure": {"caption": "Share of directions above a curvature: all eigenvalues of the Gauss\u2013Newton matrix, and the nodes of 8 and 32 products.", "name": "fig-nodes"}, "image": {"alt": "Share of directions above a curvature: a smooth curve of all eigenvalues, and two staircases of 8 and 32 nodes that follow it. The staircases are finest at large curvature and coarse below the ridge."}} tags=["hide-input"]
rules = {}
for products in (8, 32):
    coefficients = krylov(products).coefficients()
    rules[f"{products} products"] = gauss(
        np.diag(coefficients), np.diag(coefficients, -1)
    )
plots_spectrum.nodes_view(curvatures, rules, ridge)
plt.show()

# %% [markdown]
# The nodes are also called **Ritz values**. In exact arithmetic each new vector of the iteration is orthogonal to all before it; with rounding it has to be made so, which is called **reorthogonalisation**. Without it an eigenvector that was found already comes back, and with it a second copy of its Ritz value, a **ghost**. Step through it yourself, on a spectrum that you choose.
#
# :::{admonition} Predict
# :class: tip
# Which node settles first? And what changes when you switch reorthogonalisation off?
# :::

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.Lanczos()

# %% [markdown]
# :::{dropdown} What came out
# The one at the largest curvature; then the others, one by one from the outside. Without reorthogonalisation ghosts appear beside the nodes that settled first.
# :::
#
# The many flat directions share a few nodes. Whether that is good enough depends on $\sigma$, and we need not guess: as by hand, the nodes give a bound from below, and with one more at 0 a bound from above.
#
# ## How the bracket closes
#
# :::{prf:theorem} Gauss below, Gauss–Radau above (exact)
# :label: thm-bracket
# Let $H$ be positive semi-definite. For every $\sigma>0$ and every $m$, the Gauss rule gives a lower, and the Gauss–Radau rule with a node at $0$ an upper bound of $z^\top f(H)z$, $f(\lambda) = \sigma/(\lambda+\sigma)$. Both are monotone in $m$.
# Source: {cite}`golub2010matrices`.
# :::
#
# :::{prf:proof}
# *Idea.* The error of Gauss' rule is $f^{(2m)}(\xi)$ times a positive number, that of Gauss–Radau is $f^{(2m+1)}(\xi)$ times a positive number (the node is at the left end). The derivatives of $f$ alternate in sign: the even ones are positive, the odd ones negative.
# :::
#
# The same $T_m$ serves *every* ridge, so a new $\epsilon$ or $R$ needs no new products.
#
# :::{admonition} Predict
# :class: tip
# Of the ridges $0.1$, $1$ and $10$ times the mean curvature, which bracket closes first?
# :::

# %% mystnb={"figure": {"caption": "Lower and upper bound of one probe's quadratic form against the number of products, for three ridges.", "name": "fig-closing"}, "image": {"alt": "Three panels, ridges 0.1, 1 and 10 times the mean curvature: upper and lower ends of the bracket against products, closing on the dashed truth. The largest ridge closes within 8 products, the smallest needs about 24."}} tags=["hide-input", "hide-output"]
products = [2, 3, 4, 6, 8, 12, 16, 24, 32]
probe = spectrum.search.rademacher(len(matrix), 0, 0).double().numpy()
squares = (torch.linalg.eigh(matrix)[1].numpy().T @ probe) ** 2
found = [spectrum.spectrum_of_space(krylov(m), "ggn", exact.dim) for m in products]
panels = {}
for factor in (0.1, 1, 10):
    kept = squares @ (curvatures / (curvatures + factor * ridge))
    brackets = [s.quadrature_bracket(factor * ridge) for s in found]
    panels[f"σ = {factor} × mean"] = (brackets, kept)
plots_spectrum.closing_brackets(products, panels, r"$z^\top (I - f(H)) z$")
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# The larger the ridge, the sooner: at ten times the mean within 8 products, at a tenth of it after about 24.
# :::
#
# So a fixed number of products is too many for one ridge and too few for another. To stop when the value settles is unsafe, since it can rest before it moves again. The bracket says when to stop.
#
# ## One random vector for a whole trace
#
# That answers the first question, for *one* probe $z$. How far is it from the trace?
#
# :::{prf:proposition} Error of a probe (exact)
# :label: prop-probe
# For random signs $z$ and every $c$: $\operatorname{Var}(z^\top f(H) z) \le 2\lVert f(H) - cI\rVert_F^2$; hence
# $\operatorname{Var} \le 2 D\, v$, with $v$ the variance of $f(\lambda_i)$ over the spectrum.
# :::
#
# :::{prf:proof}
# $z^\top A z - \operatorname{Tr} A = \sum_{i\ne j} A_{ij}z_iz_j$ has variance $2\sum_{i \neq j} A_{ij}^2 \le 2\lVert A\rVert_F^2$. Replacing $A$ by $A - cI$ leaves the left side as it is; the best $c$ is the mean of the $f(\lambda_i)$.
# :::
#
# The same nodes estimate $v$, so one probe knows its own error. As a share of $D$ it falls like $1/\sqrt{D}$: one probe is plenty for a million weights, and poor for a thousand, as we have. Twenty probes, one at a time:

# %% tags=["within-2%"]
truth = np.sum(curvatures / (curvatures + ridge))
hits = 0
for seed in range(20):
    one = spectrum.spectrum_of_space(krylov(64, seed), "ggn", exact.dim)
    interval = one.effective_dimension(ridge)
    hits += truth in interval
    if seed < 3:
        print(f"{truth:.1f} in [{interval.lower:.1f}, {interval.upper:.1f}]?")
print(f"{hits} of 20 intervals hold (99 % intended)")

# %% [markdown]
# The intervals are right and too wide to be of use. So add probes. They share one growing Krylov space, so that each profits from what the others found. And a *converged* eigenvector need not be sampled any more: in the trace it counts exactly once, so its random weight $(u_i^\top z)^2$ is replaced by $1$.
#
# ### Stop when sure
#
# `hessian_spectrum` does all this: deeper while the quadrature's bracket is wide, more probes while their error is, until the answer is known to the tolerance. Above 6,000 weights it starts by itself; here we ask for it.

# %% tags=["within-2%"]
for tolerance in (0.05, 0.02, 0.01):
    sure = spectrum.hessian_spectrum(
        model, loss_fn, data, method="lanczos", ridges=[ridge], tolerance=tolerance
    )
    interval = sure.effective_dimension(ridge)
    print(
        f"±{tolerance}: {sure.products:4.0f} products, {sure.probes:2d} probes, "
        f"N_eff/D in [{interval.lower / sure.dim:.3f}, {interval.upper / sure.dim:.3f}]"
    )
print(f"truth {truth / exact.dim:.3f}")

# %% [markdown]
# Twelve probes and 44 products know the count to a hundredth of $D$. But this matrix has no negative eigenvalue.
#
# ## Negative curvature
#
# The Gauss–Newton matrix has no negative eigenvalue because cross-entropy is convex in the outputs; for a loss that is not, it may have some. The full Hessian has negative eigenvalues in any case, even after training. Three policies are in use, and they are different questions:
#
# - `abs`: $|\lambda_i|$ instead of $\lambda_i$, the paper's choice {cite}`zhang2024sparse`: negative curvature counts as if it held the weights in place;
# - `clip`: negative curvature counts as flat;
# - `ggn`: the Gauss–Newton matrix instead, our default.
#
# :::{admonition} Predict
# :class: tip
# Which one gives the largest $N_\mathrm{eff}$, that is, allows the least pruning?
# :::

# %% tags=["within-2%", "hide-output"]
print(f"negative share of the curvature: {exact.negative_share():.1%}")
for name, values in (
    ("abs", np.abs(signed)),
    ("clip", np.maximum(signed, 0)),
    ("ggn", curvatures),
):
    print(f"{name:5} N_eff/D = {np.sum(values / (values + ridge)) / exact.dim:.3f}")

# %% [markdown]
# :::{dropdown} What came out
# `abs`, because it counts every negative curvature as a positive one: 0.090, against 0.077 (`clip`) and 0.066 (`ggn`).
# :::
#
# They can differ by points of sparsity, so every result in this book names its policy. And {prf:ref}`thm-bracket` does not cover the first two: $f(|\lambda|)$ has a kink at $0$. Another bracket does.
#
# :::{prf:theorem} A bracket for indefinite matrices (exact; the form is this project's)
# :label: thm-folded
# After $m$ products let $HV = UC$, with $U$ the $m+1$ Lanczos vectors, $V$ the first $m$, $z = Va$ and $T = V^\top H V$. Let $s_i$, $q_i$ be the singular values and right singular vectors of $C$, $\alpha_i = q_i^\top a$ and $\tau_i = q_i^\top T a$. Then
#
# $$\begin{aligned} \sum_i \frac{\tau_i^2}{s_i(s_i+\sigma)} &\;\le\; z^\top |H|\,(|H|+\sigma)^{-1} z \\ &\;\le\; \sum_i \frac{\alpha_i^2\, s_i}{s_i + \sigma}. \end{aligned}$$
# :::
#
# :::{prf:proof}
# $C^\top C = V^\top H^2 V$. The inverse is operator convex, so for every $t>0$: $y^\top (H^2+t)^{-1} y$ $\ge y^\top V (C^\top C + t)^{-1} V^\top y$. Take $y = z$, then $y = Hz$, with $V^\top H z = Ta$.
# As $t\,z^\top(H^2+t)^{-1}z$ $+ (Hz)^\top(H^2+t)^{-1}Hz = z^\top z$, the two give a lower and an upper bound of the first term. Finally $1/(\sqrt x + \sigma)$ is a positive mixture of functions $1/(x+t)$ (a Stieltjes function), and mixing keeps inequalities. Put $x = \lambda^2$.
# :::
#
# For `clip` add $z^\top H(|H|+\sigma)^{-1}z$, bracketed by Cauchy–Schwarz, and halve: $\max(\lambda,0) = (|\lambda| + \lambda)/2$. Does it close?

# %% mystnb={"figure": {"caption": "The same bounds for three policies, at the mean curvature.", "name": "fig-policies"}, "image": {"alt": "Three panels at the mean curvature: the brackets for the policies ggn, abs and clip against products. All close on the dashed truth; abs and clip need several times as many products as ggn."}} tags=["hide-input"]
full = spectrum.CurvatureOperator(
    model, loss_fn, data, "hessian", dtype=torch.float64
).dense()
products, panels = [4, 8, 16, 32, 48, 64, 96], {}
for policy, chosen in (("ggn", matrix), ("abs", full), ("clip", full)):
    spaces = [krylov(m, matrix=chosen) for m in products]
    found = [spectrum.spectrum_of_space(space, policy, exact.dim) for space in spaces]
    values, vectors = (part.numpy() for part in torch.linalg.eigh(chosen))
    size = np.abs(values) if policy == "abs" else np.maximum(values, 0)
    kept = (vectors.T @ probe) ** 2 @ (size / (size + ridge))
    panels[policy] = ([s.quadrature_bracket(ridge) for s in found], kept)
plots_spectrum.closing_brackets(products, panels, r"$z^\top (I - f(H)) z$")
plt.show()

# %% [markdown]
# It does, but later: near a kink a polynomial needs a degree of about $\lambda_{\max}/\sigma$, near a smooth end about $\sqrt{\lambda_{\max}/\sigma}$. That is one reason why `ggn` is the default.
#
# :::{dropdown} For the curious: curvature that single precision cannot see
# An example whose class has probability $p$ curves the loss by $p(1-p)$, and a trained network is sure of most examples. In single precision $1-p$ is what two numbers near 1 leave of each other: nothing, once the right class leads by 18 in the logits (next cell). So the package does the loss's own curvature in double precision.
# :::

# %% tags=["within-2%", "hide-cell"]
for lead in (4.0, 12.0, 16.0, 18.0):
    logits = torch.tensor([lead, 0.0])
    p, single = logits.double().softmax(0)[0], logits.softmax(0)[0]
    print(f"lead {lead:2.0f}: {p * (1 - p):.3e},", end=" ")
    print(f"in single precision {single * (1 - single):.3e}")

# %% [markdown]
# ## What a subsample does
#
# The matrix is a mean over examples. A product with all of them is dear, so one is tempted to take a part. No bracket warns of that, because it is about the matrix that it is given.
#
# :::{prf:proposition} The data cap the rank (exact)
# :label: prop-rank
# For $N$ examples and $c$ classes with cross-entropy the Gauss–Newton matrix has rank at most $N(c-1)$, and $N_\mathrm{eff}(\sigma) \le N(c-1)$ for every $\sigma$.
# :::
#
# :::{prf:proof}
# Each example adds $J_n^\top H_nJ_n$, and the $c\times c$ matrix $H_n = \operatorname{diag}(p) - pp^\top$ has $(1,\dots,1)$ in its kernel.
# :::
#
# Few examples make flat directions that are not there.
#
# :::{admonition} Predict
# :class: tip
# Here $D \approx 1{,}200$ and $c = 10$. From which $N$ on will the answer stay?
# :::

# %% mystnb={"figure": {"caption": "Effective dimension against the number of examples that the matrix is taken from, with the cap on its rank.", "name": "fig-examples"}, "image": {"alt": "Effective dimension against the number of examples from 2 to 900 on a logarithmic axis. It is pressed down by the dashed cap for 2 and 5 examples, rises steadily, and is still rising slowly at 900. Stars for the extrapolated values lie higher than the points they start from."}} tags=["hide-input", "hide-output"]
sizes, answers, further = [2, 5, 10, 30, 100, 225, 450, 900], [], {}
for count in sizes:
    part = spectrum.subsample(data, count, seed=1)
    part = spectrum.CurvatureOperator(model, loss_fn, part, dtype=torch.float64).dense()
    found = np.maximum(torch.linalg.eigvalsh(part).numpy(), 0)
    answers.append(np.sum(found / (found + ridge)))
for few, many, before, after in zip(
    sizes[5:], sizes[6:], answers[5:], answers[6:], strict=False
):
    further[many] = after + (after - before) * few / (many - few)
caps = np.minimum(9 * np.array(sizes), exact.dim)
plots_spectrum.against_examples(sizes, answers, caps, further)
plt.show()

# %% [markdown]
# :::{dropdown} What came out
# From none of these. The cap $9N$ soon lies far above, and yet at 900 examples the answer has not settled.
# :::
#
# So state the $N$ you used, look at half of it as well (`spectrum.data_budget` does), and treat an extrapolation in $1/N$ as **heuristic**.
#
# The bound of {prf:ref}`lem-sharpness` asks for the trace alone, which is easier. A good estimator uses a low-rank sketch for the outliers {cite}`epperly2024xtrace`:

# %% tags=["within-2%"]
for method in ("hutchinson", "hutch++", "xtrace"):
    estimate = spectrum.estimate_trace(operator, products=30, method=method, seed=1)
    print(f"{method:10} {estimate.value:7.3f} ± {estimate.stderr:.3f}")
print(f"truth      {curvatures.sum():7.3f}")

# %% [markdown]
# So the count that chapter 4 asked for comes from a few dozen products, with two bounds, for a stated policy and stated data. Chapter 6 puts it together with the weights.

# %% [markdown]
# ## Check yourself
#
# Choose an answer, then open it.
#
# **1.** Why do we not read $N_\mathrm{eff}(\sigma)$ off a density plot?
#
# :::{dropdown} A. A plot hides the few large outliers.
#
# It shows them well. And a few directions hardly change a count of thousands.
# :::
#
# :::{dropdown} B. Its bins, or its kernel, are wider than the ridge.
#
# Right. Directions that curve much less than $\sigma$ and much more are moved to one place, just where the count decides.
# :::
#
# :::{dropdown} C. It needs all eigenvalues, which nobody has.
#
# Lanczos' nodes would do for a plot. What harms is the smearing, and it harms with all eigenvalues known.
# :::
#
# **2.** After 40 products with one probe the bracket has closed. What is known?
#
# :::{dropdown} A. The trace, to the width of the bracket.
#
# The bracket is about one probe's quadratic form. The step to the trace has an error of its own, which more products do not lower.
# :::
#
# :::{dropdown} B. Nothing, until the value has rested for some more products.
#
# A bound holds at every $m$. It is the resting value that may move again.
# :::
#
# :::{dropdown} C. $z^\top f(H) z$, for this $z$ and this matrix.
#
# Right: {prf:ref}`thm-bracket`. For the trace add {prf:ref}`prop-probe`, and for the network the question which data made $H$.
# :::
#
# **3.** The Gauss–Newton matrix of $10^5$ weights is taken from 500 examples of 10 classes. Then $N_\mathrm{eff}$ is
#
# :::{dropdown} A. at most 4,500, whatever the network.
#
# Right: {prf:ref}`prop-rank`. The other directions are flat because nobody asked about them.
# :::
#
# :::{dropdown} B. about right, since a random part of the data is unbiased.
#
# The *matrix* is unbiased. $N_\mathrm{eff}$ is not linear in it, and comes out too small.
# :::
#
# :::{dropdown} C. too large, as fewer examples mean more noise.
#
# Fewer examples mean fewer terms in the sum, and less rank.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise} Another ridge by hand
# :label: ex-spectra-hand
# In the example with two weights keep $\alpha = 2$, $\beta = 1$ and take $\sigma = 3$. Give both bounds of $z^\top f(H)z$ and the truth. Why is the bracket narrower than at $\sigma = 1$?
# :::
#
# :::{solution} ex-spectra-hand
# :class: dropdown
# Lower $f(2) = \tfrac35 = 0.6$; upper $\tfrac15 + \tfrac45\cdot\tfrac{3}{5.5} = 0.6364$; truth $\tfrac12\cdot\tfrac34 + \tfrac12\cdot\tfrac12 = 0.625$. At a larger ridge $f$ bends less over the spectrum, so two moments pin it down better.
# :::
#
# :::{exercise} Ghosts
# :label: ex-spectra-ghosts
# Write Lanczos' iteration with its three-term recurrence only, in `float32`, for `matrix` and 200 products. Compare the largest Ritz values with the largest eigenvalues. Which appear more than once, and what becomes of the Gauss weights?
# :::
#
# :::{solution} ex-spectra-ghosts
# :class: dropdown
# The largest, as they converge first. The copies share the weight of the original, so sums over nodes stay reasonable, but products are wasted. Orthogonalising each vector against all before it, twice, costs $4mD$ operations a step and removes them.
#
# ```python
# q, last, beta = torch.from_numpy(probe).float(), 0.0, 0.0
# q, small, alphas, betas = q / q.norm(), matrix.float(), [], []
# for _ in range(200):
#     w = small @ q - beta * last
#     alphas.append(float(w @ q))
#     w = w - alphas[-1] * q
#     beta = float(w.norm())
#     betas.append(beta)
#     last, q = q, w / beta
# print(gauss(np.array(alphas), np.array(betas))[0][-12:], curvatures[-6:])
# ```
# :::
#
# :::{exercise} Read a figure
# :label: ex-spectra-criticise
# A paper shows the density of a Hessian from one probe and 80 products of a 1,000-example subsample, smeared with a kernel as wide as 1 % of the range, for $D = 10^7$ and 10 classes. It concludes: "99.9 % of the directions are flat, so 99.9 % of the weights can go." Name four objections.
# :::
#
# :::{solution} ex-spectra-criticise
# :class: dropdown
# (1) Rank: $N(c-1) = 9{,}000$, which is 0.09 % of $D$; the subsample would show 99.9 % flat directions for *any* network. (2) Smearing: the kernel is far wider than any ridge of interest. (3) Depth: is 80 enough? No bracket is given. (4) "Flat" needs a ridge, which depends on $\epsilon$ and $R$; and a flat direction is not a weight: directions are mixtures of weights. The one probe is not an objection at this $D$.
# :::
#
# ## What this does *not* say
#
# - The bracket is about the matrix that was given: this loss, these data, this point. It says nothing about the curvature further away (chapters 6 and 10).
# - Its ends are bounds for the probes' forms, in exact arithmetic; the step from probes to the trace is a 99 % statement, with normal quantiles (**asymptotic**) and an estimated variance.
# - The Gauss–Newton matrix is not the Hessian. Where training has not converged they differ.
# - $N_\mathrm{eff}$ counts directions. That it decides about *weights* is the model of chapter 4, and needs an experiment (chapter 7).
#
# ## Sources
#
# Named where they are used; also {cite}`papyan2020traces` for networks' spectra and {cite}`meyer2021hutchpp` for traces. The bracket for indefinite matrices, shared Krylov spaces with deflation, and the stopping rule were worked out for this project.
