"""Figures of the experiments and of a pruning limit. No mathematics lives here.

Colours are Okabe and Ito's, which people with colour-blindness tell apart; every
series has a marker or a dash of its own as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from prunelimit.results import Result

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
            "figure.figsize": (7.0, 4.2),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.prop_cycle": cycler(color=cycle) + cycler(marker=list("osD^vX")),
            "lines.markersize": 5,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
        }
    )


def _sparsity_axis(ax: Axes) -> None:
    ax.set_xlabel(r"sparsity $s = 1 - k/D$")


def _kept_axis(ax: Axes, sparsest: float) -> None:
    """Share kept, logarithmic and falling to the right, labelled by sparsity: near 1 it counts."""
    ticks = np.array([0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999])
    shown = ticks[ticks <= sparsest + 1e-9]
    ax.set_xscale("log")
    ax.set_xlim(1.15, (1 - sparsest) / 1.15)
    ax.set_xticks(1 - shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()
    ax.set_xlabel(r"sparsity $s = 1 - k/D$ (share kept, logarithmic)")


def mark_limits(
    ax: Axes, limits: Mapping[str, Sequence[float]], sparsest: float | None = None
) -> None:
    """Draw each limit ``name -> (lower, value, upper)`` as a line with its bracket shaded.

    With `sparsest` the axis is that of shares kept, and what lies beyond is drawn at its end.
    """
    for name, ends in limits.items():
        label, colour, dash = LIMITS[name]
        beyond = sparsest is not None and ends[1] > sparsest
        text = f"{label}: {ends[1]:.4f}" + (" (beyond the axis)" if beyond else "")
        lower, value, upper = ends if sparsest is None else (1 - min(e, sparsest) for e in ends)
        ax.axvline(value, color=colour, linestyle=dash, linewidth=1.6, marker="", label=text)
        ax.axvspan(lower, upper, color=colour, alpha=0.15, linewidth=0)


def four_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    limits: Mapping[str, Sequence[float]],
    epsilon: float,
    title: str = "",
    sparsest: float = 0.999,
) -> Figure:
    """The four curves of loss rise against sparsity, with the predicted limits.

    Parameters
    ----------
    curves
        Curve name (a key of `CURVES`) to sparsities and loss rises above L(w*).
    limits
        "paper" and "sharp" to (lower, value, upper) sparsities.
    epsilon
        The loss rise that S(ε) allows; drawn as a horizontal line.
    title
        What network, on what data.
    sparsest
        Right end of the axis.
    """
    figure, ax = plt.subplots(figsize=(7.6, 4.8))
    floor = epsilon / 30
    for name, (sparsities, rises) in curves.items():
        label, colour, marker = CURVES[name]
        kept = 1 - np.asarray(sparsities, dtype=float)
        kept[kept <= 0] = np.nan  # nothing kept has no place on a logarithmic axis
        shown = np.maximum(np.asarray(rises, dtype=float), floor)
        every = 0.04 if kept.size > 30 else 1
        ax.plot(kept, shown, color=colour, marker=marker, markevery=every, label=label)
    ax.axhline(epsilon, color=COLOURS["grey"], linewidth=1.2, linestyle=":", marker="")
    ax.annotate(
        rf"$\epsilon = {epsilon:.3g}$",
        (0.01, epsilon),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
        color=COLOURS["grey"],
    )
    mark_limits(ax, limits, sparsest)
    ax.set_yscale("log")
    ax.set_ylim(floor, None)
    ax.set_ylabel(r"loss rise $L - L(w^*)$ (nats)")
    _kept_axis(ax, sparsest)
    ax.set_title(title)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def four_curves_of_result(result: Result) -> Figure:
    """`four_curves` of one task's result."""
    return four_curves(
        curves_of_result(result),
        _limits_of_result(result),
        result.epsilon,
        title=f"{result.task}, D = {result.prediction.dim:,}",
    )


def curves_of_result(result: Result) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """Sparsities and loss rises of each of `CURVES`."""
    sweep = result.sweep.training
    sparsities, rises = result.prediction.one_shot_curve
    return {
        "one_shot": (sweep.sparsities.tolist(), (sweep.loss - sweep.dense_loss).tolist()),
        "one_shot_quadratic": (sparsities.tolist(), rises.tolist()),
        "quadratic_existence": _columns(result.refit, "rise"),
        "real_existence": _columns(result.finetune, "rise"),
    }


def accuracy_of_result(result: Result, sparsest: float = 0.999) -> Figure:
    """Test accuracy against sparsity of one task's result."""
    figure, ax = plt.subplots()
    for name, (sparsities, accuracies) in accuracies_of_result(result).items():
        label, colour, marker = CURVES[name]
        kept = 1 - np.asarray(sparsities, dtype=float)
        every = 0.04 if kept.size > 30 else 1
        ax.plot(kept, accuracies, color=colour, marker=marker, markevery=every, label=label)
    mark_limits(ax, _limits_of_result(result), sparsest)
    ax.set_ylabel("test accuracy (share of examples)")
    _kept_axis(ax, sparsest)
    ax.set_title(result.task)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def accuracies_of_result(result: Result) -> dict[str, tuple[Sequence[float], Sequence[float]]]:
    """Sparsities and test accuracies of the one-shot and the fine-tuned networks."""
    test = result.sweep.test
    return {
        "one_shot": (test.sparsities.tolist(), test.accuracy.tolist()),
        "real_existence": _columns(result.finetune, "test_accuracy"),
    }


def _columns(points: Sequence[Any], name: str) -> tuple[list[float], list[float]]:
    return [point.sparsity for point in points], [getattr(point, name) for point in points]


def _limits_of_result(result: Result) -> dict[str, tuple[float, float, float]]:
    return {
        name: (limit.lower, float(limit.sparsity), limit.upper)
        for name, limit in (("paper", result.prediction.paper), ("sharp", result.prediction.sharp))
    }


def accuracy_curve(
    sparsities: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
    limits: Mapping[str, Sequence[float]],
    title: str = "",
) -> Figure:
    """Accuracy against sparsity, one line a method, with the predicted limits."""
    figure, ax = plt.subplots()
    for (name, values), marker in zip(accuracies.items(), "osD^vX", strict=False):
        ax.plot(sparsities, values, marker=marker, markevery=0.05, label=name)
    mark_limits(ax, limits)
    ax.set_ylabel("accuracy (share of examples)")
    _sparsity_axis(ax)
    ax.set_title(title)
    ax.legend(loc="lower left")
    return figure


def weight_histogram(weights: Mapping[str, np.ndarray], thresholds: Mapping[str, float]) -> Figure:
    """Histogram of weight magnitudes on logarithmic axes, with pruning thresholds marked."""
    figure, ax = plt.subplots()
    smallest = min(float(np.abs(values)[values != 0].min()) for values in weights.values())
    largest = max(float(np.abs(values).max()) for values in weights.values())
    bins = np.geomspace(max(smallest, 1e-9), largest, 80).tolist()
    hatches = ("", "//", "..", "xx")
    for (name, values), hatch in zip(weights.items(), hatches, strict=False):
        ax.hist(np.abs(values), bins=bins, histtype="step", linewidth=1.6, label=name, hatch=hatch)
    for (name, threshold), dash in zip(thresholds.items(), ("--", "-.", ":"), strict=False):
        ax.axvline(threshold, color=COLOURS["black"], linestyle=dash, label=name)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(r"magnitude $|w_i|$")
    ax.set_ylabel("number of weights")
    ax.legend()
    return figure


def limit_figure(
    curve: tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray],
    crossing: float,
    limits: Mapping[str, Sequence[float]],
    epsilon: float,
) -> Figure:
    """What `predict_limit` found: the one-shot curve, ε, and each limit with its bracket.

    Parameters
    ----------
    curve
        Sparsities, and the rises of the loss that the quadratic model predicts there.
    crossing
        Sparsity at which the curve meets `epsilon`.
    limits
        "paper" and "sharp" to (lower, value, upper) sparsities.
    epsilon
        The loss rise allowed.
    """
    figure, ax = plt.subplots()
    sparsities, rises = curve
    _, colour, marker = CURVES["one_shot_quadratic"]
    ax.plot(
        sparsities,
        np.maximum(rises, epsilon / 30),
        color=colour,
        marker=marker,
        label=rf"one-shot $\frac{{1}}{{2}}x^\top H x$: {crossing:.3f}",
    )
    ax.axhline(
        epsilon,
        color=COLOURS["grey"],
        linestyle=":",
        marker="",
        label=rf"$\epsilon = {epsilon:.3g}$",
    )
    mark_limits(ax, limits)
    ax.set_yscale("log")
    ax.set_ylabel(r"predicted loss rise (units of the loss)")
    _sparsity_axis(ax)
    ax.legend(loc="upper left")
    return figure
