"""What the figures of several chapters share: panels, their legend, axes of the share kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from prunelimit.plots.style import COLOURS, LIMITS, WIDTH

NINES = (0.0, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def panels_in_twos(
    count: int, height: float, sharey: bool = True
) -> tuple[Figure, list[Axes], Axes]:
    """A figure of panels, two in a row of `height` inches, and the place for a legend.

    That is what an odd number of panels leaves over, else the first panel.
    """
    rows, columns = -(-count // 2), min(count, 2)
    size = (WIDTH, height * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, sharey=sharey, squeeze=False)
    panels = list(grid.flat)
    for spare in panels[count:]:
        spare.set_axis_off()
    return figure, panels[:count], panels[count] if count % columns else panels[0]


def stacked(count: int, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of panels below each other, each of a height in inches."""
    size = (WIDTH, height * count)
    figure, grid = plt.subplots(count, 1, figsize=size, squeeze=False, **shared)
    return figure, list(grid.flat)


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int = 2) -> None:
    """One legend under all panels, each label once."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=columns)


def name_axes(axes: Sequence[Axes], x: str, y: str) -> None:
    """Names of the axes of panels in twos: below the last two, and left of each row."""
    for ax in axes[::2]:
        ax.set_ylabel(y)
    for ax in axes[-2:]:
        ax.set_xlabel(x)


def share_axis(ax: Axes, sparsest: float, ticks: Sequence[float] = NINES) -> None:
    """Share kept, logarithmic and falling to the right; the ticks say the sparsity."""
    shown = np.array([tick for tick in ticks if tick <= sparsest + 1e-12])
    ax.set(xscale="log", xlim=(1.15, (1 - sparsest) / 1.15))
    ax.set_xticks(1 - shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()


def kept_axis(ax: Axes, sparsest: float) -> None:
    """A named `share_axis` with ticks where it counts, near 1."""
    close = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
    share_axis(ax, sparsest, close if sparsest <= 0.999 else NINES)
    ax.set_xlabel(r"sparsity $s = 1 - k/D$ (share kept, logarithmic)")


def draw_limits(ax: Axes, x: ArrayLike, rows: Sequence[Any], markers: str = "  ") -> None:
    """Draw a line for each of `LIMITS`, from the entry of that name in each row."""
    for (name, (label, colour, dash)), marker in zip(LIMITS.items(), markers, strict=True):
        values = [getattr(row, name) for row in rows]
        ax.plot(x, values, color=colour, ls=dash, marker=marker.strip(), label=label)


def draw_epsilon(ax: Axes, epsilon: float, text: str = r"$\epsilon$", place: float = 0.01) -> None:
    """Draw the level ε, named at a share `place` of the axis."""
    ax.axhline(epsilon, color=COLOURS["grey"], linewidth=1.2, linestyle=":", marker="")
    ax.annotate(
        text,
        (place, epsilon),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=COLOURS["grey"],
        path_effects=[withStroke(linewidth=3, foreground="white")],  # read where a curve crosses it
    )
