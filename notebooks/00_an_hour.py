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
# # An hour
#
# **After this chapter you can**
#
# - say what the theory of Zhang, Zhang, Sun and Liu {cite}`zhang2024sparse` predicts about pruning, and from what;
# - say what was measured, on one network that you cut yourself;
# - choose what to do with a network of your own.
#
# *Reading: 30 minutes. An hour, if you write each guess down, go through every step of the five widgets and play with them. Nothing is needed before it.*
#
# ```{admonition} The answer box
# 1. **The question is four questions.** How far can you cut if you then touch nothing; what does the paper's formula say; what is possible if the loss is a bowl; what is possible in earnest, when the survivors are trained again?
# 2. **Beside the loss you allow, the theory needs two things only**: how large the removed weights are, and how sharply the loss curves. From these it computes a sparsity before anything is tried.
# 3. **Why there is a limit at all**: networks with the same survivors form a subspace, and in many dimensions a random subspace either almost surely misses a convex set, one without dents, or almost surely meets it.
# 4. **What was found**: on 216 small networks the paper's formula, and a second one that this book adds, were five to six points of sparsity off, in the mean, from what training the survivors reached. The truth lay between the two in half of the cases only.
# 5. **What to use**: before trying, an interval, some twenty points wide (`report.expected`); then three to five fine-tunings that close in on the answer (`find_limit`, {doc}`chapter 9 </notebooks/09_your_model>`).
# ```

# %% tags=["hide-cell"]
from prunelimit import plots, widgets
from prunelimit.widgets.cut_a_network import hour_network

plots.use_style()
network = hour_network()
print(f"{network['name']}: {network['grid']['dim']} weights, test accuracy", end=" ")
print(f"{network['grid']['dense_accuracy']:.3f}, loss {network['loss']:.3f}")

# %% [markdown]
# ## 1. Cut a network
#
# Here is a network that reads images of digits, eight pixels by eight. Each of the 64 pixels is joined to twelve hidden units, and these to ten classes: 64 · 12 + 12 · 10 = 888 weights. (The biases are not counted and never cut.) It reads 96.4 % of 360 test images. In training a penalty lay on the sum of the weights' magnitudes, and therefore many of them are small already.
#
# To **prune** the network is to set weights to zero, the smallest first. **Sparsity** is the share that is gone: at a sparsity of 0.75, 222 weights are left.
#
# ```{admonition} Predict
# :class: tip
# Half of the 888 weights are removed, the smaller half. How many of the eight digits below does the network still read? And at which sparsity would you call it broken? Write the first number down, and set the second under *your guess*, with the slider or in figures: this browser remembers it for the last section. Then press *Next*, or *Cut it*.
# ```

# %% tags=["remove-input"]
widgets.CutANetwork()

# %% [markdown]
# :::{dropdown} What came out
# At half, all eight are read as before, and of all test images still 96.4 %. Because the small weights carry little, nothing happens for a long time; then, over a narrow range, everything does: 94 % at a sparsity of 0.75, 86 % at 0.80, 40 % at 0.95. And if the survivors may train again, the break moves to the right. At 0.84 they read 95 %, and even with nine tenths of the weights gone 91 %, where the untouched survivors read 71 %.
# :::
#
# So the network breaks twice, at two different places. Cutting alone and cutting with training are two questions, and a single number called "the pruning limit" would hide that:
#
# - **one-shot**: cut, and touch nothing;
# - **real existence**: is there *any* network with these survivors whose loss is good enough? Training is the way to look for one, and what it finds is only a lower bound on the sparsity at which one exists.
#
# "Good enough" needs a number. Throughout, the loss may rise by $\epsilon$ above the trained network's own, here 0.040. For $\epsilon$ we take the paper's choice, the standard deviation of the loss from one minibatch to the next, because a rise that is lost in this noise is a small one. Here that is 0.016, so a network is good enough while its loss is at most 0.056. The fold has what the cuts of the widget reach by this measure.

# %% tags=["hide-input", "hide-output"]
level = network["loss"] + network["epsilon"]
passing = [sparsity for sparsity, loss, _ in network["oneShot"] if loss <= level]
first_miss = next(s for s, loss, _ in network["oneShot"] if loss > level)
below = max(
    entry["sparsity"] for entry in network["retrained"] if entry["loss"] <= level
)
above = min(
    entry["sparsity"] for entry in network["retrained"] if entry["loss"] > level
)
print(f"ε = {network['epsilon']:.4f}: the loss may reach {level:.4f}")
print(f"one-shot: still below at {first_miss - 0.01:.2f}, above it at {first_miss:.2f}")
print(f"trained again: brought below at {below:.2f}, not at {above:.2f}")

# %% [markdown]
# ## 2. Hit or miss
#
# Both curves of the last section fall over a narrow range. Can one say beforehand where? For the second one, where the survivors train again, a picture helps. All networks with the same survivors form a subspace, because each survivor may take any value. The networks that are good enough form a set. So the question whether the network can be cut that far becomes: does the subspace meet the set?
#
# Forget networks for ten minutes and take the simplest case of that question, a wedge in the plane and a line through its corner. If the line's direction is random, it hits the wedge with a probability that can be read off the wedge's angle. A right-angled wedge, 45° to either side of its axis, is hit by half of all lines; a wider one by more, and the probability grows gently with the angle.
#
# In more dimensions the wedge becomes a **cone** around an axis, and the line a **subspace** of dimension $m$ among $D$. What matters is the angle between the subspace and the cone's axis: the subspace hits the cone exactly when that angle is smaller than the cone's own.
#
# ```{admonition} Predict
# :class: tip
# Take the cone of 45° and half of the dimensions, and raise $D$ from 2 to 100,000. What happens to the angles of two hundred random subspaces: do they spread out, or crowd together? And what does that make of the curve, the chance of a hit?
# ```

# %% tags=["remove-input"]
widgets.HitOrMiss()

# %% [markdown]
# :::{dropdown} What came out
# They crowd together, and the curve becomes a cliff: in 100,000 dimensions all two hundred lie within a degree of 45°, so that a slightly wider cone is hit by all of them and a slightly narrower one by none.
# :::
#
# Why? Turn the picture round: hold the subspace fixed, as the first $m$ coordinates, and let the axis point anywhere. The squares of the axis' $D$ coordinates add up to 1, and the first $m$ of them are the squared length of its shadow on the subspace. As each square is $1/D$ on average, the shadow's is $m/D$; and as there are many of them, it hardly varies, just as the share of heads hardly varies among many tosses of a coin. It stays within a few times $1/\sqrt{D}$.
#
# So in high dimension all subspaces of one size lie at *the same* angle from the axis, 45° if $m$ is half of $D$. If that angle is inside the cone, all hit; if it is outside, all miss; and the change between the two takes only some $\sqrt{D}$ dimensions of $D$: about 600 of 100,000, from one hit in ten to nine in ten. That is the cliff.
#
# Where does it stand? Take a random vector whose squared length is $D$ on average, one for each dimension, and project it onto the cone. What is left of that, on average, is the **statistical dimension** $\delta$: how large the cone is, in dimensions. A subspace of dimension $m$ has $\delta = m$, all of space has $\delta = D$, and the cone of 45° has $\delta = D/2$. Subspaces begin to hit where
#
# $$ m + \delta = D, $$
#
# just as two planes through one point of a space of three dimensions have to share a line, while two lines there need not meet again. This is the approximate kinematics formula of Amelunxen, Lotz, McCoy and Tropp {cite}`amelunxen2014living`, a theorem about every convex cone ({doc}`chapter 3 </notebooks/03_kinematics>`; the widget's own curve is [exact]{.label .label-exact} at every $D$).

# %% [markdown]
# ## 3. The one picture
#
# Now the network again, which has to become a subspace and a cone. Its 888 weights are one point $w^*$ in 888 dimensions. Around it lies the set $S(\epsilon)$ of all weights whose loss is at most $\epsilon$ higher, the **sublevel set**. Near $w^*$ the loss is about a bowl, so the set is about an ellipsoid: long where the loss is flat, short where it curves. How much it curves along each axis is an eigenvalue $\lambda_i$ of the loss's second derivative, the **Hessian**.
#
# Cutting the smallest weights moves $w^*$ to a point $w^k$ with $k$ weights left. The distance $R$ between the two is the root of the summed squares of what was cut: for two weights of 0.3 and 0.4 it is 0.5. If nothing is trained, all depends on whether $w^k$ itself lies in the ellipsoid. If the survivors may train, they may go anywhere in the subspace of networks with the same zeros. That subspace $L$ has dimension $k$, passes through $w^k$, and either meets the ellipsoid or does not; this question is **quadratic existence**: real existence with the bowl in the loss's place. Seen from $w^k$, the ellipsoid fills a cone, and therefore you know the question already: does a $k$-dimensional subspace hit a cone?
#
# ```{admonition} Predict
# :class: tip
# In the picture, what makes it easier for the kept line to meet the ellipse: a larger $\epsilon$, a smaller $R$, or a rounder ellipse?
# ```

# %% tags=["remove-input"]
widgets.OnePicture()

# %% [markdown]
# :::{dropdown} What came out
# A larger $\epsilon$ and a smaller $R$ help always. A rounder ellipse harms here, since the slider shortens its long axis and leaves the other, so that the set shrinks. At the same area roundness helps or harms according to the direction in which one looks.
# :::
#
# With two weights one looks at one direction at a time. In many dimensions the directions average out, and what counts is how many axes of the ellipsoid are long compared with $R$. Counting them gives the size of the cone, and with it the limit.

# %% [markdown]
# ## 4. Where two curves meet
#
# By section 2, subspaces of dimension $k$ begin to hit where $k + \delta = D$. That leaves one thing to compute: the size $\delta$ of the cone over the ellipsoid. Take its axes one by one. From distance $R$, an axis of half-length $r_i$ fills a share $r_i^2 / (R^2 + r_i^2)$ of a dimension: half of one if it is as long as $R$, 0.9 if it is three times as long, 0.1 if a third. The shares add up to about $\delta$ [heuristic]{.label .label-heuristic}. For the bowl's ellipsoid $r_i^2 = 2\epsilon/\lambda_i$, so that $k = D - \delta$ becomes
#
# $$ k = \sum_i \frac{\lambda_i}{\lambda_i + 2\epsilon/R(k)^2} = N_{\mathrm{eff}}\!\left(\frac{2\epsilon}{R(k)^2}\right), $$
#
# the paper's limit. The right side, an **effective dimension**, counts the directions that are sharp: softly, a direction of curvature $2\epsilon/R^2$ as one half. That is how many weights have to be kept: about one for each sharp direction, to adjust it. Since the distance $R$ depends on how many weights are kept, $k$ stands on both sides, and the limit is where two curves meet. The widget draws them as distances: $R(k)$, how far the cut has moved the network, and a boundary, how far $k$ survivors can make up for.
#
# This book adds a second formula. If the kept subspace is taken to be random, as the paper's argument does, the quadratic question can be answered as it stands, without cones; then $2\epsilon/R^2$ is multiplied by $(D-k)/k$, so that beyond a sparsity of one half fewer directions count and more weights may go. It is called the **sharp limit** [asymptotic]{.label .label-asymptotic} here, and {doc}`chapter 4 </notebooks/04_sublevel_sets>` derives and tests it.
#
# ```{admonition} Predict
# :class: tip
# Halve all weights, and leave the curvature as it is. Which way does the limit move? And if the loss is made ten times flatter?
# ```

# %% tags=["remove-input"]
widgets.TheLimit(network["grid"])

# %% [markdown]
# :::{dropdown} What came out
# Both moves make the network sparser. Ten times flatter does more than weights halved, because only $R^2\lambda_i/\epsilon$ counts: a factor of ten against a factor of four.
# :::
#
# So there are two ways to a network that can be cut far: make its weights small, or its loss flat. The penalty of section 1, on the sum of the magnitudes (the $\ell_1$ norm), does the first, because it pushes most weights towards zero and leaves the sum to a few, which are kept. What is left is to see whether a real network obeys.

# %% [markdown]
# ## 5. Four questions, one network
#
# Here is everything that was computed for the network of section 1 before trying, beside what trying gave and what you guessed. *Show them* uncovers one answer after another; the same numbers stand in the table below.

# %% tags=["remove-input"]
widgets.FourAnswers()

# %% tags=["hide-input", "hide-output"]
import pandas as pd

predicted = network["predicted"]
before = [f"{predicted[name]:.3f}" for name in ("one_shot", "paper", "sharp")]
measured = [
    f"{first_miss - 0.01:.2f} to {first_miss:.2f}",
    "",
    "",
    f"{below:.2f} to {above:.2f}",
]
pd.DataFrame(
    {"computed before": [*before, ""], "measured": measured},
    index=[
        "one-shot (bowl)",
        "the paper's limit",
        "the sharp limit: survivors re-fitted in the bowl",
        "survivors trained again",
    ],
)

# %% [markdown]
# Go through them in order.
#
# - **Cut, untouched.** The bowl said 0.696, and the loss passed $\epsilon$ between 0.65 and 0.66: a fair picture, four points too hopeful. If you guessed 0.8 or so, you watched the digits. At 0.66 the network still reads 94.7 % of them: the loss notices a cut before they do.
# - **Trained again.** The survivors came back to within $\epsilon$ at 0.84, and at 0.88, the next that was tried, they did not. The paper's limit, 0.805, is too careful here. The sharp limit, 0.874, lies in the interval.
#
# It would be easy to stop here and call the sharp limit the answer. It would be wrong: on 216 small networks, whose survivors were trained to convergence, it is five points of sparsity off in the mean, and mostly too sparse ({doc}`chapter 10 </notebooks/10_limits_of_the_limit>`). Nor is one measurement the last word: on a network of 266,200 weights, trained on Fashion-MNIST, plain gradient descent brought the survivors back at 0.960, beside 0.956 by the paper's formula; as many epochs of another optimiser, Adam, brought them back at 0.989, beside 0.990 by the sharp limit ({doc}`the page of the paper's figures </book/paper>`). What training did not find may still be there. (Both formulas take their curvature from the Gauss–Newton matrix here, which stands for the Hessian and has no negative curvature. That is this book's choice and not the paper's.)
#
# A formula of this kind sees the weights, the gradient and the Hessian where training ended, while training the survivors walks away from there; how much that costs is asked in {doc}`chapter 10 </notebooks/10_limits_of_the_limit>`.
#
# Why is the network's own curve soft, where the theory has a cliff? The cliff is in a probability: of many random subspaces, how many hit? The curve in section 1 is about one network, cut deeper and deeper, and what it loses grows with each weight that is gone. Nor is its mask random: it follows the weights.
#
# ## What to do with a network of your own
#
# Ask for a report. It needs the model, its loss and the data, and trains nothing:
#
# ```python
# import prunelimit as pl
#
# report = pl.predict_limit(model, loss_fn, loader)
# print(report)
# ```
#
# Then decide which of the four questions is yours.
#
# - **You will not train again.** Read the one-shot line, cut a copy there with `pl.prune`, and measure, which takes one pass over the data.
# - **You will train the survivors.** Read both limits and the interval that stands beside them as *expected*, and do not stop there: `pl.find_limit(model, loss_fn, loader, report)` begins at that expectation and closes in by fine-tuning, three to five times as a rule.
# - **You tell somebody the number.** Tell $\epsilon$ with it, and which of the four questions it answers.
#
# {doc}`Chapter 9 </notebooks/09_your_model>` does this line by line.
#
# ## The argument, in five sentences
#
# 1. Weights about as good as yours form the set $S(\epsilon)$; near $w^*$ it is about an ellipsoid, long where the loss is flat.
# 2. Networks with the same $k$ survivors form a $k$-dimensional subspace, whose distance from $w^*$ is the norm $R$ of what was cut.
# 3. Whether a random subspace meets a convex set changes from "almost never" to "almost always" at one dimension, given by the set's statistical dimension.
# 4. For the ellipsoid that is, up to modelling steps, an effective dimension of the Hessian at the scale $2\epsilon/R^2$.
# 5. So the smallest $k$ solves one equation in one unknown; whether a network obeys it has to be measured.
#
# ## What this does *not* say
#
# - Nothing here is a guarantee for your network. The kinematics formula is a theorem about random subspaces; that the subspace of the survivors behaves like one is a modelling step.
# - One network with 888 weights shows what the questions are, not how often which formula is right.
# - "Trained again" is what sixty epochs of one optimiser found, without the penalty. Networks that are better may exist. And the dense network, trained on in the same way, would have a lower loss to be measured from.
# - $\epsilon$ is a choice. Another batch size gives another, and each moves all four answers.
#
# ## Where to go
#
# - {doc}`1: Convex cones </notebooks/01_convex_cones>`, {doc}`2: Gaussian width and statistical dimension </notebooks/02_gaussian_width>`, {doc}`3: The kinematics formula </notebooks/03_kinematics>`: the geometry of section 2, with proofs.
# - {doc}`4: Loss sublevel sets </notebooks/04_sublevel_sets>`: section 3, in many dimensions, and the sharp limit.
# - {doc}`5: Hessian spectra </notebooks/05_hessian_spectra>`: how the curvature of millions of weights is measured, and how sure it is.
# - {doc}`6: The pruning limit </notebooks/06_pruning_limit>`: section 4, solved.
# - {doc}`7: LOMP experiments </notebooks/07_lomp>`: the experiments, at full size.
# - {doc}`8: Why heuristics work </notebooks/08_heuristics>`: what the limit explains of other people's methods.
# - {doc}`9: Your own model </notebooks/09_your_model>`: the same questions about your own network.
# - {doc}`10: What could be wrong </notebooks/10_limits_of_the_limit>`: where all of this ends.
