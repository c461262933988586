"""Figures of chapter 5: spectra, quadrature nodes, brackets. No mathematics lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from prunelimit.estimates import Interval
from prunelimit.plots.panels import name_axes, panels_in_twos, stacked
from prunelimit.plots.style import COLOURS

SERIES = (("blue", "o"), ("vermilion", "s"), ("green", "D"), ("purple", "^"))


def spectrum_views(eigenvalues: ArrayLike, ridge: float) -> Figure:
    """The same eigenvalues as a linear histogram and, below it, by rank on logarithmic axes.

    Parameters
    ----------
    eigenvalues
        ``(dim,)``, of either sign.
    ridge
        A curvature to mark in the lower one.
    """
    values = np.sort(np.asarray(eigenvalues))[::-1]
    figure, (above, below) = stacked(2, 2.8)
    above.hist(values, bins=60, color=COLOURS["blue"])
    above.set(yscale="log", xlabel=r"curvature $\lambda_i$", ylabel="directions in the bin")
    rank = np.arange(1, len(values) + 1)
    for sign, label, colour, marker in (
        (1, "positive", "blue", "o"),
        (-1, "negative", "vermilion", "v"),
    ):
        chosen = np.sort(sign * values[sign * values > 0])[::-1]
        below.loglog(
            rank[: len(chosen)], chosen, marker, ms=3, ls="", color=COLOURS[colour], label=label
        )
    below.axhline(ridge, color=COLOURS["grey"], ls="--", marker="", label=r"ridge $\sigma$")
    below.set(xlabel="rank", ylabel=r"$|\lambda_i|$")
    below.set_ylim(bottom=max(values.max() * 1e-12, 1e-14))
    below.legend()
    return figure


def nodes_view(
    eigenvalues: ArrayLike, rules: Mapping[str, tuple[ArrayLike, ArrayLike]], ridge: float
) -> Figure:
    """Share of directions that curve more than a threshold: all eigenvalues against a few nodes.

    Parameters
    ----------
    eigenvalues
        ``(dim,)``, all.
    rules
        Label to nodes and weights (which sum to 1).
    ridge
        A curvature to mark.
    """
    figure, ax = plt.subplots()
    values = np.sort(np.maximum(np.asarray(eigenvalues), 1e-16))[::-1]
    share = np.arange(1, len(values) + 1) / len(values)
    ax.step(values, share, where="post", color=COLOURS["black"], marker="", label="all eigenvalues")
    for (label, (nodes, weights)), (colour, marker) in zip(rules.items(), SERIES, strict=False):
        order = np.argsort(-np.asarray(nodes))
        places = np.maximum(np.asarray(nodes)[order], 1e-16)
        heights = np.cumsum(np.asarray(weights)[order])
        ax.step(places, heights, where="post", color=COLOURS[colour], marker=marker, label=label)
    ax.axvline(ridge, color=COLOURS["grey"], ls="--", marker="", label=r"ridge $\sigma$")
    ax.set(xscale="log", xlim=(ridge * 1e-3, values.max() * 2), xlabel=r"curvature $\lambda$")
    ax.set_ylabel(r"share of directions above $\lambda$")
    ax.legend()
    return figure


def closing_brackets(
    products: Sequence[int],
    panels: Mapping[str, tuple[Sequence[Interval], float]],
    wanted: str = r"$N_\mathrm{eff}$",
) -> Figure:
    """Brackets that close with the number of products, one panel for each case.

    Parameters
    ----------
    products
        Products at which the brackets were taken.
    panels
        Title to brackets, one for each entry of `products`, and the truth.
    wanted
        What the vertical axis shows.
    """
    figure, axes, place = panels_in_twos(len(panels), 2.8, sharey=False)
    for ax, (title, (brackets, truth)) in zip(axes, panels.items(), strict=True):
        lower, upper = [b.lower for b in brackets], [b.upper for b in brackets]
        ax.fill_between(products, lower, upper, color=COLOURS["sky"], alpha=0.4)
        ax.plot(products, upper, color=COLOURS["blue"], marker="v", label="upper end")
        ax.plot(products, lower, color=COLOURS["green"], marker="^", label="lower end")
        ax.axhline(truth, color=COLOURS["black"], ls="--", marker="", label="truth")
        ax.set_title(title)
    name_axes(axes, "products", wanted)
    place.legend(*axes[0].get_legend_handles_labels(), loc="center" if place not in axes else None)
    return figure


def against_examples(
    sizes: Sequence[int],
    answers: Sequence[float],
    caps: Sequence[float],
    extrapolated: Mapping[int, float],
) -> Figure:
    """Effective dimension against the number of examples, with the rank's cap.

    Parameters
    ----------
    sizes
        Numbers of examples.
    answers, caps
        Effective dimension and largest possible rank at each size.
    extrapolated
        Size from which was extrapolated to the value.
    """
    figure, ax = plt.subplots()
    ax.plot(sizes, answers, color=COLOURS["blue"], marker="o", label=r"$N_\mathrm{eff}$ measured")
    ax.plot(sizes, caps, color=COLOURS["grey"], ls="--", marker="", label=r"cap $N(c-1)$ or $D$")
    ax.plot(
        list(extrapolated),
        list(extrapolated.values()),
        color=COLOURS["orange"],
        marker="*",
        ms=10,
        ls="",
        label="extrapolated from this size and\nhalf of it (heuristic)",
    )
    ax.set(xscale="log", ylim=(0, 1.35 * max(answers)), xlabel=r"examples $N$", ylabel="directions")
    ax.legend()
    return figure
