"""The figure of a prediction (chapter 9). No mathematics lives here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from prunelimit.plots.style import COLOURS, CURVES, mark_limits, sparsity_axis

if TYPE_CHECKING:
    from prunelimit.report import PruningLimit


def limit_figure(report: PruningLimit) -> Figure:
    """What `predict_limit` found: the one-shot curve, ε, and each limit with its bracket."""
    sparsities, rises = report.one_shot_curve
    epsilon = report.epsilon
    figure, ax = plt.subplots()
    _, colour, marker = CURVES["one_shot_quadratic"]
    ax.plot(
        sparsities,
        np.maximum(rises, epsilon / 30),
        color=colour,
        marker=marker,
        markevery=0.05,
        label=rf"one-shot $\frac{{1}}{{2}}x^\top H x$: {float(report.one_shot.sparsity):.3f}",
    )
    ax.axhline(
        epsilon,
        color=COLOURS["grey"],
        linestyle=":",
        marker="",
        label=rf"$\epsilon = {epsilon:.3g}$",
    )
    mark_limits(ax, report.ends())
    ax.set(yscale="log", ylabel=r"predicted loss rise (units of the loss)")
    sparsity_axis(ax)
    ax.legend(loc="upper left")
    return figure
