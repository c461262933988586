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
# # Your own model
#
# **After this chapter you can**
#
# - ask `predict_limit` about a network of your own, and read every line of its answer;
# - check the answer by a sweep, and get the pruned model;
# - do the same from the command line;
# - tell which of your own choices ($\epsilon$, data, policy, tolerance) the answer depends on.
#
# *Reading: 40 minutes. Exercises: 45 minutes. You can begin here; chapter 6 explains what is computed.*

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from torch import nn

import prunelimit as pl
from prunelimit import plots, pruning

plots.use_style()

# %% [markdown]
# ## What it asks for
#
# The chapters before this one took networks that were trained for the book. A network of your own has neither an $\ell_1$ term nor the architecture of a paper, and what you want to know is how far *it* can be cut. The package asks for three things, and for nothing of this project's own:
#
# | argument | what | demands |
# |---|---|---|
# | `model` | any `nn.Module`, trained, in eval mode | deterministic; `parameters=` if other weights than those of linear and convolutional layers count |
# | `loss_fn` | `loss_fn(outputs, targets)` | a *mean* over the batch |
# | `loader` | a `DataLoader` or a list of `(inputs, targets)`, or of dictionaries | can be iterated again; no augmentation, no shuffling that matters |
#
# ### Two weights by hand
#
# Before we trust it with a network, here is an answer that can be computed on paper. Take one linear layer without bias, mean squared error, and inputs chosen such that the
# Hessian is diagonal: with $N=2$ examples $(2, 0)$ and $(0, 1)$ and predictions $w_1 \cdot 2$ and $w_2 \cdot 1$, the loss
# $\tfrac12\big[(2 w_1 - t_1)^2 + (w_2 - t_2)^2\big]$ has $H = \operatorname{diag}(4, 1)$. Targets $(2, 0.5)$ put the minimum at $w^* = (1, 0.5)$.
#
# Removing the smaller weight costs $\tfrac12 \cdot 1 \cdot 0.5^2 = 0.125$; removing both costs $2.125$.
# So with $\epsilon = 0.2$ one-shot pruning removes exactly one of two, a sparsity of 0.5. The package should find the curvatures 1 and 4, and that sparsity:

# %%
layer = nn.Linear(2, 1, bias=False)
layer.weight.data = torch.tensor([[1.0, 0.5]])
inputs, targets = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0], [0.5]])
by_hand = pl.predict_limit(
    layer, nn.functional.mse_loss, [(inputs, targets)], epsilon=0.2
)
np.round(by_hand.spectrum.eigenvalues, 6), round(float(by_hand.one_shot.sparsity), 6)

# %% [markdown]
# ## A network of your own
#
# Anything will do. Here is one that appears nowhere else in this book: tanh units, trained by Adam with weight decay, no $\ell_1$ term.
# (In double precision, so that every machine trains the same network and prints the same numbers.)

# %%
images, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
images = images / 16

# %%
torch.manual_seed(4)
tanh = nn.Tanh()
layers = nn.Linear(64, 16), tanh, nn.Linear(16, 16), tanh, nn.Linear(16, 10)
model = nn.Sequential(*layers).double()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
for _ in range(30):
    for batch in torch.randperm(1400).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()

# %% [markdown]
# The loader lists the data that *define the loss*: the training examples, in fixed batches.

# %%
loader = list(zip(images[:1400].split(100), labels[:1400].split(100), strict=True))
held_out = [(images[1400:], labels[1400:])]

# %% [markdown]
# :::{admonition} Predict
# :class: tip
# The network has 1,440 prunable weights. How many can go before the training loss rises by more than its own minibatch noise, if nothing is re-trained?
# And if the survivors may be re-fitted?
# :::

# %% tags=["within-2%", "hide-output"]
report = pl.predict_limit(model.eval(), nn.functional.cross_entropy, loader)
print(report)

# %% [markdown]
# :::{dropdown} What came out
# By the report about a third, 456 weights, if nothing is trained again. If the survivors may move, 76 % by the paper's formula and 84 % by the sharp one. What to expect of training them to the end: 80 %, or anything from 66 to 91.
# :::
#
# These answer different questions. Which one is yours depends on what you will do after the cut, so read the report line by line.
#
# ## Reading the report
#
# - **epsilon** is the loss rise that you allow. By default it is the standard deviation of the minibatch losses, the paper's choice, which depends on the batch size; the line says which. Give `epsilon=` if you know what a rise costs you.
# - **one-shot** answers: *cut and touch nothing*. **Exact** in the quadratic model up to 6,000 weights, where the whole curve is computed. Beyond, it is the first crossing on a grid, an **estimate**: a curve that is not monotone may have crossed before. The report's line says which.
# - **paper's limit** is $k = N_\mathrm{eff}(2\epsilon/R^2)$ ({cite}`zhang2024sparse`). **Heuristic.** The default `policy="ggn"` is ours; *as the paper computes it* is `policy="abs"`, which is thirteen points denser on this network (below).
# - **sharp limit** answers: *is there some network with this support inside the sublevel set?* **Asymptotic**, for a random subspace in the quadratic model.
# - The **bracket** behind each, but for a one-shot estimate, is about the *computation*: for the policy and the data given, the formula's value lies in it (at 99 %, or by theorem when all eigenvalues are known). It says nothing about the model's own error.
# - **expected** is about the network and not about a formula: where survivors *and biases*, trained to convergence, still reach $L(w^*) + \epsilon$, with a 90 % prediction interval from networks that were measured (chapter 10). It reads the paper's limit and one-shot; how evenly the largest tenth of the weights lies over the layers (`report.layers`); the outputs, and how many answers the data ask of a weight (examples times `report.outputs`, over D). It ends, at the latest, where the mask leaves no path from inputs to outputs (`report.cut`).
# - **at least** is {prf:ref}`lem-sharpness`, which knows nothing of the spectrum but its trace. It bounds the fraction kept from above and therefore the sparsity from below.
# - **notes** warn. The one to take to heart: *w\* is no minimum of this loss*. Then the gradient matters as much as the curvature.
#
# Every number is an attribute:

# %% tags=["within-2%"]
found = {"one-shot": report.one_shot, "paper": report.paper, "sharp": report.sharp}
rows = {
    name: {"sparsity": e.sparsity, "lower": e.lower, "upper": e.upper, "R": e.distance}
    for name, e in found.items()
}
pd.DataFrame(rows).astype(float).round(4)

# %% mystnb={"figure": {"caption": "What a report draws: the one-shot rise of the quadratic model (curve 1), $\\epsilon$, and both limits.", "name": "fig-report"}, "image": {"alt": "The one-shot loss rise of the quadratic model against sparsity, on a logarithmic axis. It crosses the horizontal line of epsilon, 0.018, near 0.32, and reaches 0.1 where the paper's limit stands, a vertical line at 0.757; the sharp limit is another at 0.841."}} tags=["hide-input"]
report.plot()
plt.show()

# %% [markdown]
# The widgets of chapters 5 and 6 take a report, too: `widgets.Lanczos(report)`, and here your network in place of the digits. In a live notebook `.with_controls()` puts ipywidgets' own controls beside it.

# %% tags=["within-5%"]
from prunelimit import widgets

widgets.TheLimit(report)

# %% [markdown]
# ## Check it, then take the model
#
# The one-shot line can be checked at once, because measuring it takes no training: a sweep cuts at each sparsity and evaluates the loss. Here it stands beside the prediction.

# %% tags=["within-2%"]
grid = np.linspace(0, 1, 200, endpoint=False)
curve = pl.sweep(model, nn.functional.cross_entropy, loader, grid)
accuracy = pl.sweep(model, nn.functional.cross_entropy, held_out, grid).accuracy
measured = curve.largest_sparsity(report.epsilon)
round(measured, 3), round(float(report.one_shot.sparsity), 3)

# %% mystnb={"figure": {"caption": "Curve 1, measured and in the quadratic model, for your network.", "name": "fig-check"}, "image": {"alt": "Measured loss rise against sparsity next to the quadratic model's one-shot curve. The measured curve crosses epsilon near 0.25, the model's near 0.32; at 0.4 the measured rise is twice the model's, at 0.7 nine times."}} tags=["hide-input"]
sparsities, rises = report.one_shot_curve
plt.plot(
    grid,
    np.maximum(curve.loss - curve.dense_loss, 1e-5),
    markevery=0.05,
    label="measured",
)
plt.plot(
    sparsities,
    np.maximum(rises, 1e-5),
    markevery=0.05,
    label=r"quadratic model $\frac{1}{2}x^\top H x$",
)
plt.axhline(report.epsilon, color="grey", linestyle=":", marker="", label=r"$\epsilon$")
plt.yscale("log")
plt.xlabel(r"sparsity $s = 1 - k/D$")
plt.ylabel(r"loss rise (nats)")
plt.legend()
plt.show()

# %% tags=["within-2%"]
pruned = pl.prune(model, measured)
zeros = sum(int((m.weight == 0).sum()) for m in pruned if isinstance(m, nn.Linear))
(
    zeros == round(measured * report.dim),
    round(float(np.interp(measured, grid, accuracy)), 4),
)

# %% [markdown]
# The quadratic model was seven points too hopeful: the loss passes $\epsilon$ after 0.25, not at 0.317. The report's first note says why: $w^*$ is no minimum of this loss, and the gradient's share, which the model leaves out, is half of the rise at a sparsity of 0.2 and a third at 0.3. Further out the step becomes too long for a parabola as well. `pruned`, cut at the measured place, is an ordinary model with zeros in it, and reads 88.9 % of the held-out images, as the dense one does.

# %% [markdown]
# ## A few tries
#
# So much for a cut without training. For one with training the report has two limits, eight points apart, and an expectation whose interval is 25 points wide. None of them settles *how sparse after fine-tuning?*, but they say where to begin. `find_limit` begins at the expectation, fine-tunes there, and after each try weighs both: how far
# the expectation errs, as a rule, and how far from the level the loss lies, whose logarithm against that of the weights kept is a nearly straight line. Masks are nested, and a sparser one starts from the survivors of a denser one that passed.

# %% tags=["nbval-ignore-output"]
# Not compared: each try starts where the last one's rounding left it.
found = pl.find_limit(model, nn.functional.cross_entropy, loader, report)
print(found)

# %% [markdown]
# This is **real existence**, the fourth curve of chapter 7, as far as the budget reaches: a longer one may go sparser, so that the answer is a lower bound on the sparsity. It is measured from $L(w^*) + \epsilon$; training the dense network for as long would lower $L(w^*)$ itself, and an answer measured from there is denser (chapter 10). The bracket is *measured*, unlike the report's: at its lower end a network was seen to be good enough (it is `found.model`), at its upper end none was found.
# The sparsity printed before the bracket is as likely too dense as too sparse, by the tries and the expectation (heuristic); here it lies three points above the expectation, 0.80. Three to five tries are typical (chapter 10). Where you name no `finetune`, each is about 2,000 steps of Adam. The budget matters: 60 epochs of SGD (rate 0.1) end at 0.73 here, 600 at 0.82. So does luck: ten times as many epochs of Adam, five minutes, answer 0.82, where the curve leaps.

# %% mystnb={"figure": {"caption": "Curve 4, real existence: the loss after each fine-tuning, in the order of the tries, and the bracket that they leave. Dotted: the loss allowed.", "name": "fig-tries"}, "image": {"alt": "Loss after fine-tuning against sparsity at each of three tries. The first, at 0.80, lies below the loss allowed, 0.07, the second, at 0.84, above it, at 0.10, the third, at 0.82, below it again, at 0.03; the bracket between the last two is shaded."}} tags=["hide-input"]
tried, losses = np.array(found.tries).T
plt.scatter(tried, losses, zorder=3)
for number, (s, loss) in enumerate(found.tries, 1):
    below = dict(xytext=(6, -12), textcoords="offset points")
    plt.annotate(f"try {number}", (s, loss), **below)
plt.axhline(report.loss.mean + report.epsilon, color="grey", linestyle=":")
plt.axvspan(found.lower, found.upper, alpha=0.2)
plt.yscale("log")
plt.minorticks_off()
plt.yticks(ticks := [0.03, 0.05, 0.1, 0.2], map(str, ticks))
plt.margins(0.12)
plt.locator_params("x", nbins=5)
plt.xlabel(r"sparsity $s = 1 - k/D$")
plt.ylabel("loss after fine-tuning (nats)")
plt.show()

# %% [markdown]
# The criterion may be a metric on examples that training has not seen, with its noise; the fine-tuning may be a loop of yours, which trains the masked model that it is handed:


# %%
def own_loop(masked):
    optimizer = torch.optim.Adam(masked.parameters(), lr=3e-3)
    for _ in range(20):
        for inputs, targets in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(masked(inputs), targets).backward()
            optimizer.step()


# %% tags=["nbval-ignore-output"]
# Not compared: each try starts where the last one's rounding left it.
asked = {"metric": "accuracy", "validation": held_out, "metric_tolerance": 0.02}
given = model, nn.functional.cross_entropy, loader, report, own_loop, 0.03
print(pl.find_limit(*given, **asked))

# %% [markdown]
# The notes say what the validation examples leave open: 397 answers hardly settle two points of accuracy. A search of hours keeps its tries in a `directory=`, and the same call goes on after a stop.

# %% [markdown]
# ## A transformer, as it comes
#
# Few networks are a row of linear layers. What changes for others is how batches come in, how outputs come out, and which weights count. Batches may be dictionaries, and outputs dictionaries, tuples or objects. Here an encoder layer reads the eight rows of an image:


# %%
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(8, 8), nn.Linear(64, 10)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, pixels):
        hidden = self.layer(self.embed(pixels.view(-1, 8, 8)))
        return {"hidden": hidden, "logits": self.head(hidden.flatten(1))}


# %%
def logits_loss(outputs, labels):
    return nn.functional.cross_entropy(outputs["logits"], labels)


def train(network, batches, epochs):
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for batch in batches * epochs:
        optimizer.zero_grad()
        logits_loss(network(batch["pixels"]), batch["labels"]).backward()
        optimizer.step()


# %% [markdown]
# The entry `labels` of a batch goes to the loss, the others to the model by their names. For anything else give `forward=`, a function `(model, batch) -> outputs`; the loss is then `loss_fn(outputs, batch)`.
#
# By default the weights of linear and convolutional layers count. Attention keeps its first matrix as a bare parameter, `in_proj_weight`, which is neither:
# the report says so. `parameters=` chooses: names, patterns, or a predicate `(name, parameter) -> bool`. We ask about the encoder layer alone, and about 200 examples:

# %%
named = [{"pixels": x, "labels": y} for x, y in loader]
torch.manual_seed(5)
reader = Reader().double()
train(reader, named, epochs=20)
encoder = ["*proj*weight", "*linear?.weight"]
answer = pl.predict_limit(
    reader.eval(), logits_loss, named[:2], 0.05, parameters=encoder
)
print(answer.counted)
round(float(answer.one_shot.sparsity), 2), round(float(answer.paper.sparsity), 2)

# %% [markdown]
# To fine-tune with the zeros held, keep the masks attached and train as always. A mask acts whenever a weight is read, so attention's fast kernels, copies, saved states and averaged weights all obey it; `pruning.make_permanent` turns the model into an ordinary one.

# %%
sparsity = float(answer.paper.sparsity)
cut = pl.sweep(reader, logits_loss, named, [sparsity], parameters=encoder)
masked = pl.prune(reader, sparsity, permanent=False, parameters=encoder)
train(masked, named, epochs=5)
tuned = pl.sweep(pruning.make_permanent(masked), logits_loss, named, [0.0])
losses = {"dense": cut.dense_loss, "cut": cut.loss[0], "fine-tuned": tuned.dense_loss}
{name: round(float(loss), 2) for name, loss in losses.items()}

# %% [markdown]
# Which layers paid for it? Each has its share of $R^2$, the squared length of what was removed:

# %%
masks = pruning.magnitude_mask(reader, sparsity, encoder)
pd.DataFrame(pruning.layer_counts(reader, masks)).set_index("name").round(2)

# %% [markdown]
# A layer that keeps nothing is cut out of the network: here attention's own output matrix. The mask is global, and nothing stops it. `pruning.apply_masks` attaches masks of other kinds, too: so much of each layer, `layerwise_mask`, or two of four in a row as sparse tensor cores want them, `semi_structured_mask`.
#
# Models of Hugging Face take the same way, without a wrapper class:
#
# ```python
# data = [tokenizer(part, padding="max_length", return_tensors="pt") | {"labels": y} for part, y in texts]
# loss_fn = lambda outputs, labels: nn.functional.cross_entropy(outputs.logits, labels)
# report = pl.predict_limit(model.eval(), loss_fn, data)
# pl.prune(model, float(report.one_shot.sparsity)).save_pretrained("pruned")
# ```
#
# GPT-2 keeps its matrices in layers of its own: `parameters="transformer.h.*.weight"`. A language model has no labels but its tokens: without them the loss takes the batch,
# `lambda outputs, batch: nn.functional.cross_entropy(outputs.logits[:, :-1].mT, batch["input_ids"][:, 1:])`.
#
# ## From the command line
#
# The same without writing Python, for a model that some module of yours makes and a checkpoint (safetensors, or a state dict):
#
# ```
# prunelimit predict mynet:make --checkpoint best.safetensors --data mynet:loader --output report.json
# prunelimit prune   mynet:make --checkpoint best.safetensors --sparsity 0.9 --output pruned.safetensors
# prunelimit find    mynet:make --checkpoint best.safetensors --data mynet:loader --output found.safetensors
# ```
#
# `mynet:make` is a function without arguments that returns the model, `mynet:loader` one that returns the loader (or give the name of a data set: `--data fashion-mnist`).
# Checkpoints are loaded without running code from them.
#
# ## Which choices matter
#
# All these numbers rest on choices that were made for you by default. Three of them move the answer by points, so change each once before you quote a limit.
#
# **The policy.** The Hessian of a network is indefinite. `"ggn"` leaves out the part that makes it so; `"abs"`, the paper's, turns negative curvature positive; `"clip"` calls it flat.


# %% tags=["within-2%"]
def compare(reports):
    names = ("one_shot", "paper", "sharp")
    rows = {key: [getattr(r, n).sparsity for n in names] for key, r in reports.items()}
    return pd.DataFrame(rows, index=["one-shot", *names[1:]]).astype(float).round(4)


loss_fn = nn.functional.cross_entropy
asked = {"model": model, "loss_fn": loss_fn, "loader": loader}
policies = {p: pl.predict_limit(**asked, policy=p) for p in ("ggn", "abs", "clip")}
negative = policies["abs"].spectrum.negative_share()
print(f"share of negative curvature: {negative:.3f}")
compare(policies)

# %% [markdown]
# So the policy alone moves the paper's limit by thirteen points here, and the sharp one by sixteen.
#
# **The loss rise.** Ten times more loss, how much sparser?

# %% tags=["within-2%"]
budgets = [report.epsilon * factor for factor in (0.1, 1, 10)]
compare({f"ε = {e:.2g}": pl.predict_limit(model, loss_fn, loader, e) for e in budgets})

# %% [markdown]
# Eleven points by the paper's formula and thirteen by the sharp one; the cut without training goes from a third to 86 %.
#
# **The data.** A subset of $N$ examples with $c$ classes gives a Gauss–Newton matrix of rank at most $N(c-1)$. Below $D$, that manufactures flat directions:

# %% tags=["within-2%"]
parts = {n: loader[: n // 100] for n in (100, 200, 400, 1400)}
few = {
    n: pl.predict_limit(model, loss_fn, part, report.epsilon)
    for n, part in parts.items()
}
print(few[100].warnings[0])
compare(few)

# %% [markdown]
# From a hundred examples the paper's formula promises eleven points more than from all of them. Nothing about the network has changed.
#
# ## When it refuses
#
# Some input is worse than a matter of choice. Input that would give a meaningless number is refused, with the remedy:


# %% tags=["within-2%"]
def refusal(*arguments, **options):
    try:
        pl.predict_limit(*arguments, **options)
    except pl.PruneLimitError as error:
        print("–", error)


refusal(model, nn.CrossEntropyLoss(reduction="sum"), loader)
refusal(model, loss_fn, iter(loader))
refusal(nn.Sequential(nn.Linear(64, 10), nn.BatchNorm1d(10)).double(), loss_fn, loader)
refusal(model, loss_fn, loader, epsilon=0)

# %% [markdown]
# You have an answer for your network, and a list of what it rests on. Chapter 10 takes that list apart, link by link, and says how much each one was worth on networks where everything could be measured.

# %% [markdown]
# ## Check yourself
#
# Choose an answer to each question, then open it.
#
# **1.** The report gives a limit with a narrow bracket. What is narrow?
#
# :::{dropdown} A. The doubt about how sparse the network can be.
#
# No bracket covers the quadratic model, the mask, or your choice of $\epsilon$.
# :::
#
# :::{dropdown} B. The doubt about the formula's value, for this policy and these data.
#
# Right: it is about the computation.
# :::
#
# :::{dropdown} C. The spread over other samples of the data.
#
# Other data make another matrix. The bracket is about the one that was given.
# :::
#
# **2.** To save time you pass 100 of the 1,400 training examples, and the limit becomes sparser. Why?
#
# :::{dropdown} A. Chance: with few examples it goes up as often as down.
#
# On average it goes one way. The rank of the Gauss–Newton matrix is at most $100 \cdot 9 = 900$, below $D = 1440$.
# :::
#
# :::{dropdown} B. The few examples are easier to fit, so there is more room.
#
# The weights are the same; nothing was trained again.
# :::
#
# :::{dropdown} C. Directions that the 100 examples do not feel count as flat.
#
# Right. The note on the rank says so: give more data.
# :::
#
# **3.** One-shot: 0.6. Sharp: 0.9. You cannot re-train. How far do you cut?
#
# :::{dropdown} A. To about 0.6, after a sweep around it.
#
# Right: the one-shot line answers your question, in the quadratic model; the sweep measures it.
# :::
#
# :::{dropdown} B. To 0.9: a network with this support exists.
#
# It has other values of the survivors, and you cannot look for them.
# :::
#
# :::{dropdown} C. To 0.75, between the two.
#
# They answer two questions. Their mean answers none.
# :::

# %% [markdown]
# ## Exercises
#
# :::{exercise}
# :label: ex-model-calculate
# **Calculate.** In the example by hand, what does the paper's limit give at $\epsilon = 0.2$ with $R = R(1) = 0.5$ held fixed? Is keeping one weight enough by that count?
# :::
#
# :::{solution} ex-model-calculate
# :class: dropdown
# $\sigma = 2 \cdot 0.2 / 0.25 = 1.6$ and $N_\mathrm{eff} = 4/5.6 + 1/2.6 \approx 1.10$: a little more than one weight.
# With two weights the formulas, made for many, mean little.
# :::
#
# :::{exercise}
# :label: ex-model-code
# **Code.** Fine-tune the network at the sharp limit's sparsity (`pruning.finetune`) and see whether the loss comes back to $L(w^*) + \epsilon$.
# :::
#
# :::{solution} ex-model-code
# :class: dropdown
# ```python
# from prunelimit import pruning
# masks = pruning.magnitude_mask(model, float(report.sharp.sparsity))
# tuned = pruning.finetune(model, masks, nn.functional.cross_entropy, loader, loader,
#                          pl.default_finetuning(loader))
# print(tuned.lowest_loss, report.loss.mean + report.epsilon)
# ```
# From the dense network it does not: 0.12, where 0.07 is allowed. `find_limit`, which came by a passing network at 0.80, ended at 0.833.
# :::
#
# :::{exercise}
# :label: ex-model-criticise
# **Criticise.** A colleague evaluates `predict_limit` on 200 of 50,000 training images "because the bracket was narrow". What went wrong, and which line of the report should have warned?
# :::
#
# :::{solution} ex-model-criticise
# :class: dropdown
# The bracket is about the formula for the data given. With $N(c-1) < D$ the matrix has at most that rank, so the limit is too sparse. The note about the rank warns.
# :::
#
# ## What this does *not* say
#
# - The bracket is no confidence interval for *your network's* true limit (`expected` is meant as one). Chapter 10 has cases where the model behind the formula fails.
# - A limit on the training loss is not a limit on accuracy, on robustness, or on the accuracy of a subgroup.
# - The report does not say how to train the survivors; it says whether the quadratic picture leaves room.
#
# ## Sources
#
# {cite}`zhang2024sparse` for the paper's limit and its default $\epsilon$; the sharp limit, the brackets and the report are this project's.
