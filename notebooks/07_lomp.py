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
# # LOMP experiments
#
# **After this chapter you can**
#
# - train a network the way the paper does, and say what the $\ell_1$ term changes and why that helps;
# - prune it once, globally, by magnitude, with an exact count, and measure loss and accuracy at a thousand sparsities;
# - read a figure with four curves and two predicted limits without mixing up which question each answers;
# - name the choices of the experiment that move the answer: $\epsilon$, the batch size, the schedule, the fine-tuning budget.
#
# *Reading: 35 minutes. Exercises: 45 minutes. You need chapters 4 to 6.*

# %%
import tempfile
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

# %%
import prunelimit as pl
from prunelimit import limit, plots, pruning
from prunelimit.lab import tasks, training
from prunelimit.network import losses
from prunelimit.network.parameters import prunable_parameters, prunable_weights
from prunelimit.results import Result

plots.use_style()

# %% [markdown]
# ## The recipe
#
# Chapter 6 ended with two formulas that part on one spectrum, and no equation can choose between them. So this chapter trains networks and cuts them, in the paper's own way. LOMP ({cite}`zhang2024sparse`) is two steps: minimise $L(w) + \lambda \lVert w \rVert_1$, then set the smallest weights of the
# whole network to zero, once. The survivors are not touched. (The letter $\lambda$ alone is the weight of the penalty; with an index, $\lambda_i$, it is a curvature, an eigenvalue of $H$.)
#
# ### Two weights by hand
#
# Let the loss be $L(w) = \tfrac12 (w_1 - 1)^2 + \tfrac12 (w_2 - 0.3)^2$ and $\lambda = 0.2$. The two weights do not interact, so each is on its own:
# the derivative $w_i - a_i + \lambda \operatorname{sign} w_i$ vanishes at $w_1 = 0.8$ and $w_2 = 0.1$.
# Without the term, removing $w_2$ costs $\tfrac12 \cdot 0.3^2 = 0.045$. With it, $w_2$ is already at $0.1$, and from there removing it
# raises the *data* loss only by $\tfrac12(0.3^2 - 0.2^2) = 0.025$. At $\lambda \ge 0.3$ it is free: training has removed the weight itself.
#
# :::{prf:proposition} Soft thresholding (exact)
# :label: prop-soft-threshold
# If $L(w) = \tfrac12 \sum_i \lambda_i (w_i - a_i)^2$ with $\lambda_i > 0$, the minimiser of $L + \lambda\lVert w\rVert_1$ is
# $w_i = \operatorname{sign}(a_i)\, \max(|a_i| - \lambda/\lambda_i,\, 0)$. **Exact.** (Standard; proof: each term is convex in one variable,
# and the formula is where its subgradient contains 0.)
# :::
#
# Two things follow. Weights shrink, therefore $R(k)$ does. And a weight shrinks by $\lambda/\lambda_i$: *flat* directions are emptied first,
# the very ones whose removal is cheap. In a network the directions of $H$ are not the coordinates, so this is a guide and no theorem (**heuristic**).

# %% mystnb={"figure": {"caption": "The penalised minimiser against the unpenalised one, for three curvatures.", "name": "fig-soft"}, "image": {"alt": "The minimiser w against a, for three curvatures. Infinite curvature gives the line w = a; curvatures 1 and 0.4 give curves that are zero while a is smaller than 0.2 and 0.5, and then rise with slope one."}} tags=["hide-input"]
a = np.linspace(-1, 1, 201)
for curvature, marker in ((np.inf, "o"), (1.0, "s"), (0.4, "^")):
    shrunk = np.sign(a) * np.maximum(np.abs(a) - 0.2 / curvature, 0)
    label = (
        r"$\lambda_i = \infty$"
        if np.isinf(curvature)
        else rf"$\lambda_i = {curvature}$"
    )
    plt.plot(a, shrunk, marker=marker, markevery=25, label=label)
plt.xticks([-1, -0.5, 0, 0.5, 1])
plt.xlabel("minimiser without penalty $a_i$")
plt.ylabel(r"minimiser $w_i$ at $\lambda = 0.2$")
plt.legend(title="curvature")
plt.show()

# %% [markdown]
# ## Training
#
# A task holds everything that has to be fixed. This one is embedded: 8 × 8 digits, a small network, seconds.

# %%
task = tasks.get("digits-mlp")
pd.Series(task.describe()).drop("paper").to_frame("value")

# %% [markdown]
# `train` writes a checkpoint after every epoch and goes on from the last one, to the same bits. We train twice: with the task's $\lambda$, and with none.


# %% tags=["within-5%"]
def trained(l1):
    chosen = task.with_(l1=l1)
    splits = chosen.load_data()
    with tempfile.TemporaryDirectory() as folder:
        return training.train(
            chosen.build_model(splits), splits, chosen.training, folder, device="cpu"
        )


runs = {"no penalty": trained(0.0), "λ = 0.001": trained(task.training.l1)}
splits = task.load_data()
pd.DataFrame({name: vars(run.final) for name, run in runs.items()}).round(4)

# %% [markdown]
# :::{admonition} Predict
# :class: tip
# Both networks classify the test digits about equally well. Which one can lose more weights, and how do you expect the two histograms of
# $|w_i|$ to differ? Write a number down: the share of weights below 0.001, with and without the penalty.
# :::


# %% mystnb={"figure": {"caption": "Weights of two networks of the same size, trained without and with the penalty.", "name": "fig-weights"}, "image": {"alt": "Histogram of weight magnitudes on logarithmic axes for two trained networks. Without penalty one hump near 0.1. With penalty half of the weights lie below 0.001, most of them in a second hump near 1e-7, some in a small one near 1e-4."}} tags=["hide-input", "hide-output"]
def vector(network):
    return prunable_weights(network).numpy()


weights = {name: vector(run.model) for name, run in runs.items()}
plots.weight_histogram(weights, {r"$10^{-3}$": 1e-3})
plt.show()

# %% tags=["within-2%", "hide-output"]
tiny = {name: np.mean(np.abs(w) < 1e-3) for name, w in weights.items()}
pd.Series(tiny, name="below 0.001").round(3)

# %% [markdown]
# :::{dropdown} What came out
# The network that was trained with the penalty. Half of its weights (0.495) are below 0.001, most in a hump of their own near $10^{-7}$; without the penalty 0.4 % are. They are not zero, but removing them moves the network hardly at all.
# :::
#
# ## Cutting
#
# `prune` returns a copy. The count is exact, `round(sparsity * dim)`, and of two equal weights the one that comes first goes first: the mask is a function of the weights alone.

# %%
model = runs["λ = 0.001"].model
pruned = pl.prune(model, 0.8)
int((vector(pruned) == 0).sum()), round(0.8 * vector(model).size)

# %% [markdown]
# The paper draws the curve at a thousand sparsities. `sweep` ranks the weights once and then only zeroes the next ones of one working copy. As a control,
# the same with the positions in random order, five times.

# %%
grid = np.linspace(0, 1, 1000, endpoint=False)
curves = {
    name: pl.sweep(run.model, cross_entropy, splits.test, grid, device="cpu")
    for name, run in runs.items()
}
generator = torch.Generator().manual_seed(0)
orders = [torch.randperm(vector(model).size, generator=generator) for _ in range(5)]
controls = [
    pl.sweep(model, cross_entropy, splits.test, grid[::20], order=order, device="cpu")
    for order in orders
]

# %% mystnb={"figure": {"caption": "Curve 1, one-shot: test accuracy of two networks against sparsity, survivors untouched, and of five random masks (mean and standard deviation).", "name": "fig-accuracy"}, "image": {"alt": "Test accuracy against sparsity. The network trained with the penalty keeps its accuracy to about 0.8 and then falls; the one trained without falls earlier; random masks fall from the start, with error bars over five draws."}} tags=["hide-input"]
accuracies = {name: curve.accuracy for name, curve in curves.items()}
plots.accuracy_curve(grid, accuracies, {})
spread = np.array([control.accuracy for control in controls])
label = "five random masks"
plt.errorbar(
    grid[::20], spread.mean(0), spread.std(0, ddof=1), fmt="^", capsize=2, label=label
)
plt.legend(loc="lower left")
plt.show()

# %% [markdown]
# Random masks fail from the start, because they move the weights much further. Of all masks of one size the magnitude mask moves them least ({prf:ref}`prop-magnitude`):


# %% tags=["within-2%"]
def distance(masks):
    parameters = prunable_parameters(model)
    removed = [p.detach()[~masks[name]] for name, p in parameters.items()]
    return float(torch.cat(removed).norm())


masks = {"magnitude": pruning.magnitude_mask(model, 0.8)}
masks |= {f"random, seed {i}": pruning.random_mask(model, 0.8, i) for i in range(4)}
pd.Series({name: distance(mask) for name, mask in masks.items()}, name="R").round(3)

# %% [markdown]
# Whether the *loss* rises least is another question, because $\tfrac12 x^\top H x$ depends on the direction of the step $x$ too.
#
# ## Four curves, two limits
#
# One command does the whole experiment: train, predict, sweep, re-fit, fine-tune, compare. Its result is a small JSON with its provenance. This one was made by
#
# ```
# prunelimit reproduce digits-mlp --output book/results/digits-mlp.json
# ```


# %% tags=["hide-input"]
def table(result):
    def shown(value):
        return "–" if value is None else f"{value:.4f}"

    rows = {
        f"{row.question}, {row.kind}": {
            "sparsity": shown(row.sparsity),
            "bracket": f"{shown(row.lower)} – {shown(row.upper)}",
            "test, untouched": shown(row.one_shot_accuracy),
            "test, tuned": shown(row.finetuned_accuracy),
        }
        for row in result.comparison()
    }
    return pd.DataFrame(rows).T


# %%
digits = Result.load("../book/results/digits-mlp.json")
table(digits)

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.CutTheHistogram(digits)

# %% mystnb={"figure": {"caption": "The four curves for the digits network, and the two predicted limits (curvature: Gauss\u2013Newton).", "name": "fig-four-digits"}, "image": {"alt": "Loss rise on a logarithmic axis against sparsity for the digits network: the measured one-shot curve and its quadratic model rise first; the re-fitted and the fine-tuned curves cross epsilon far to the right. Vertical lines mark the paper's limit and the sharp limit."}} tags=["hide-input"]
plots.four_curves_of_result(digits)
plt.show()

# %% [markdown]
# Read {numref}`fig-four-digits` from left to right, one question at a time.
#
# 1. **One-shot** (measured and quadratic): cut, touch nothing. The two do *not* agree, as the next cell shows: from sparsity 0.7 on, the measured rise is about three times the model's.
# 2. **The paper's limit** is a single vertical line. It asks for a random subspace, and answers with a width (chapter 4).
# 3. **Quadratic existence**: the survivors re-fitted in the quadratic model. $k_\mathrm{sharp}$ predicts where this curve crosses $\epsilon$, and is right here to a tenth of a point.
# 4. **Real existence**: the survivors fine-tuned on the loss that defines $S(\epsilon)$, un-augmented and without the penalty, the best epoch kept.
#    What is found is an upper bound on the lowest *loss* under the mask, because another optimiser might find less. The *sparsity* at which it crosses $\epsilon$ is therefore a lower bound. (Curve 4 trains the biases as well, curve 3 holds them; chapter 10 says what that is worth.)

# %%
sweep, at = digits.sweep.training, [0.55, 0.7, 0.8, 0.9]
measured = np.interp(at, sweep.sparsities, sweep.loss - sweep.dense_loss)
quadratic = np.interp(at, *digits.prediction.one_shot_curve)
rises = {"measured rise": measured, "quadratic model": quadratic}
print(f"epsilon {digits.epsilon:.3f},", end=" ")
print(f"gradient's share at the paper's limit {digits.prediction.linear_rise:.3f}")
pd.DataFrame(rises, index=at).rename_axis("sparsity").round(4)

# %% [markdown]
# Why? The quadratic model says $\tfrac12 x^\top H x$ and leaves out the gradient $g$ of the loss. At a minimum there is none. But $w^*$ minimises the loss *plus the penalty*, and the penalty pulls: cutting adds $-g^\top x$, which at the paper's limit is more than four times $\epsilon$.
# For short steps that term decides, because it is of first order: at sparsity 0.55, where both rises are tiny, they are even further apart. Further out the loss is no bowl any more, either: the two terms together do not make up the measured rise.
#
# The paper compares its limit with the accuracy of the *one-shot* network. What that comparison gives here, chosen on the validation split and
# reported on the test set:

# %%
found = pd.Series(vars(digits.thresholds.accuracy)).round(4)
found.rename(lambda name: name.replace("_", " ")).to_frame("digits-mlp")

# %% [markdown]
# The limits of this chapter take curvature from the Gauss–Newton matrix, which is this project's choice. The paper takes absolute values of the Hessian's eigenvalues (`abs`). A verdict on the paper has to use the paper's own choices, and with them its limit for this network is nine points lower, close above the sparsity where the accuracy breaks: {doc}`the page of the paper's figures </book/paper>` has that comparison.
#
# ## A real network: FC5 on Fashion-MNIST
#
# The paper's smallest network with the paper's hyperparameters ($\lambda = 5 \cdot 10^{-5}$, learning rate 0.01, 200 epochs), on Fashion-MNIST {cite}`xiao2017fashion`,
# because that data is at hand without a download. Training alone takes half an hour on one core, so the result is committed:
#
# ```
# prunelimit reproduce fashion-fc5 --sparsest 0.9999 --resolution 0.0002 --output book/results/fashion-fc5.json
# ```
#
# All tasks, with seeds and values of $\lambda$, on one machine or on a cluster: [Many runs in batch](../book/batch.md).

# %%
fashion = Result.load("../book/results/fashion-fc5.json")
table(fashion)

# %% mystnb={"figure": {"caption": "The four curves for FC5 on Fashion-MNIST, and the two predicted limits (curvature: Gauss\u2013Newton).", "name": "fig-four-fashion"}, "image": {"alt": "The four curves for FC5 on Fashion-MNIST: the measured one-shot curve and its quadratic model cross epsilon together near 0.98, the paper's limit lies at 0.993, the fine-tuned curve crosses near 0.998 and the re-fitted one near 0.9991; the sharp limit lies beyond the axis."}} tags=["hide-input"]
plots.four_curves_of_result(fashion)
plt.show()

# %% [markdown]
# In {numref}`fig-four-fashion`, look at the share kept, because every threshold is close to 1. The paper's formula, with our curvature, lies between what one-shot pruning reaches and what fine-tuning reaches, and coincides with neither.
# The sharp limit is *beyond the axis*: it says that nearly nothing need be kept. The re-fit says otherwise: it crosses $\epsilon$ at 0.9991. Conjugate gradients that were stopped too early could not have told; so few weights survive there that their block of $H$ is written out and the equations are solved. Some 1,400 of 1.6 million weights are needed where the formula, by its bracket, sees a use for at most 49. What can be tested is what the formula assumes, a **random** subspace:

# %%
report = fashion.prediction
removed_all = report.distance(0.0)
random_rise = limit.one_shot_random_orientation(
    report.spectrum.trace().value, removed_all, report.dim
)
sparsest = max(fashion.refit, key=lambda point: point.sparsity)
cutting = f"cutting to {1 - sparsest.sparsity:.2%}"
rises = {"random step of length ||w*||": random_rise, cutting: sparsest.one_shot_rise}
{name: round(value, 4) for name, value in (rises | {"ε": report.epsilon}).items()}

# %% [markdown]
# A step as long as all of $w^*$ in a *random* direction would raise the quadratic loss by just about $\epsilon$, so the sharp formula sees almost no reason to keep anything. The weights that magnitude pruning removes do not point at random:
# they are what the network computes with, and lie along the curved directions.

# %% mystnb={"figure": {"caption": "Test accuracy of FC5 on Fashion-MNIST: curve 1, one-shot, and curve 4, survivors fine-tuned.", "name": "fig-accuracy-fashion"}, "image": {"alt": "Test accuracy against sparsity for FC5 on Fashion-MNIST. One-shot pruning keeps the accuracy up to about 0.97 and falls to chance before 0.999; fine-tuned networks stay between 0.78 and 0.91 up to 0.999, above the dense network's accuracy up to the paper's limit, and fall to chance at 0.9999."}} tags=["hide-input"]
plots.accuracy_of_result(fashion)
plt.show()

# %% [markdown]
# How far is the quadratic model to be believed? At each re-fitted point we know the rise that the model promises and the real loss *at that very point*:

# %%
refits = pd.DataFrame(fashion.refit).set_index("sparsity")
names = {
    "distance": "distance R",
    "one_shot_rise": "rise, untouched (model)",
    "rise": "rise, re-fitted (model)",
    "real_rise": "rise, re-fitted (real loss)",
}
refits[list(names)].rename(columns=names).round(4)

# %% [markdown]
# Around the crossing the model promises a rise near $\epsilon$; the real loss at the same weights rises some 75 to 100 times as much. At a distance of 15 the bowl that was measured at $w^*$ is no longer the loss.

# %% [markdown]
# ## Choices that move the answer
#
# **$\epsilon$ depends on the batch size.** The paper takes the standard deviation of the minibatch losses. Averages over more examples vary less:


# %% tags=["within-2%"]
def epsilon_at(size):
    batches = splits.train_eval.with_batch_size(size)
    return losses.loss_statistics(model, cross_entropy, batches).batch_std


pd.Series({size: epsilon_at(size) for size in (16, 32, 64, 128, 256)}, name="ε").round(
    4
)

# %% [markdown]
# So $\epsilon$ is always reported with its batch size, and you may give your own.
#
# **The schedule.** As released, the paper's code steps its scheduler once an iteration instead of once an epoch. We offer both: `as_intended` and `as_released`.

# %% mystnb={"figure": {"caption": "The learning rate of ResNet18's schedule, as it was meant and as the released code steps it.", "name": "fig-schedule"}, "image": {"alt": "Learning rate against epoch for ResNet18's schedule. As intended: five epochs of warm-up to 0.1, then a cosine to zero. As released: a rapid swing between zero and about 0.1 throughout, with a peak of 0.37 during the warm-up."}} tags=["hide-input"]
resnet = tasks.get("cifar100-resnet18").training
steps = 391
for preset, marker in (("as_released", "s"), ("as_intended", "o")):
    rates = training.learning_rates(replace(resnet, preset=preset), steps)
    epochs = np.arange(len(rates)) / steps
    plt.plot(
        epochs, rates, marker=marker, markevery=steps * 20, label=preset, linewidth=1
    )
plt.xlabel("epoch")
plt.ylabel("learning rate")
plt.legend()
plt.show()

# %% [markdown]
# **"Actual".** By its code, the paper's experimental ratio is the largest sparsity whose test accuracy is still strictly above the dense one. Noise decides that: one
# example more or less moves it. Here a tolerance is stated, the validation split chooses, and the test set only reports.
#
# Two networks have now shown their thresholds in one order, and no formula has stood on the same threshold twice. What moves the thresholds, and whether the methods that people use in practice move them, is the question of chapter 8.

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** Where one of the four curves crosses $\epsilon$ is what $k_\mathrm{sharp}$ predicts. Which curve?
#
# :::{dropdown} A. The measured one-shot curve.
#
# There the survivors stay as they are. The limit is about the best values that they could have.
# :::
#
# :::{dropdown} B. The survivors re-fitted in the quadratic model.
#
# Right: the same question in the same model. What is left to test is whether a magnitude mask acts like a random subspace.
# :::
#
# :::{dropdown} C. The fine-tuned curve.
#
# It asks the same of the real loss. Between the two lies the quadratic model, which far from $w^*$ may fail.
# :::
#
# **2.** How does the $\ell_1$ term raise the limits, at a given spectrum?
#
# :::{dropdown} A. Most weights become tiny, so $R(k)$ is small at a small $k$.
#
# Right: distance is the lever that it moves. What it does to the spectrum has to be measured.
# :::
#
# :::{dropdown} B. It makes the weights that are in the way exactly zero.
#
# So says soft thresholding, for a quadratic loss without cross terms. The histogram of the trained network shows a hump of tiny weights instead; cutting them is our job.
# :::
#
# :::{dropdown} C. It makes magnitude the best mask for the loss.
#
# Magnitude is best for $R$, with the term or without. For the loss the direction of the step counts, too.
# :::
#
# **3.** "Actual ratio: the largest sparsity whose test accuracy is above the dense network's." What is wrong with it?
#
# :::{dropdown} A. Nothing: the test set is there to judge.
#
# To judge a sparsity that was chosen elsewhere. Here it chooses and judges.
# :::
#
# :::{dropdown} B. Accuracy falls whenever weights are cut, so there is no such sparsity.
#
# It often rises by an example or two. That is the trouble.
# :::
#
# :::{dropdown} C. One example more or less moves it.
#
# Right: noise decides about "above". State a tolerance, and let the validation split choose.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise}
# :label: ex-lomp-calculate
# **Calculate.** For $L(w) = \tfrac12 \sum_i \lambda_i (w_i - a_i)^2$ with curvatures $\lambda_1 = 4$, $\lambda_2 = 1$, $\lambda_3 = 0.1$ and $a = (0.5, 0.5, 0.5)$: which weights does a penalty of weight $\lambda = 0.2$
# set to zero? By how much does removing the middle weight raise the data loss, from the penalised minimum?
# :::
#
# :::{solution} ex-lomp-calculate
# :class: dropdown
# The weights shrink by $0.05$, $0.2$ and $2$: $w = (0.45, 0.3, 0)$. Removing the middle one changes its term from $\tfrac12 \cdot 0.2^2$ to $\tfrac12 \cdot 0.5^2$: a rise of $0.105$.
# :::
#
# :::{exercise}
# :label: ex-lomp-code
# **Code.** Compare global with layerwise magnitude pruning (`pruning.layerwise_mask`) on the digits network at sparsity 0.8: the distance $R$, and the test accuracy.
# :::
#
# :::{solution} ex-lomp-code
# :class: dropdown
# ```python
# layerwise = pruning.layerwise_mask(model, 0.8)
# print(distance(masks["magnitude"]), distance(layerwise))
# for mask in (masks["magnitude"], layerwise):
#     copy = pruning.make_permanent(pruning.apply_masks(pl.prune(model, 0.0), mask))
#     print(training.evaluate(copy, cross_entropy, splits.test))
# ```
# $R$ is larger for the layerwise mask, 3.46 instead of 2.85, as {prf:ref}`prop-magnitude` says it must be. The test accuracy is 0.93 instead of 0.95.
# :::
#
# :::{exercise}
# :label: ex-lomp-criticise
# **Criticise.** Somebody reports "our predicted pruning ratio agrees with the experiment to 0.5 %". Which three questions do you ask before you believe it?
# :::
#
# :::{solution} ex-lomp-criticise
# :class: dropdown
# For example: Which experiment: survivors untouched, or fine-tuned, and for how long? How was $\epsilon$ chosen, and does the agreement survive another batch size?
# Was the threshold of the experiment chosen on the data it is reported on?
# :::
#
# ## What this does *not* say
#
# - Two networks do not say which formula answers which question in general; chapter 10 asks 216.
# - Fine-tuning shows that a network exists; that it fails to find one proves nothing.
# - Nothing here compares LOMP with other ways of choosing a mask. That is chapter 8.
# - Zeros in a weight matrix are not speed. Hardware decides what a sparsity is worth.
#
# ## Sources
#
# The method and the hyperparameters are from {cite}`zhang2024sparse` and its published configurations. Soft thresholding is textbook material.
# The re-fit is optimal brain surgeon {cite}`hassibi1993obs` for all survivors at once. The sharp limit, and keeping the four curves apart, are this project's.
