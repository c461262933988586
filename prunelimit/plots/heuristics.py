"""Figures of chapter 8: methods compared, and limits that move. No mathematics lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from prunelimit.plots.style import COLOURS, draw_limits

if TYPE_CHECKING:
    from prunelimit.results.methods import LimitRow, MethodRow


def methods_compared(rows: Sequence[MethodRow], sparsities: Sequence[float]) -> Figure:
    """Test accuracy of each method, a dot a seed and a bar at the mean, one panel a sparsity.

    Parameters
    ----------
    rows
        The best at the last sparsity stands at the top, a method that gave an error is left out
        there.
    sparsities
        Of the panels.
    """
    figure, axes = plt.subplots(1, len(sparsities), figsize=(9.0, 5.2), sharey=True, squeeze=False)
    labels = _ranked(rows, sparsities[-1])
    dense = _accuracies(rows, "dense", 0.0)
    for ax, sparsity in zip(axes[0], sparsities, strict=True):
        ax.axvline(np.mean(dense), color=COLOURS["grey"], linestyle="--", marker="", label="dense")
        for height, label in enumerate(labels):
            values = _accuracies(rows, label, sparsity)
            if values:
                ax.plot(values, [height] * len(values), "o", color=COLOURS["blue"], alpha=0.7)
                ax.plot(np.mean(values), height, "|", color=COLOURS["black"], markersize=14)
        ax.set(title=f"sparsity {sparsity:g}", xlabel="test accuracy")
    axes[0, 0].set_yticks(range(len(labels)), labels)
    axes[0, 0].legend(loc="lower right")
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
    figure, axes = plt.subplots(1, len(studies), figsize=(9.0, 3.8), sharey=True, squeeze=False)
    for ax, (title, rows) in zip(axes[0], studies.items(), strict=True):
        factors = [row.factor or 1 for row in rows]
        draw_limits(ax, factors, rows, "sD")
        one_shot = [row.one_shot for row in rows]
        colour = COLOURS["orange"]
        ax.plot(factors, one_shot, "v-", color=colour, label="one-shot, quadratic model")
        ax.set(title=title, xlabel="factor $c$")
    axes[0, 0].set_ylabel(r"predicted sparsity")
    axes[0, 0].legend()
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
