"""The figures of a prediction and of a search (chapter 9). No mathematics lives here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from prunelimit.plots.style import COLOURS, CURVES, draw_epsilon, mark_limits, sparsity_axis


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


def tries_figure(
    tries: Iterable[Sequence[float]], bracket: Sequence[float], allowed: float
) -> Figure:
    """What `find_limit` did: the loss after each fine-tuning, numbered in order, and the bracket.

    Each try is (sparsity, loss); `bracket` is (lower, upper) in sparsity, `allowed` the loss that
    a network may have.
    """
    figure, ax = plt.subplots()
    sparsities, losses = np.array(list(tries)).T
    ax.plot(sparsities, losses, "o", color=COLOURS["blue"], markersize=6)
    for number, place in enumerate(zip(sparsities, losses, strict=True), 1):
        ax.annotate(
            f"try {number}",
            place,
            xytext=(6, 4),
            textcoords="offset points",
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    draw_epsilon(ax, allowed, "loss allowed")
    ax.axvspan(*bracket, color=COLOURS["sky"], alpha=0.25, linewidth=0)
    ax.set(yscale="log", ylabel="loss after fine-tuning (nats)")
    # Within a decade, matplotlib would write a number at every line.
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.12, y=0.1)
    ax.locator_params("x", nbins=5)
    sparsity_axis(ax)
    return figure
