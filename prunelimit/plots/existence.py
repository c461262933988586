"""Figures of chapter 10: predictions against measurements. No mathematics lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from prunelimit.plots.panels import legend_below, panels_in_twos
from prunelimit.plots.style import COLOURS, CURVES, LIMITS, WIDTH

if TYPE_CHECKING:
    from prunelimit.results.calibrated import CalibrationTable
    from prunelimit.results.existence import AtEpsilon, ExistenceStudy, Expansions

MARKERS = {"paper": "s", "sharp": "D"}
POINT = 0.01
"""One point of sparsity: the width of the bands."""

ELASTICITIES = {
    "k_paper": (LIMITS["paper"][0], LIMITS["paper"][1], "s"),
    "k_sharp": (LIMITS["sharp"][0], LIMITS["sharp"][1], "D"),
    "quadratic_existence": CURVES["quadratic_existence"],
    "real_existence": CURVES["real_existence"],
}


def predictions_against_curves(rows: Sequence[AtEpsilon], curves: Sequence[str]) -> Figure:
    """Predicted against measured sparsity, one panel a curve, both formulas in each.

    Parameters
    ----------
    rows
        Of a study.
    curves
        Keys of `prunelimit.plots.CURVES`.
    """
    figure, axes, place = panels_in_twos(len(curves), 3.2)
    lowest = min(row.predicted[formula] for row in rows for formula in MARKERS)
    axes[0].set_ylim(lowest - 0.03, 1.02)  # of all panels
    for ax, curve in zip(axes, curves, strict=True):
        ends = np.array([min(row.measured[curve] for row in rows) - 0.03, 1.0])
        ax.plot(ends, ends, color=COLOURS["grey"], linewidth=1.0, marker="")
        ax.fill_between(ends, ends - POINT, ends + POINT, color=COLOURS["grey"], alpha=0.25)
        for formula, marker in MARKERS.items():
            label, colour, _ = LIMITS[formula]
            measured = [row.measured[curve] for row in rows]
            predicted = [row.predicted[formula] for row in rows]
            ax.plot(measured, predicted, marker, ms=3, color=colour, alpha=0.5, label=label)
        ax.set_xlabel(f"{CURVES[curve][0]}\nsparsity $s = 1 - k/D$")
    for ax in axes[::2]:
        ax.set_ylabel("predicted sparsity")
    place.legend(*axes[0].get_legend_handles_labels(), loc="center" if place not in axes else None)
    return figure


def models_compared(table: CalibrationTable) -> Figure:
    """Mean error of each prediction minus that of `expected`, networks drawn again for the bar."""
    errors = table.left_out.errors
    names = sorted((name for name in errors if name != "expected"), key=lambda n: errors[n].mean)
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    for height, name in enumerate(reversed(names)):
        low, high = (100 * end for end in errors[name].interval)
        middle = 100 * errors[name].worse_than_expected_by
        bar = [[middle - low], [high - middle]]
        ax.errorbar(middle, height, xerr=bar, fmt="o", color=COLOURS["blue"], capsize=4)
    ax.axvline(0.0, color=COLOURS["grey"], linewidth=1.0)
    ax.set_yticks(range(len(names)), list(reversed(names)))
    ax.set_xlabel("mean |error| minus that of the fit\n(points of sparsity)")
    return figure


def elasticities(study: ExistenceStudy) -> Figure:
    """−d log(kept)/d log ε of each network, both formulas and two curves; the bar is the median."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.2))
    generator = np.random.default_rng(0)
    found = [network.elasticities for network in study.networks]
    for height, (name, (label, colour, marker)) in enumerate(list(ELASTICITIES.items())[::-1]):
        values = np.array([one[name] for one in found])
        jitter = height + generator.uniform(-0.25, 0.25, len(values))
        ax.plot(values, jitter, marker, color=colour, alpha=0.35, markersize=4, label=label)
        middle = float(np.median(values))
        ax.plot([middle, middle], [height - 0.38, height + 0.38], color="black", marker="")
    ax.set_yticks(range(len(ELASTICITIES)), [e[0] for e in ELASTICITIES.values()][::-1])
    ax.set(xlabel=r"elasticity $-\,d\log k \,/\, d\log\epsilon$", xlim=(-0.3, 1.1))
    return figure


def expansions(found: Expansions) -> Figure:
    """Threshold after some quadratic pictures minus the converged one, in points, row by row."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.8))
    errors = 100 * found.errors()
    for row in errors:
        ax.plot(found.counts, row, color=COLOURS["sky"], alpha=0.4, marker="o", markersize=4)
    middle = np.median(errors, axis=0)
    ax.plot(found.counts, middle, "D-", color=COLOURS["blue"], linewidth=2.5, label="median")
    ax.axhspan(-100 * POINT, 100 * POINT, color=COLOURS["grey"], alpha=0.25)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xticks(found.counts)
    ax.set_xlabel("quadratic pictures, each drawn where the last one led")
    ax.set_ylabel("threshold $-$ real existence (points)")
    ax.legend()
    return figure


def intervals(table: CalibrationTable, names: Mapping[str, str]) -> Figure:
    """The interval of `expected` beside what fine-tuning reached, on networks outside the study.

    Parameters
    ----------
    table
        Of the calibration.
    names
        File to label, in the order from top to bottom.
    """
    rows = {row.file: row for row in table.took_no_part if row.file in names}
    figure, ax = plt.subplots(figsize=(WIDTH, 1.1 + 0.36 * len(rows)))
    for height, file in enumerate(list(names)[::-1]):
        row = rows[file]
        ax.plot(
            [row.lower, row.upper],
            [height, height],
            color=COLOURS["sky"],
            linewidth=7.0,
            alpha=0.5,
            marker="",
            solid_capstyle="butt",
            label="90 % interval" if height == 0 else None,
        )
        ax.plot(row.sparsity, height, "|", color=COLOURS["blue"], markersize=14)
        _, colour, marker = CURVES["real_existence"]
        ax.plot(
            row.measured,
            height,
            marker,
            color=colour,
            markersize=7,
            label="reached by fine-tuning" if height == 0 else None,
        )
    ax.set_yticks(range(len(names)), list(names.values())[::-1])
    ax.set_xlabel("sparsity $s = 1 - k/D$")
    legend_below(figure, [ax])
    return figure
