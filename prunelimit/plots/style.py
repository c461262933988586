"""What the figures of all chapters share: colours, markers, axes.

Colours are Okabe and Ito's, which people with colour-blindness tell apart; every
series has a marker or a dash of its own as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

COLOURS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#666666",
}

CURVES = {
    "one_shot": ("one-shot, measured", COLOURS["vermilion"], "o"),
    "one_shot_quadratic": ("one-shot, quadratic model", COLOURS["orange"], "v"),
    "quadratic_existence": ("quadratic existence (re-fit)", COLOURS["blue"], "s"),
    "real_existence": ("real existence (fine-tuned)", COLOURS["green"], "D"),
}
LIMITS = {
    "paper": (r"$k_\mathrm{paper}$", COLOURS["purple"], "--"),
    "sharp": (r"$k_\mathrm{sharp}$", COLOURS["black"], "-."),
}


NINES = (0.0, 0.9, 0.99, 0.999, 0.9999, 0.99999)

WIDTH = 5.0
"""Inches across a figure, whatever it shows: a phone's column of 358 px then leaves text of 10
points 10 px. More panels than two in a row are too small there; they stand below each other."""
DPI = 150


def use_style() -> None:
    """Set matplotlib's defaults for the book: sizes, a white card, colours with markers.

    Examples
    --------
    >>> use_style()
    >>> mpl.rcParams["axes.grid"]
    True
    """
    cycle = [COLOURS[name] for name in ("blue", "vermilion", "green", "orange", "purple", "black")]
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.5),
            "figure.dpi": DPI,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.prop_cycle": cycler(color=cycle) + cycler(marker=list("osD^vX")),
            "lines.markersize": 5,
            "legend.frameon": False,
            "legend.fontsize": 10,
        }
    )


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


def sparsity_axis(ax: Axes) -> None:
    """Name the axis of sparsities."""
    ax.set_xlabel(r"sparsity $s = 1 - k/D$")


def share_axis(ax: Axes, sparsest: float, ticks: Sequence[float] = NINES) -> None:
    """Share kept, logarithmic and falling to the right; the ticks say the sparsity."""
    shown = np.array([tick for tick in ticks if tick <= sparsest + 1e-12])
    ax.set(xscale="log", xlim=(1.15, (1 - sparsest) / 1.15))
    ax.set_xticks(1 - shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()


def kept_axis(ax: Axes, sparsest: float) -> None:
    """A named `share_axis` with ticks where it counts, near 1."""
    share_axis(ax, sparsest, (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999))
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


def mark_limits(
    ax: Axes, limits: Mapping[str, Sequence[float]], sparsest: float | None = None
) -> None:
    """Draw each limit ``name -> (lower, value, upper)`` as a line with its bracket shaded.

    With `sparsest` the axis is that of shares kept, and what lies beyond is drawn at its end.
    """
    for name, ends in limits.items():
        label, colour, dash = LIMITS[name]
        beyond = sparsest is not None and ends[1] > sparsest
        text = f"{label}: {ends[1]:.4f}" + ("\n(beyond the axis)" if beyond else "")
        lower, value, upper = ends if sparsest is None else (1 - min(e, sparsest) for e in ends)
        ax.axvline(value, color=colour, linestyle=dash, linewidth=1.6, marker="", label=text)
        ax.axvspan(lower, upper, color=colour, alpha=0.15, linewidth=0)
