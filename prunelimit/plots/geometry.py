"""Figures of chapters 1 to 3. No mathematics lives here: callers pass what is to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Wedge
from numpy.typing import ArrayLike

from prunelimit.plots.panels import legend_below, panels_in_twos, stacked
from prunelimit.plots.style import COLOURS, WIDTH

Sector = tuple[float, float]
_LINES = (("blue", "-"), ("vermilion", "--"), ("green", "-."), ("purple", ":"), ("black", "-"))
_MARKERS = "osD^v"


def _plane(ax: Axes, reach: float) -> None:
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    ax.axhline(0, color=COLOURS["grey"], linewidth=0.8, marker="")
    ax.axvline(0, color=COLOURS["grey"], linewidth=0.8, marker="")


def _sector(ax: Axes, sector: Sector, colour: str, label: str, hatch: str = "") -> None:
    start, stop = np.degrees(sector)
    ax.add_patch(Wedge((0, 0), 50, start, stop, facecolor=COLOURS[colour], alpha=0.25, linewidth=0))
    ax.add_patch(
        Wedge(
            (0, 0), 50, start, stop, fill=False, edgecolor=COLOURS[colour], hatch=hatch, label=label
        )
    )


def _arrow(ax: Axes, tip: ArrayLike, colour: str, label: str) -> None:
    x, y = np.asarray(tip, dtype=float)
    arrow = {"arrowstyle": "-|>", "color": COLOURS[colour], "linewidth": 2}
    ax.annotate("", (x, y), (0, 0), arrowprops=arrow)
    ax.annotate(label, (x, y), (6, 4), textcoords="offset points", color=COLOURS[colour])


def cones_in_the_plane(
    sectors: Sequence[Sector], polars: Sequence[Sector], titles: Sequence[str]
) -> Figure:
    """Cones of the plane, each with its polar: sectors are (from, to) angles in radians."""
    figure, axes, place = panels_in_twos(len(sectors), 2.7)
    for ax, sector, polar, title in zip(axes, sectors, polars, titles, strict=True):
        _plane(ax, 2.0)
        _sector(ax, sector, "blue", "cone $C$")
        _sector(ax, polar, "orange", "polar $C^\\circ$", hatch="//")
        ax.set_title(title)
    place.legend(*axes[0].get_legend_handles_labels(), loc="center")
    return figure


def split_of_a_point(
    sector: Sector, polar: Sector, point: ArrayLike, inner: ArrayLike, outer: ArrayLike
) -> Figure:
    """A point of the plane as the sum of its projections onto a cone and onto the polar."""
    figure, ax = plt.subplots(figsize=(4.8, 4.8))
    reach = 1.3 * float(np.abs(np.asarray(point)).max())
    _plane(ax, reach)
    _sector(ax, sector, "blue", "cone $C$")
    _sector(ax, polar, "orange", "polar $C^\\circ$", hatch="//")
    _arrow(ax, point, "black", "$x$")
    _arrow(ax, inner, "blue", r"$\Pi_C(x)$")
    _arrow(ax, outer, "vermilion", r"$\Pi_{C^\circ}(x)$")
    for part in (np.asarray(inner), np.asarray(outer)):
        ax.plot(*np.transpose([part, point]), color=COLOURS["grey"], linestyle=":", marker="")
    ax.legend(loc="lower left")
    return figure


def discs_from_outside(
    centres: Sequence[float], radius: float, angles: Sequence[float], titles: Sequence[str]
) -> Figure:
    """A disc at several distances along the first axis, with the sector that it fills."""
    figure, axes = stacked(len(centres), 3.0, sharex=True)
    for ax, centre, angle, title in zip(axes, centres, angles, titles, strict=True):
        _plane(ax, 1.0)
        ax.set(xlim=(-0.5, max(centres) + 1.3 * radius), ylim=(-1.6 * radius, 1.6 * radius))
        _sector(ax, (-angle, angle), "blue", "conic hull")
        ax.add_patch(plt.Circle((centre, 0), radius, color=COLOURS["green"], label="set $S$"))
        ax.plot(0, 0, color=COLOURS["black"], marker="*", markersize=11, label="viewer")
        ax.set_title(title)
    legend_below(figure, axes[:1], 3)
    return figure


def volume_bars(volumes: Mapping[str, ArrayLike], means: Sequence[float]) -> Figure:
    """Intrinsic volumes of several cones as stems, with each mean as a dashed line."""
    figure, axes = stacked(len(volumes), 1.6, sharex=True)
    for (colour, _), marker, ax, (name, values), mean in zip(
        _LINES, _MARKERS, axes, volumes.items(), means, strict=False
    ):
        heights = np.asarray(values)
        ax.vlines(np.arange(len(heights)), 0, heights, color=COLOURS[colour], linewidth=1.5)
        ax.plot(heights, color=COLOURS[colour], marker=marker, markersize=3, linestyle="")
        ax.axvline(mean, color=COLOURS["black"], linestyle="--", linewidth=1.2, marker="")
        ax.set_ylabel("$v_j$")
        ax.set_title(f"{name}, mean {mean:.2f} (dashed)", loc="left")
    axes[-1].set_xlabel("dimension of the face, $j$")
    return figure


def lines_and_points(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    points: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Curves (x, y), each with a dash of its own, and points (x, y, standard error)."""
    if ax is None:
        ax = plt.subplots()[1]
    for (colour, dash), (name, (x, y)) in zip(_LINES, lines.items(), strict=False):
        ax.plot(x, y, color=COLOURS[colour], linestyle=dash, marker="", label=name)
    for (colour, _), marker, (name, found) in zip(_LINES, _MARKERS, points.items(), strict=False):
        _simulated(ax, found, colour, marker, name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


def _simulated(
    ax: Axes, data: tuple[ArrayLike, ArrayLike, ArrayLike], colour: str, marker: str, label: str
) -> None:
    """Places, values and standard errors: points with bars of two of these."""
    x, y, error = data
    bars = 2 * np.asarray(error, dtype=float)
    ax.errorbar(x, y, bars, fmt=marker, color=COLOURS[colour], capsize=2, label=label)


def sandwich(names: Sequence[str], squared_widths: ArrayLike, dimensions: ArrayLike) -> Figure:
    """For each cone the interval [w², w² + 1] and, in it, the statistical dimension."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.38 * len(names) + 1.4))
    rows = np.arange(len(names))[::-1]
    low, delta = np.asarray(squared_widths, dtype=float), np.asarray(dimensions, dtype=float)
    ax.hlines(
        rows, 0 * low, 0 * low + 1, color=COLOURS["blue"], linewidth=5, alpha=0.4, label="allowed"
    )
    ax.plot(delta - low, rows, color=COLOURS["vermilion"], marker="D", linestyle="", label="cones")
    ax.set(xlim=(-0.15, 1.15), xlabel=r"$\delta(C) - w(C)^2$ (dimensions)")
    ax.set_yticks(rows, names)
    legend_below(figure, [ax])
    return figure


def transition(
    dims: ArrayLike,
    curve: Mapping[str, ArrayLike],
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]],
    simulated: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    location: float | None = None,
    title: str = "",
) -> Axes:
    """Intersection probability against the subspace's dimension, with bounds and simulation."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.0))
    x = np.asarray(dims)
    for label, values in curve.items():
        ax.plot(x, values, color=COLOURS["blue"], linewidth=2, marker="", label=label)
    for (colour, dash), (name, (lower, upper)) in zip(_LINES[1:], bounds.items(), strict=False):
        ax.plot(x, lower, color=COLOURS[colour], linestyle=dash, marker="", label=name)
        ax.plot(x, upper, color=COLOURS[colour], linestyle=dash, marker="")
    if simulated is not None:
        _simulated(ax, simulated, "black", "o", "simulated, ±2 s.e.")
    if location is not None:
        ax.axvline(location, color=COLOURS["grey"], linestyle=":", marker="", label=r"$D - \delta$")
    ax.set(xlabel="dimension of the subspace, $m$", ylabel="probability of meeting", title=title)
    legend_below(figure, [ax])
    return ax


def sharpening(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], location: float
) -> Figure:
    """Transitions in several dimensions: against m/D, and shifted and divided by √D."""
    figure, (above, below) = stacked(2, 2.8)
    for (colour, dash), (name, (share, scaled, exact)) in zip(_LINES, curves.items(), strict=False):
        style: dict[str, Any] = {"color": COLOURS[colour], "linestyle": dash, "marker": ""}
        above.plot(share, exact, label=name, **style)
        below.plot(scaled, exact, label=name, **style)
    above.axvline(location, color=COLOURS["grey"], linestyle=":", marker="")
    above.set(xlabel="$m/D$", title="one location …")
    below.set(xlabel=r"$(m - (D - \delta))/\sqrt{D}$", xlim=(-2.5, 2.5), title="… and one width")
    for ax in (above, below):  # each for itself: a slide sets them side by side
        ax.set_ylabel("probability of meeting")
    below.legend()
    return figure


def recovery(
    sparsities: ArrayLike,
    measurements: ArrayLike,
    frequency: ArrayLike,
    curves: Mapping[str, ArrayLike],
) -> Axes:
    """Share of recovered vectors over (sparsity, measurements), with curves on top."""
    figure, ax = plt.subplots(figsize=(WIDTH, 3.9))
    # From white to one hue: turned over for a dark page, nothing glares.
    image = ax.pcolormesh(
        sparsities, measurements, np.asarray(frequency).T, cmap="Blues", shading="nearest"
    )
    figure.colorbar(image, label="share recovered")
    for dash, (name, values) in zip(("-", "--"), curves.items(), strict=False):
        # A white line on a black one shows on every shade of the map.
        ax.plot(sparsities, values, color="black", linewidth=4.5, marker="")
        ax.plot(sparsities, values, color="white", linestyle=dash, marker="", label=name)
    ax.set(xlabel="non-zeros in the vector, $s$", ylabel="equations")
    ax.grid(False)
    # Opaque: a page in the dark would show the map through it, paler than the words.
    ax.legend(
        loc="lower right",
        frameon=True,
        framealpha=1,
        facecolor=COLOURS["grey"],
        labelcolor="white",
    )
    return ax
