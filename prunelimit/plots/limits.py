"""Figures of one task's result (chapter 7). No mathematics lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from prunelimit.plots.panels import draw_epsilon, kept_axis, legend_below
from prunelimit.plots.style import COLOURS, CURVES, WIDTH, mark_limits, sparsity_axis

if TYPE_CHECKING:
    from prunelimit.results.result import Result


def four_curves_of_result(result: Result) -> Figure:
    """The four curves of loss rise against sparsity, with the predicted limits and ε."""
    figure, ax = plt.subplots(figsize=(WIDTH, 4.8))
    epsilon, sparsest = result.epsilon, result.measurement.sparsest
    floor = epsilon / 30
    for name, (sparsities, rises) in curves_of_result(result).items():
        draw_curve(ax, name, sparsities, np.maximum(rises, floor))
    draw_epsilon(ax, epsilon, rf"$\epsilon = {epsilon:.3g}$")
    mark_limits(ax, result.prediction.ends(), sparsest)
    ax.set(yscale="log", ylim=(floor, None), ylabel=r"loss rise $L - L(w^*)$ (nats)")
    kept_axis(ax, sparsest)
    ax.set_title(f"{result.task}, D = {result.prediction.dim:,}")
    legend_below(figure, [ax])
    return figure


def draw_curve(
    ax: Axes,
    name: str,
    sparsities: Sequence[float],
    values: ArrayLike,
    spacing: float = 0.04,
    size: float | None = None,
) -> None:
    """Draw the curve `name` of `CURVES` against the share kept, with few marks where it is long."""
    label, colour, marker = CURVES[name]
    kept = 1 - np.asarray(sparsities, dtype=float)
    kept[kept <= 0] = np.nan  # nothing kept has no place on a logarithmic axis
    every = spacing if kept.size > 30 else 1
    ax.plot(kept, values, color=colour, marker=marker, ms=size, markevery=every, label=label)


def draw_brackets(ax: Axes, places: ArrayLike, found: Sequence[Any], name: str) -> None:
    """Draw measured thresholds (``lower``, ``value``, ``upper``; None where unknown) with bars."""
    label, colour, marker = CURVES[name]
    lower, value, upper = (
        np.array([getattr(one, end) for one in found], dtype=float)
        for end in ("lower", "value", "upper")
    )
    ends = np.maximum([value - lower, upper - value], 0)
    ax.errorbar(places, value, ends, fmt=marker, color=colour, capsize=3, label=label)


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


def accuracy_of_result(result: Result) -> Figure:
    """Test accuracy against sparsity of one task's result."""
    sparsest = result.measurement.sparsest
    figure, ax = plt.subplots(figsize=(WIDTH, 4.2))
    for name, (sparsities, accuracies) in accuracies_of_result(result).items():
        draw_curve(ax, name, sparsities, accuracies)
    mark_limits(ax, result.prediction.ends(), sparsest)
    ax.set_ylabel("test accuracy (share of examples)")
    kept_axis(ax, sparsest)
    ax.set_title(result.task)
    legend_below(figure, [ax])
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


def accuracy_curve(
    sparsities: Sequence[float],
    accuracies: Mapping[str, Sequence[float]],
    limits: Mapping[str, Sequence[float]],
) -> Figure:
    """Accuracy against sparsity, one line a method, with the predicted limits."""
    figure, ax = plt.subplots()
    for (name, values), marker in zip(accuracies.items(), "osD^vX", strict=False):
        ax.plot(sparsities, values, marker=marker, markevery=0.05, label=name)
    mark_limits(ax, limits)
    ax.set_ylabel("accuracy (share of examples)")
    sparsity_axis(ax)
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
    ax.set(xscale="log", yscale="log", xlabel=r"magnitude $|w_i|$", ylabel="number of weights")
    ax.legend()
    return figure
