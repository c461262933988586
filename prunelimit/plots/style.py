"""What the figures of all chapters share: colours, markers, how a limit is marked.

Colours are Okabe and Ito's, which people with colour-blindness tell apart; every
series has a marker or a dash of its own as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes

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


def sparsity_axis(ax: Axes) -> None:
    """Name the axis of sparsities."""
    ax.set_xlabel(r"sparsity $s = 1 - k/D$")


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
