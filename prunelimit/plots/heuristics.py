"""Figures of chapter 8: methods compared, and limits that move. No mathematics lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from prunelimit.plots.panels import draw_limits, legend_below, panels_in_twos
from prunelimit.plots.style import COLOURS, WIDTH

if TYPE_CHECKING:
    from prunelimit.results.methods import LimitRow, MethodRow

_SERIES = (("blue", "o"), ("vermilion", "s"), ("green", "D"))


def methods_compared(rows: Sequence[MethodRow], sparsities: Sequence[float]) -> Figure:
    """Test accuracy of each method, a mark a seed and a bar at the mean, one line a sparsity.

    Parameters
    ----------
    rows
        The best at the last sparsity stands at the top, a method that gave an error is left out
        there.
    sparsities
        At most three.
    """
    labels = _ranked(rows, sparsities[-1])
    figure, ax = plt.subplots(figsize=(WIDTH, 0.36 * len(labels) + 1.4))
    dense = float(np.mean(_accuracies(rows, "dense", 0.0)))
    ax.axvline(dense, color=COLOURS["grey"], linestyle="--", marker="", label="dense")
    for position, (sparsity, (colour, marker)) in enumerate(zip(sparsities, _SERIES, strict=False)):
        shift = 0.25 * ((len(sparsities) - 1) / 2 - position)
        name: str | None = f"sparsity {sparsity:g}"
        for height, label in enumerate(labels):
            values = _accuracies(rows, label, sparsity)
            if values:
                heights = [height + shift] * len(values)
                ax.plot(values, heights, marker, color=COLOURS[colour], alpha=0.7, label=name)
                ax.plot(np.mean(values), heights[0], "|", color=COLOURS["black"], markersize=9)
                name = None
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xlabel("test accuracy")
    legend_below(figure, [ax])
    return figure


def _accuracies(rows: Sequence[MethodRow], label: str, sparsity: float) -> list[float]:
    return [
        row.test_accuracy
        for row in rows
        if row.label == label and row.sparsity == sparsity and row.test_accuracy is not None
    ]


def _ranked(rows: Sequence[MethodRow], sparsity: float) -> list[str]:
    labels = [label for label in dict.fromkeys(row.label for row in rows) if label != "dense"]

    def mean(label: str) -> float:
        values = _accuracies(rows, label, sparsity)
        return float(np.mean(values)) if values else -1.0

    return sorted(labels, key=mean)


def limits_over_rounds(rows: Sequence[LimitRow]) -> Figure:
    """Predicted limits after each training of iterative pruning, and the sparsity reached."""
    figure, ax = plt.subplots()
    rounds = [row.round or 0 for row in rows]
    reached = [row.sparsity or 0.0 for row in rows]
    ax.plot(rounds, reached, "o-", color=COLOURS["blue"], label="sparsity of the network")
    draw_limits(ax, rounds, rows, "sD")
    ax.set(xlabel="rounds of pruning behind it", ylabel=r"sparsity $s = 1 - k/D$")
    ax.legend()
    return figure


def limits_over_factor(studies: Mapping[str, Sequence[LimitRow]]) -> Figure:
    """Predicted limits against the factor on the weights, one panel a way of scaling."""
    figure, axes, _ = panels_in_twos(len(studies), 4.0)
    for ax, (title, rows) in zip(axes, studies.items(), strict=True):
        factors = [row.factor or 1 for row in rows]
        draw_limits(ax, factors, rows, "sD")
        one_shot = [row.one_shot for row in rows]
        colour = COLOURS["orange"]
        ax.plot(factors, one_shot, "v-", color=colour, label="one-shot, quadratic model")
        ax.set(title=title, xlabel="factor $c$")
    axes[0].set_ylabel("predicted sparsity")
    legend_below(figure, axes)
    return figure


def unused_weights(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Share of the kept weights that lie on no path, against sparsity, one line a method."""
    figure, ax = plt.subplots()
    for label, (sparsities, unused) in curves.items():
        ax.plot(1 - np.asarray(sparsities), unused, label=label)
    ax.set_xscale("log")
    ax.invert_xaxis()
    ticks = np.asarray(next(iter(curves.values()))[0])
    ax.set_xticks(1 - ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel(r"sparsity $s = 1 - k/D$ (share kept, logarithmic)")
    ax.set_ylabel("share of kept weights on no path")
    ax.legend()
    return figure
