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
# # Why heuristics work
#
# **After this chapter you can**
#
# - say through which of the limit's two factors, distance or curvature, a pruning heuristic acts, and where the limit has nothing to say about it;
# - compare methods fairly: same count, same budget, several seeds, and the weights that are kept for nothing counted apart;
# - name a transformation that leaves a network as it is and moves its predicted limit.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You need chapters 6 and 7.*

# %%
import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from prunelimit import limit, plots, pruning, results
from prunelimit.lab import baselines, tasks, training

plots.use_style()

# %% [markdown]
# ## Two factors
#
# Chapter 7 found thresholds far apart and in one order, with the survivors' training making most of the difference. People prune in rounds, with weight decay, with scores; this chapter asks what the limit says of that. Both limits hold two things that training and pruning can change: the **distance** $R$ from the weights to the masked weights, and the **spectrum** of $H$. In the paper's {cite}`zhang2024sparse`,
#
# $$k = N_\mathrm{eff}(2\epsilon/R^2) = \sum_i \frac{\lambda_i R^2}{\lambda_i R^2 + 2\epsilon},$$
#
# each term grows with $\lambda_i R^2$, and the sharp limit is the same function at another ridge ({prf:ref}`prop-levers`). Therefore a heuristic that shrinks $R$ or flattens the loss moves the limit. The paper reads known heuristics this way; here we measure which of these readings hold.
#
# ## Magnitude against random masks
#
# The mask decides $R$ at once. The magnitude mask has the smallest of all; a random one has $\mathbb{E}R^2 = (1 - k/D)\lVert w^* \rVert^2$, since each square is removed with probability $1-k/D$ ({prf:ref}`prop-magnitude`).
#
# ### Three weights by hand
#
# $w = (3, 1, 0.5)$, one weight kept. Magnitude leaves $R^2 = 1 + 0.25 = 1.25$. A random mask has $\mathbb{E}R^2 = \tfrac23 \cdot 10.25 = 6.83$. With $H$ the
# identity and $\epsilon = 0.5$ the sum above is $3 \cdot 1.25/2.25 = 1.67$ against $3 \cdot 6.83/7.83 = 2.62$ directions that count.

# %%
w = torch.tensor([3.0, 1.0, 0.5])
squares = {"magnitude": 1.25, "random": float(2 / 3 * w.square().sum())}
pd.DataFrame(
    {name: {"R²": r, "directions": 3 * r / (r + 1)} for name, r in squares.items()}
).round(2)

# %% [markdown]
# Now a trained network: chapter 7's digits network, its spectrum and its weights' norm from the committed result. Only $R(k)$ is exchanged.
#
# %%
report = results.Result.load("../book/results/digits-mlp.json").prediction
norm, dim = report.distance(0), report.dim


def effective_dimension(ridge):
    return report.spectrum.effective_dimension(ridge).value


def predicted(distance, formula):
    return limit.solve_limit(
        effective_dimension, distance, report.epsilon, dim, formula
    ).sparsity


# %% [markdown]
# :::{admonition} Predict
# :class: tip
# At what sparsity does the paper's limit land if the mask is random: close to that of the magnitude mask, halfway to 0, or near 0?
# :::

# %% tags=["hide-output"]
distances = {
    "magnitude": report.distance,
    "random": lambda k: norm * (1 - k / dim) ** 0.5,
}
pd.DataFrame(
    {
        name: {f: predicted(r, f) for f in ("paper", "sharp")}
        for name, r in distances.items()
    }
).round(3)

# %% [markdown]
# :::{dropdown} What came out
# Close: 0.838 instead of 0.894 by the paper's formula, 0.928 instead of 0.957 by the sharp one.
# :::
#
# These are predictions of existence (curves 2 and 3 of chapter 7). The cost of cutting and touching nothing (curve 1, one-shot, measured) is another question. We train the
# network again and remove the same number of weights in three ways: smallest of all, smallest of each layer, random.

# %%
task = tasks.get("digits-mlp")
splits = task.load_data()
untrained = task.build_model(splits)
config = baselines.LompConfig(task.training)
run = baselines.lomp(untrained, splits, cross_entropy, 0.0, config, device="cpu")
trained = run.model


def one_shot(mask):
    masked = pruning.apply_masks(pruning.prune(trained, 0.0), mask)
    copy = pruning.make_permanent(masked)
    return training.evaluate(copy, cross_entropy, splits.train_eval, "cpu")[0]


# %% [markdown]
# :::{admonition} Predict
# :class: tip
# At sparsity 0.7, with survivors untouched: the loss for each of the three masks? The dense network has 0.03.
# :::

# %% tags=["within-5%", "hide-output"]
masks = {
    "smallest of all": pruning.magnitude_mask(trained, 0.7),
    "smallest of each layer": pruning.layerwise_mask(trained, 0.7),
    "random": pruning.random_mask(trained, 0.7, seed=0),
}
pd.Series(
    {name: one_shot(mask) for name, mask in masks.items()}, name="loss at 0.7"
).round(4)

# %% [markdown]
# :::{dropdown} What came out
# 0.05 for the smallest of all, 0.06 layer by layer, and 2.2 at random, which is a network that guesses.
# :::
#
# Exchanging $R$ moves the predicted limits by a few points, and the same exchange destroys the network that nobody trains again. This is no contradiction, because the limits say that *some* survivors would do, not that these do. They can forgive a bad mask; one-shot pruning cannot.
#
# ## In rounds: the limit is measured again
#
# Iterative magnitude pruning {cite}`frankle2019lottery` trains, removes a fifth of what is left, rewinds the survivors to their initial values, and repeats.
# Gradual pruning {cite}`zhu2017prune` cuts while it trains. The paper's reading: after each round $w^*$ is another point, with another $R$ and another $H$, so the threshold
# moves and the next cut is judged by a new one.
#
# We measured it: a network of 64–16–16–10 units on digits (small enough for exact spectra), trained and pruned in rounds, both limits predicted after each training, at one $\epsilon$.
# Dashed points are *predictions* (curves 2 and 3); the dots are where the network is. Made by
#
# ```
# python -m prunelimit.lab.studies.heuristics digits-mlp --limits --output book/results/heuristics-limits.json
# ```

# %% mystnb={"figure": {"caption": "Iterative pruning of a digits network: sparsity reached, and both limits predicted anew after each round.", "name": "fig-rounds"}, "image": {"alt": "Sparsity against rounds of iterative pruning. The network's own sparsity rises from 0 to 0.9; the paper's limit and the sharp limit, predicted after each round, stay above it: near 0.80 and 0.88 for half of the rounds, and then they rise to a little over 0.9."}} tags=["hide-input"]
from prunelimit.plots import heuristics as plots_heuristics

limits = results.LimitStudy.load("../book/results/heuristics-limits.json")
plots_heuristics.limits_over_rounds(limits.rounds)
plt.show()

# %%
words = {"paper": "paper's limit", "sharp": "sharp limit", "distance": "distance R"}
words |= {"trace": "trace", "train_loss": "training loss"}
words |= {"test_accuracy": "test accuracy"}
rounds = results.table(limits.rounds).set_index("round").iloc[::2]
rounds[["sparsity", *words]].rename(columns=words).round(2).T

# %% [markdown]
# :::{prf:remark} Part of this is arithmetic
# :label: rem-rounds
# A weight that is gone adds nothing to $R$: $R(k) = 0$ for every $k$ that is at least the number of weights left. So a limit measured after a round can never lie below the sparsity that
# is already reached. **Exact** for $k_\mathrm{paper}$ and $k_\mathrm{sharp}$.
# :::
#
# So read the figure in two parts. As long as the dots are far below, the lines are free to move, and they hardly do: training anew under a mask does not by itself make the network more
# prunable. Where the dots come near, the lines are pushed ahead of them. The network does pass the limit that was predicted for it at the start, and the table shows what that costs: compare the accuracy
# and the training loss of the last columns with the first. It is another network by then, with a smaller $R$ and a larger trace.
#
# ## Weight decay shrinks the distance
#
# $\ell_2$ regularisation makes all weights smaller, so $R(k)$ shrinks at every $k$. By {prf:ref}`prop-levers` the limit would become sparser *if the spectrum stayed*. It does not:

# %%
words = {"norm": "norm of w", "distance_at_0.8": "R at sparsity 0.8", "trace": "trace"}
words |= {"paper": "paper's limit", "sharp": "sharp limit", "one_shot": "one-shot"}
words |= {"test_accuracy": "test accuracy"}
decay = results.table(limits.decay).set_index("weight_decay")[list(words)]
decay.rename(columns=words).rename_axis("weight decay").round(3).T

# %% [markdown]
# Read $R$ at sparsity 0.8 and the trace together: one falls while the other rises, since a network with smaller weights fits its data less tightly (a training loss of 0.077 at the strongest decay, 0.010 without) and is less saturated. What counts is the product
# $\lambda_i R^2$, and here the limits stay within a few points, up or down. What does gain is curve 1, the one-shot threshold of the quadratic model. "It shrinks $R$" is true, and half of the story.
#
# ## Weights made larger
#
# The paper multiplies all weights by 2 … 5 and predicts again. There is a sharper experiment (ours): a ReLU network does not change at all if one layer's weights and biases are
# multiplied by $c$ and the next layer's weights divided by $c$.
#
# ### By hand
#
# $L(w) = \tfrac12(w_1w_2 - 1)^2$ at $w = (1/c, c)$. The gradient of the product is $(c, 1/c)$, so $H$ has the single positive eigenvalue $\lambda = c^2 + c^{-2}$. Remove $w_1$:
# the one-shot rise is $\tfrac12 w_1^2 H_{11} = \tfrac12 c^{-2}c^2 = \tfrac12$, whatever $c$ is, and rightly so. But $R^2\lambda = c^{-2}(c^2 + c^{-2}) = 1 + c^{-4}$ falls from 2 to 1:
# a formula that only knows $R$ and the eigenvalues sees another network.


# %%
def product_loss(v):
    return 0.5 * (v[0] * v[1] - 1) ** 2


def by_hand(c):
    weights = torch.tensor([1 / c, c], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(product_loss, weights)
    removed = weights * torch.tensor([1.0, 0.0])
    top = torch.linalg.eigvalsh(hessian)[-1]
    rise = removed @ hessian @ removed / 2
    return {"one-shot rise": rise, "R²λ": removed @ removed * top}


# %%
pd.DataFrame({c: by_hand(c) for c in (1.0, 2.0, 4.0)}).astype(float).round(4)

# %% mystnb={"figure": {"caption": "Predicted limits and the quadratic one-shot threshold when weights are multiplied by $c$: first all of them, then one layer by $c$ and the next by $1/c$.", "name": "fig-scaling"}, "image": {"alt": "Predicted sparsity against a factor from 1 to 5 in two panels. In the first, all weights multiplied, the limits rise towards 1. In the second, first layer multiplied and second divided, the function unchanged: the one-shot threshold falls steeply, the two limits a little."}} tags=["hide-input"]
plots_heuristics.limits_over_factor(
    {"all weights times $c$": limits.scaled, "balanced: same function": limits.balanced}
)
plt.show()

# %% [markdown]
# In the second panel the network computes the same outputs for every $c$. For one given mask the quadratic rise would not move (the calculation above); but magnitude picks another mask for every $c$, a worse one, and the
# one-shot threshold falls. The limits see $R$ and the trace, and fall a little.
#
# In the first something else happens. {prf:ref}`prop-levers` says: larger $R$, denser limit, *at a fixed spectrum*. The predicted limits go the other way. Larger weights saturate the
# outputs, and most directions lose more curvature than $R^2$ gains (the trace, which a few outliers hold up, loses less at first), so the ellipsoid becomes huge. Nobody should believe that such a network can lose nearly all its weights: it makes nearly the same decisions as before. The
# quadratic model is at its end there (chapter 7 measured how it fails at such distances).

# %%
words = {"train_loss": "training loss", "test_accuracy": "test accuracy"}
words |= {"distance": "distance R", "trace": "trace"}
both = {"all weights": limits.scaled, "same function": limits.balanced}
tables = [
    results.table(rows).set_index("factor").rename(columns=words)[[*words.values()]]
    for rows in both.values()
]
named = [
    table.add_suffix(f", {name}").T for name, table in zip(both, tables, strict=True)
]
pd.concat(named).round(3)

# %% [markdown]
# ## Four paths over one plane
#
# The digits network again, pruned in four ways. Each network is trained for 60 epochs and then spends at most 60 more on its survivors (Rare Gems: 60 on its mask, 60 on its weights).
# A path shows sparsity and distance: one jump, or one jump a round with training in between, after which the new weights are the centre. The boundaries are those of chapter 6.
#
# :::{admonition} Predict
# :class: tip
# Who wins at a sparsity of 95 %, and who at 99 %? Choose, then reveal.
# :::

# %% tags=["remove-input"]
from prunelimit import widgets

widgets.Paths()

# %% [markdown]
# :::{dropdown} What came out
# At 95 % the six rounds (0.95 of the test digits; the two single cuts 0.93, Rare Gems 0.83). At 99 % Rare Gems, with 0.54 before 0.48 for the rounds, and both are poor.
# :::
#
# ## Methods at one budget
#
# Other methods choose the mask before training. **SNIP** {cite}`lee2019snip` keeps the weights with the largest $|w_i\, \partial_i L|$; **GraSP** {cite}`wang2020grasp` removes those with the largest
# $-w_i (Hg)_i$, to keep the gradient $g$ flowing; **SynFlow** {cite}`tanaka2020synflow` keeps those that carry most of the summed path products, without data, in a hundred small cuts;
# **Smart-Ratio** {cite}`su2020sanity` draws at random with shares that fall with depth, but for the last layer's 30 % (on fully connected networks it is undefined: treating hidden layers like convolutions is ours);
# **Rare Gems** {cite}`sreenivasan2022rare` learns scores on frozen constants $\pm\sqrt{2/\text{fan-in}}$, then trains under the mask. **Brain surgeon** is the re-fit {cite}`hassibi1993obs` of the survivors of a magnitude mask.
#
# All are called alike, remove exactly the count asked for, and spend the same number of epochs, searching included:

# %% tags=["within-5%"]
plain = task.with_(l1=0.0).training
for name in ("snip", "synflow"):
    method = baselines.METHODS[name]
    config = method.config(training=plain)
    given = untrained, splits, cross_entropy, 0.95, config
    pruned = method.run(*given, device="cpu")
    loss, accuracy = training.evaluate(pruned.model, cross_entropy, splits.test, "cpu")
    print(f"{method.label}: {accuracy:.3f}, {pruned.training_epochs} epochs")
    print(f"  sparsity {pruned.sparsity:.4f},", end=" ")
    print(f"effective {pruned.effective_sparsity:.4f}")

# %% [markdown]
# The whole table, three seeds, is committed:
#
# ```
# python -m prunelimit.lab.studies.heuristics digits-mlp --output book/results/heuristics-digits.json
# ```
#
# :::{admonition} Predict
# :class: tip
# Same 60 epochs for all, digits, sparsity 0.95. Order: magnitude in one cut with survivors untouched (LOMP); the same with half of the epochs after the cut; gradual; a random mask trained from the start.
# :::

# %% mystnb={"figure": {"caption": "Test accuracy of pruning methods at one budget of 60 epochs, digits, three seeds. LOMP, layerwise magnitude and the plain random mask show curve 1, brain surgeon re-fits, all others train: curve 4.", "name": "fig-methods"}, "image": {"alt": "Dot plots of test accuracy for fourteen pruning methods at sparsities 0.9 and 0.95, three seeds each, with the dense network's accuracy as a dashed line. Gradual and retrained magnitude pruning stand at the top, random masks and the untrained brain surgeon at the bottom."}} tags=["hide-input", "hide-output"]
compared = results.MethodsCompared.load("../book/results/heuristics-digits.json").rows
plots_heuristics.methods_compared(compared, (0.9, 0.95))
plt.show()

# %% tags=["hide-output"]
table = results.table(compared).pivot_table(
    index="label", columns="sparsity", values="test_accuracy", aggfunc="mean"
)
print(f"dense: {table.loc['dense', 0.0]:.3f}")
table.drop(index="dense", columns=0.0).sort_values(0.95).round(3)

# %% [markdown]
# :::{dropdown} What came out
# Gradual (0.93), then the cut with half of the epochs after it (0.89), LOMP untouched (0.51), and the random mask last (0.36). At sparsity 0.9 the last two are level, at 0.79.
# :::
#
# LOMP, layerwise magnitude and the plain random mask leave the survivors untouched (curve 1, one-shot); the brain surgeon re-fits them in the quadratic model alone. All others train under the mask, so they show curve 4, real existence, as far as
# their budget reaches. The two kinds cannot be compared as *masks*; they can be compared as ways to spend 60 epochs.
#
# Training after or during the cut is worth more than the choice among the better masks, and a random mask that is trained does well until its paths break. Therefore the order at one sparsity is not
# the order at the next. Only LOMP has the $\ell_1$ term, so its one-shot row and the brain surgeon's start from different networks. Rare Gems spends half of a short budget on searching; its published configuration searches for 150 epochs.
#
# ## Kept, and of no use
#
# A kept weight is **effective** if some path from an input to an output runs through it {cite}`vysogorets2023connectivity`. The rest could go for free. If a whole layer of a chain is emptied (**layer collapse**), nothing is effective.

# %%
sparsities = [0.8, 0.9, 0.95, 0.98, 0.99]
untrained_inputs = torch.ones(1, *splits.input_shape)
choose = {
    "random": lambda s: pruning.random_mask(untrained, s, seed=0),
    "magnitude, untrained": lambda s: pruning.magnitude_mask(untrained, s),
    "magnitude, trained": lambda s: pruning.magnitude_mask(trained, s),
    "SynFlow": lambda s: baselines.synflow_mask(untrained, untrained_inputs, s),
}


def unused(mask, s):
    return (baselines.effective_sparsity(untrained, mask) - s) / (1 - s)


# %% mystnb={"figure": {"caption": "Share of the kept weights that lie on no path from input to output.", "name": "fig-unused"}, "image": {"alt": "Share of kept weights that lie on no path, against sparsity. All but SynFlow waste a growing share of their weights, about nine tenths at 0.99: random masks first, trained magnitudes last. SynFlow stays near zero."}} tags=["hide-input"]
chosen = {name: [mask(s) for s in sparsities] for name, mask in choose.items()}
shares = {
    name: (sparsities, [unused(m, pruning.sparsity_of(m)) for m in row])
    for name, row in chosen.items()
}
plots_heuristics.unused_weights(shares)
plt.show()

# %% [markdown]
# Emptying a layer is not needed for that. Five rows of the comparison:

# %%
table = results.table(compared).pivot_table(
    index="label", columns="sparsity", values="effective_sparsity", aggfunc="mean"
)
rows = [
    "random mask, retrained",
    "Smart-Ratio",
    "GraSP",
    "gradual magnitude",
    "SynFlow",
]
table.loc[rows, 0.8:].round(4)

# %% [markdown]
# Smart-Ratio gives its last layer 30 %: at the highest sparsity these are 96 of 99 weights, and the layers before it have two and one; none of its layers is empty, and still not one path runs from an input to an output.
#
# The limit knows nothing of this, because to $H$ at $w^*$ a weight into a dead unit is a flat direction like any other.
#
# All networks so far were this book's. Chapter 9 asks the same questions of yours.

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** Weights $w = (2, 1)$, $H = \operatorname{diag}(\tfrac{1}{10}, 8)$, one weight kept. Which mask has the smaller $R$, and which the smaller one-shot rise?
#
# :::{dropdown} A. Keeping the first has the smaller $R$; keeping the second the smaller rise.
#
# Right: $R = 1$ against $2$, but the rises are $\tfrac12 \cdot 8 = 4$ and $\tfrac12 \cdot \tfrac{4}{10} = 0.2$. Magnitude minimises distance, not loss.
# :::
#
# :::{dropdown} B. Keeping the first has both.
#
# It has the smaller $R$. But it removes the weight in the stiff direction: the rise is $\tfrac12 \cdot 8 \cdot 1^2 = 4$.
# :::
#
# :::{dropdown} C. Keeping the second has both.
#
# It has the smaller rise, $0.2$. Its $R$ is the size of what is removed, $2$, and the other mask's is $1$.
# :::
#
# **2.** Nine tenths of a network's weights are gone. Its limit is measured again and reads 0.93. What follows?
#
# :::{dropdown} A. Pruning has made the network easier to prune.
#
# It may have. But the limit could not have come out below 0.9: what is gone adds nothing to $R$ ({prf:ref}`rem-rounds`).
# :::
#
# :::{dropdown} B. The formula contradicts what it said before the first cut.
#
# It was asked about another $w^*$, with another $R$ and another spectrum. Two answers to two questions.
# :::
#
# :::{dropdown} C. Little, until the loss and the accuracy of the network at hand are read beside it.
#
# Right: a limit measured after a round is at least the sparsity already reached, and it is relative to a loss that the rounds have changed.
# :::
#
# **3.** One layer's weights are multiplied by 4, the next layer's divided by 4, and the network computes what it did. What happens to the limits?
#
# :::{dropdown} A. Nothing: it is the same function.
#
# The function is; the parameters are not. $R$, the spectrum and the magnitude mask are about parameters.
# :::
#
# :::{dropdown} B. They move, since distance and spectrum are properties of the parameters.
#
# Right: and the one-shot threshold moves more, because magnitude picks another mask.
# :::
#
# :::{dropdown} C. They double, since $R$ grows with the weights.
#
# $R$ grows and curvature falls with the weights that grew, and the other way round for the other layer. There is no such simple rule.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise}
# :label: ex-heuristics-calculate
# **Calculate.** Weights $(3, 1, 0.5)$, $H = \operatorname{diag}(\tfrac1{10}, 1, 40)$, $g = 0$, one weight kept. Which does magnitude keep, which has the smallest one-shot rise $\tfrac12 x^\top Hx$, and what are $R$ and the rise for both masks?
# :::
#
# :::{solution} ex-heuristics-calculate
# :class: dropdown
# Magnitude keeps the first: $R^2 = 1.25$, rise $\tfrac12(1 + 40/4) = 5.5$. The terms $\tfrac12\lambda_i w_i^2$ are $0.45$, $0.5$, $5$: keeping the third leaves a rise of $0.95$ at $R^2 = 10$. The smallest distance has not the smallest loss.
# :::
#
# :::{exercise}
# :label: ex-heuristics-code
# **Code.** SynFlow's many rounds are said to prevent layer collapse. Compare `baselines.synflow_mask(..., rounds=1)` with 100 rounds on the untrained network at sparsity 0.99: weights kept in each layer, collapsed layers, effective sparsity.
# :::
#
# :::{solution} ex-heuristics-code
# :class: dropdown
# ```python
# for rounds in (1, 100):
#     mask = baselines.synflow_mask(untrained, untrained_inputs, 0.99, rounds=rounds)
#     print(rounds, [int(m.sum()) for m in mask.values()], baselines.layer_collapse(mask))
#     print(baselines.effective_sparsity(untrained, mask))
# ```
# In every layer the scores sum to the same total, so a wide layer's single weights score low; in one round they go first, and both hidden layers are emptied: not one weight is effective. Scoring again after each small cut raises the scores of what is left there: 100 rounds leave 21, 11 and 17 weights, all of them effective.
# :::
#
# :::{exercise}
# :label: ex-heuristics-criticise
# **Criticise.** "Our method beats LOMP at 98 %: 0.91 against 0.45." What do you ask?
# :::
#
# :::{solution} ex-heuristics-criticise
# :class: dropdown
# Was LOMP's network trained after the cut, and was the other's? How many epochs did each spend, the search included? How many seeds? Is 98 % the count of the mask, or of what is effective?
# :::
#
# ## What this does *not* say
#
# - The limits take a random subspace at distance $R$. A mask chosen by data, by paths or by learned scores is not random, and may do better or worse.
# - A flat direction is not a small weight, because $H$'s flat directions are not coordinates.
# - A limit above the current sparsity says that some network exists *in the model*. It does not say that a heuristic finds it, nor that a higher accuracy came from a smaller $R$.
# - The ranking is that of one small data set and 60 epochs. The methods' papers train larger networks for longer, each with its own recipe.
# - $\epsilon$ was chosen ($0.05$ in the studies of rounds, decay and scale). Another would shift every line.
#
# ## Sources
#
# The readings of gradual pruning, weight decay and weight scale are those of {cite}`zhang2024sparse`; the measurements, the remark on rounds and the balanced scaling are this project's. The methods follow their papers, cited above;
# `prunelimit.lab.baselines` says in each docstring what differs. The quantities behind the masks of one-shot methods are in the tests checked against dense matrices and enumerated paths.
