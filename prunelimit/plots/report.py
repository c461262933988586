"""The figure of a prediction (chapter 9). No mathematics lives here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from prunelimit.plots.style import COLOURS, CURVES, mark_limits, sparsity_axis


def limit_figure(
    curve: Iterable[Sequence[float] | np.ndarray],
    crossing: float,
    limits: Mapping[str, Sequence[float]],
    epsilon: float,
) -> Figure:
    """What `predict_limit` found: the one-shot curve, ε, and each limit with its bracket.

    `curve` has sparsities and the rises that the quadratic model predicts there, `crossing` is
    where it meets `epsilon`; each limit is (lower, value, upper) in sparsity.
    """
    figure, ax = plt.subplots()
    sparsities, rises = curve
    _, colour, marker = CURVES["one_shot_quadratic"]
    ax.plot(
        sparsities,
        np.maximum(rises, epsilon / 30),
        color=colour,
        marker=marker,
        markevery=0.05,
        label=rf"one-shot $\frac{{1}}{{2}}x^\top H x$: {crossing:.3f}",
    )
    ax.axhline(
        epsilon,
        color=COLOURS["grey"],
        linestyle=":",
        marker="",
        label=rf"$\epsilon = {epsilon:.3g}$",
    )
    mark_limits(ax, limits)
    ax.set(yscale="log", ylabel=r"predicted loss rise (units of the loss)")
    sparsity_axis(ax)
    ax.legend(loc="upper left")
    return figure
