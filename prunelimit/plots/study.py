"""Figures of chapter 10: predictions against measurements. No mathematics lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunelimit.plots.limits import COLOURS, CURVES, LIMITS

if TYPE_CHECKING:
    from prunelimit.results.study import StudyPoint

MARKERS = {"paper": "s", "sharp": "D"}
POINT = 0.01
"""One point of sparsity: the width of the bands."""


def predictions_against_curves(rows: Sequence[StudyPoint], curves: Sequence[str]) -> Figure:
    """Predicted against measured sparsity, one panel a curve, both formulas in each.

    Parameters
    ----------
    rows
        Of a study.
    curves
        Keys of `prunelimit.plots.CURVES`.
    """
    figure, axes = plt.subplots(1, len(curves), figsize=(9.0, 3.6), sharey=True, squeeze=False)
    for ax, curve in zip(axes[0], curves, strict=True):
        ends = np.array([min(row.measured[curve] for row in rows) - 0.03, 1.0])
        ax.plot(ends, ends, color=COLOURS["grey"], linewidth=1.0, marker="")
        ax.fill_between(ends, ends - POINT, ends + POINT, color=COLOURS["grey"], alpha=0.25)
        for formula, marker in MARKERS.items():
            label, colour, _ = LIMITS[formula]
            measured = [row.measured[curve] for row in rows]
            predicted = [row.predicted[formula] for row in rows]
            ax.plot(measured, predicted, marker, color=colour, alpha=0.7, label=label)
        ax.set_xlabel(f"{CURVES[curve][0]}\nsparsity $s = 1 - k/D$")
    axes[0, 0].set_ylabel("predicted sparsity")
    axes[0, 0].legend()
    return figure


def end_of_the_model(rows: Sequence[StudyPoint]) -> Figure:
    """What the real loss does where the quadratic model is at its lowest, and what it costs.

    Left: real over quadratic rise at the re-fitted survivors, against R/‖w*‖.
    Right: predicted minus measured real existence, in points, against the same.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8))
    for formula, marker in MARKERS.items():
        label, colour, _ = LIMITS[formula]
        distance = [row.at_limit[formula].relative_distance for row in rows]
        style = {"color": colour, "alpha": 0.7, "linestyle": "", "marker": marker}
        left.plot(distance, [row.at_limit[formula].misfit for row in rows], label=label, **style)
        missed = _missed(rows, formula)
        right.plot(distance, missed, label=label, **style)
    left.set_yscale("log")
    left.axhline(1.0, color=COLOURS["grey"], linewidth=1.0, marker="")
    left.set_ylabel("rise at the re-fit: real / quadratic")
    right.set_ylabel("predicted $-$ real existence (points)")
    _one_point_band(right, horizontal=True)
    for ax in (left, right):
        ax.set_xlabel(r"$R/\|w^*\|$ at the predicted limit")
    left.legend()
    return figure


def corrections_compared(rows: Sequence[StudyPoint], names: Sequence[str], chosen: str) -> Figure:
    """Predicted minus measured real existence of each row, a line of dots a prediction.

    Rows that were held out are diamonds, the others dots. The line of `chosen` is shaded.
    """
    figure, ax = plt.subplots(figsize=(8.0, 5.2))
    for height, name in enumerate(reversed(names)):
        for held_out, marker, colour in ((False, "o", "sky"), (True, "D", "blue")):
            part = [row for row in rows if row.held_out == held_out]
            shown = _missed(part, name)
            shift = 0.16 if held_out else -0.16
            heights = [height - shift] * len(shown)
            ax.plot(shown, heights, marker, color=COLOURS[colour], alpha=0.7, markersize=4)
        if name == chosen:
            ax.axhspan(height - 0.45, height + 0.45, color=COLOURS["yellow"], alpha=0.35)
    for marker, colour, label in (("o", "sky", "chosen on"), ("D", "blue", "held out")):
        ax.plot([], [], marker, color=COLOURS[colour], label=label)
    _one_point_band(ax, horizontal=False)
    ax.set_yticks(range(len(names)), list(reversed(names)))
    ax.set_xlabel("predicted $-$ measured real existence (points of sparsity)")
    ax.legend(loc="lower left")
    return figure


def _missed(rows: Sequence[StudyPoint], prediction: str) -> list[float]:
    """Predicted minus measured real existence, in points, where there is a prediction."""
    errors = (row.error(prediction, "real_existence") for row in rows)
    return [100 * error for error in errors if error is not None]


def _one_point_band(ax: Axes, horizontal: bool) -> None:
    band = ax.axhspan if horizontal else ax.axvspan
    band(-100 * POINT, 100 * POINT, color=COLOURS["grey"], alpha=0.25)
