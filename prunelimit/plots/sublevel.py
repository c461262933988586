"""Figures of chapters 4 and 6: sublevel sets and the limits. No mathematics lives here.

Everything drawn is handed over as arrays; colours and dashes of the limits are those
of `prunelimit.plots`, so that a line means the same in every chapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from prunelimit.estimates import Estimate, Interval
from prunelimit.plots.panels import draw_epsilon, legend_below, panels_in_twos, stacked
from prunelimit.plots.style import COLOURS, LIMITS, WIDTH

LINES = {
    **LIMITS,
    "sharp_isotropic": (r"$k_\mathrm{sharp}$, isotropic", COLOURS["green"], ":"),
}
"""Formula name to label, colour and dash."""


def plane_view(
    x: ArrayLike,
    y: ArrayLike,
    rise: ArrayLike,
    levels: Mapping[float, str],
    points: Mapping[str, Sequence[float]],
    line: ArrayLike,
) -> Figure:
    """Level lines of a loss over a plane, with a line through it and named points.

    Parameters
    ----------
    x, y
        Grid coordinates, ``(columns,)`` and ``(rows,)``.
    rise
        Loss rise on the grid, ``(rows, columns)``.
    levels
        Level to its name.
    points
        Name to its two coordinates.
    line
        Two points ``(2, 2)`` that the line of the kept weights joins.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 4.8))
    values = sorted(levels)
    colours = [COLOURS["sky"], COLOURS["blue"], COLOURS["grey"]]
    contours = ax.contour(x, y, rise, levels=values, colors=colours[: len(values)])
    ax.clabel(contours, fmt={value: levels[value] for value in values}, fontsize=10)
    ends = np.asarray(line)
    ax.plot(
        ends[:, 0], ends[:, 1], color=COLOURS["orange"], marker="", lw=2, label="$L$: kept weights"
    )
    for (name, place), marker in zip(points.items(), "*so", strict=False):
        ax.plot(*place, marker=marker, color=COLOURS["vermilion"], ms=9, ls="", label=name)
    ax.set(aspect="equal", xlabel="$w_1$", ylabel="$w_2$")
    legend_below(figure, [ax])
    return figure


def tangent_view(
    outlines: Sequence[NDArray[np.float64]],
    contacts: Sequence[NDArray[np.float64]],
    titles: Sequence[str],
) -> Figure:
    """Ellipses seen from the origin, side by side, each with its two lines of sight."""
    figure, axes = stacked(len(outlines), 3.6, sharex=True, sharey=True)
    for ax, outline, contact, title in zip(axes, outlines, contacts, titles, strict=True):
        ax.fill(outline[:, 0], outline[:, 1], color=COLOURS["sky"], alpha=0.5)
        for point in contact:
            end = point * 1.25 * outline[:, 0].mean() / point[0]
            ax.plot([0, end[0]], [0, end[1]], color=COLOURS["blue"], marker="")
        ax.plot(0, 0, marker="s", color=COLOURS["vermilion"], ls="", label="$w^k$, the viewer")
        ax.plot(*outline.mean(axis=0), marker="*", color=COLOURS["vermilion"], ls="", ms=10,
                label="$w^*$")  # fmt: skip
        ax.set_aspect("equal")
        ax.set(title=title, ylabel="across")
    axes[-1].set_xlabel(r"along $w^* - w^k$")
    legend_below(figure, axes[:1])
    return figure


def draw_simulated(
    ax: Axes, simulated: Mapping[Any, Estimate], label: str, colour: str = "blue"
) -> None:
    """Draw estimates with bars of two standard errors."""
    ax.errorbar(
        list(simulated),
        [estimate.value for estimate in simulated.values()],
        yerr=[2 * estimate.stderr for estimate in simulated.values()],
        fmt="o",
        color=COLOURS[colour],
        capsize=3,
        label=label,
    )


def width_against_distance(
    distances: ArrayLike,
    curves: Mapping[str, ArrayLike],
    simulated: Mapping[float, Estimate],
    dim: int,
) -> Figure:
    """Statistical dimension of the cone over an ellipsoid against the viewer's distance."""
    figure, ax = plt.subplots()
    looks = zip(curves.items(), ("purple", "green"), ("--", "-"), strict=False)
    for (name, values), colour, dash in looks:
        ax.plot(distances, values, color=COLOURS[colour], linestyle=dash, marker="", label=name)
    draw_simulated(ax, simulated, "projected Gaussians, ±2 standard errors", "vermilion")
    ax.axhline(dim, color=COLOURS["grey"], linestyle=":", marker="")
    ax.set(xlabel=r"distance of the viewer, $R/r$", ylabel=r"statistical dimension $\delta$")
    ax.legend()
    return figure


def loss_curve(
    kept: ArrayLike,
    formulas: Mapping[str, ArrayLike],
    simulated: Mapping[int, Estimate],
    epsilon: float,
) -> Figure:
    """Least loss rise on a random subspace against its dimension: formulas and simulation."""
    figure, ax = plt.subplots()
    for name, values in formulas.items():
        label, colour, dash = LINES[name]
        ax.plot(kept, values, color=colour, linestyle=dash, marker="", label=f"formula of {label}")
    draw_simulated(ax, simulated, "simulated, ±2 standard errors")
    draw_epsilon(ax, epsilon, rf"$\epsilon = {epsilon:g}$", 0.9)
    ax.set(ylim=(0, None), xlabel=r"kept dimensions $k$")
    ax.set_ylabel("least loss rise (units of the loss)")
    ax.legend()
    return figure


def meeting_panels(panels: Mapping[str, Mapping[str, object]]) -> Figure:
    """One panel a spectrum: how often random subspaces meet the sublevel set, and the limits.

    Parameters
    ----------
    panels
        Title to a mapping with ``fraction`` ``(dim + 1,)``, ``trials`` and ``limits``
        (formula name to k).
    """
    figure, axes, _ = panels_in_twos(len(panels), 2.2)
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        _meeting(ax, np.asarray(panel["fraction"]), int(panel["trials"]))  # type: ignore[call-overload]
        for name, kept in panel["limits"].items():  # type: ignore[attr-defined]
            label, colour, dash = LINES[name]
            ax.axvline(kept, color=colour, linestyle=dash, lw=1.8, label=label)
        ax.set_title(title)
    for ax in axes[-2:]:
        ax.set_xlabel(r"kept dimensions $k$")
    for ax in axes[::2]:  # each row for itself: a slide sets them side by side
        ax.set_ylabel(r"share that meets $S(\epsilon)$", fontsize=10)
    legend_below(figure, axes[:1], 3)
    return figure


def _meeting(ax: Axes, fraction: NDArray[np.float64], trials: int) -> None:
    dim = fraction.size - 1
    # Show where something happens: a few points around the rise, and the ends.
    rising = np.flatnonzero((fraction > 0) & (fraction < 1))
    around = rising[:: max(1, len(rising) // 8)]
    shown = np.unique(np.concatenate([np.linspace(0, dim, 9).astype(int), around]))
    spread = 2 * np.sqrt(fraction[shown] * (1 - fraction[shown]) / trials)
    ax.errorbar(shown, fraction[shown], yerr=spread, fmt="o", ms=4, color=COLOURS["blue"],
                capsize=2, label="simulated, ±2 s.e.")  # fmt: skip
    ax.set_ylim(-0.05, 1.05)


def agreement(
    simulated: Sequence[Interval], predicted: Mapping[str, Sequence[float]], dim: int
) -> Figure:
    """Predicted against simulated thresholds, one marker a formula; the diagonal is perfect."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.6))
    middle = np.array([interval.value for interval in simulated])
    spread = np.array([(i.value - i.lower, i.upper - i.value) for i in simulated]).T
    for (name, values), marker in zip(predicted.items(), "Xos", strict=False):
        label, colour, _ = LINES[name]
        ax.errorbar(middle, values, xerr=spread, fmt=marker, color=colour, label=label, ms=6,
                    alpha=0.8)  # fmt: skip
    ax.plot([0, dim], [0, dim], color=COLOURS["grey"], marker="", lw=1, label="equal")
    ax.axhline(dim / 2, color=COLOURS["grey"], linestyle=":", marker="", lw=1)
    ax.set(xlabel=r"simulated threshold $k$ (95 % interval)", ylabel=r"predicted $k$")
    ax.set_aspect("equal")
    ax.legend(loc="upper left")
    return figure


def fixed_points(
    kept: ArrayLike, maps: Mapping[str, ArrayLike], crossings: Mapping[str, float], dim: int
) -> Figure:
    """The map k -> N_eff(2ε/R(k)²) against k for several networks, and where it meets k."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    share = np.asarray(kept) / dim
    ax.plot(share, share, color=COLOURS["grey"], marker="", label="$k/D$ itself")
    for (name, values), marker in zip(maps.items(), "osD^", strict=False):
        (line,) = ax.plot(share, np.asarray(values) / dim, marker="", label=name)
        place = crossings[name] / dim
        ax.plot(place, place, marker=marker, ls="", ms=8, color=line.get_color())
    ax.set_xlabel(r"kept fraction $k/D$ that sets $R(k)$")
    ax.set_ylabel(r"$N_\mathrm{eff}\left(2\epsilon/R(k)^2\right)/D$")
    ax.legend()
    return figure


def three_losses(
    sparsity: ArrayLike,
    losses: Mapping[str, ArrayLike],
    thresholds: Mapping[str, float],
    epsilon: float,
) -> Figure:
    """The loss that each formula expects against sparsity; a limit is where it reaches ε.

    Parameters
    ----------
    sparsity
        1 - k/D, ``(points,)``.
    losses, thresholds
        Formula name to its loss ``(points,)``, and to the sparsity of its limit.
    """
    figure, ax = plt.subplots()
    for (name, values), marker in zip(losses.items(), "Xos", strict=False):
        label, colour, dash = LINES[name]
        ax.plot(sparsity, values, color=colour, linestyle=dash, marker="", label=label)
        ax.plot(thresholds[name], epsilon, marker=marker, color=colour, ls="", ms=8)
    draw_epsilon(ax, epsilon)
    ax.set(yscale="log", xlabel=r"sparsity $1 - k/D$", ylabel="least loss rise by the formula")
    ax.legend(loc="upper left")
    return figure


def sparsity_against(
    values: ArrayLike,
    lines: Mapping[str, ArrayLike],
    xlabel: str,
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
) -> Figure:
    """The sparsity that each formula allows against something on a logarithmic axis."""
    figure, ax = plt.subplots()
    for (name, sparsities), marker in zip(lines.items(), "Xos", strict=False):
        label, colour, dash = LINES[name]
        every = max(1, len(np.asarray(values)) // 8)
        ax.plot(values, sparsities, color=colour, linestyle=dash, marker=marker, markevery=every,
                label=label)  # fmt: skip
        if bands and name in bands:
            ax.fill_between(values, *bands[name], color=colour, alpha=0.15, lw=0,
                            label=f"{label}: kinematic bounds")  # fmt: skip
    ax.set(xscale="log", ylim=(0, 1), xlabel=xlabel, ylabel=r"sparsity $1 - k/D$")
    ax.legend()
    return figure
