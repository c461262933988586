"""Figures that answer the paper's, for several runs side by side. No mathematics lives here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prunelimit.plots.limits import (
    accuracies_of_result,
    curves_of_result,
    draw_brackets,
    draw_curve,
)
from prunelimit.plots.panels import (
    NINES,
    draw_limits,
    legend_below,
    name_axes,
    panels_in_twos,
    share_axis,
    stacked,
)
from prunelimit.plots.style import COLOURS, CURVES, LIMITS, WIDTH

if TYPE_CHECKING:
    from prunelimit.estimates import Interval
    from prunelimit.results.choices import (
        AtBatchSize,
        AtExamples,
        LimitsOverDistance,
        OverEpsilon,
        RowNorms,
    )
    from prunelimit.results.methods import LimitRow
    from prunelimit.results.overview import Overview
    from prunelimit.results.result import Result

Results = Mapping[str, "Result"]

_PANEL_TICKS = (0.0, 0.9, 0.99, 0.9999)  # more of them touch in a narrow panel


def _panels(titles: Sequence[str], height: float = 2.3) -> tuple[Figure, list[Axes]]:
    figure, axes, _ = panels_in_twos(len(titles), height, sharey=False)
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title)
    return figure, axes


def loss_panels(results: Results) -> Figure:
    """The four curves of the training loss, one panel a run, with both limits and ε.

    Parameters
    ----------
    results
        Title to result.
    """

    def draw(ax: Axes, result: Result) -> None:
        floor = result.epsilon / 30
        for name, (sparsities, rises) in curves_of_result(result).items():
            draw_curve(ax, name, sparsities, np.maximum(rises, floor), 0.1, 4)
        ax.axhline(result.epsilon, color=COLOURS["grey"], ls=":", marker="", label=r"$\epsilon$")
        ax.set(yscale="log", ylim=(floor, None))

    return _panels_of_runs(results, draw, "training-loss rise")


def accuracy_panels(results: Results) -> Figure:
    """Test accuracy of one-shot and of fine-tuned networks, one panel a run, with both limits."""

    def draw(ax: Axes, result: Result) -> None:
        for name, (sparsities, accuracies) in accuracies_of_result(result).items():
            draw_curve(ax, name, sparsities, accuracies, 0.1, 4)
        ax.set_ylim(0, 1.02)

    return _panels_of_runs(results, draw, "test accuracy")


def _panels_of_runs(results: Results, draw: Callable[[Axes, Result], None], wanted: str) -> Figure:
    figure, axes = _panels(list(results))
    for ax, result in zip(axes, results.values(), strict=True):
        draw(ax, result)
        sparsest = result.measurement.sparsest
        for name, (label, colour, dash) in LIMITS.items():
            share = 1 - min(getattr(result.prediction, name).sparsity, sparsest)
            ax.axvline(share, color=colour, ls=dash, lw=1.5, marker="", label=label)
        share_axis(ax, sparsest, _PANEL_TICKS)
    name_axes(axes, "sparsity (share kept)", wanted)
    legend_below(figure, axes)
    return figure


def thresholds(rows: Sequence[Overview]) -> Figure:
    """Predicted and measured sparsities with their brackets, one line of dots a run."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.42 * len(rows) + 2.2))
    series: list[tuple[list[Interval], str, str, str]] = [
        ([row.measured["one_shot"] for row in rows], *CURVES["one_shot"]),
        ([row.predicted["paper"] for row in rows], *LIMITS["paper"][:2], "P"),
        ([row.measured["real_existence"] for row in rows], *CURVES["real_existence"]),
        ([row.measured["quadratic_existence"] for row in rows], *CURVES["quadratic_existence"]),
        ([row.predicted["sharp"] for row in rows], *LIMITS["sharp"][:2], "X"),
    ]
    floor = 1e-5
    heights = np.arange(len(rows))[::-1]
    for shift, (found, label, colour, marker) in zip(
        np.linspace(0.26, -0.26, len(series)), series, strict=True
    ):
        value, upper, lower = (
            np.maximum([1 - getattr(interval, end) for interval in found], floor)
            for end in ("value", "lower", "upper")
        )
        bars = np.maximum([value - lower, upper - value], 0)
        ax.errorbar(
            value,
            heights + shift,
            xerr=bars,
            fmt=marker,
            color=colour,
            ms=5,
            capsize=2,
            label=label,
        )
    ax.set_yticks(heights, [row.name for row in rows])
    share_axis(ax, 1 - floor, NINES[:-1])  # the last one's name would touch its neighbour
    ax.set_xlabel("sparsity (share kept, logarithmic;\nthe right edge holds all that is beyond)")
    legend_below(figure, [ax])
    return figure


def limits_over_distance(curves: Mapping[str, LimitsOverDistance]) -> Figure:
    """Both limits as functions of R, the network's own R(k), and where the experiment lies.

    Parameters
    ----------
    curves
        Title to the curves of one network.
    """
    figure, axes = _panels(list(curves))
    for ax, curve in zip(axes, curves.values(), strict=True):
        ax.plot(
            curve.distance,
            curve.own,
            color=COLOURS["grey"],
            marker="",
            label="magnitude pruning",
        )
        for name, (label, colour, dash) in LIMITS.items():
            shares = np.maximum(curve.limits[name], curve.floor)
            ax.plot(curve.distance, shares, color=colour, ls=dash, marker="", label=label)
        for name, (distance, kept) in curve.measured.items():
            label, colour, marker = CURVES[name]
            ax.plot(distance, kept, marker, color=colour, label=label)
        ax.set(yscale="log", ylim=(0.7 * curve.floor, 1.3))
    name_axes(axes, r"distance $R$", "share of weights kept")
    legend_below(figure, axes)
    return figure


def limits_over_epsilon(study: OverEpsilon) -> Figure:
    """Predicted and measured sparsities against ε; bars are the measurements' brackets."""
    figure, ax = plt.subplots()
    rows = study.rows
    epsilons = [row.epsilon for row in rows]
    for name, key in (("quadratic_existence", "quadratic"), ("real_existence", "real")):
        draw_brackets(ax, epsilons, [getattr(row, key) for row in rows], name)
    for name in ("one_shot", "one_shot_quadratic"):
        label, colour, marker = CURVES[name]
        ax.plot(epsilons, [getattr(row, name) for row in rows], marker, color=colour, label=label)
    draw_limits(ax, epsilons, rows)
    ax.set(xscale="log", xlabel=r"$\epsilon$ (nats)", ylabel="sparsity")
    legend_below(figure, [ax])
    return figure


def limits_over_batch_and_data(
    batches: Sequence[AtBatchSize], samples: Sequence[AtExamples]
) -> Figure:
    """Both limits against the batch size that ε comes from, and against the number of examples.

    A bar is the range over random subsets of that size.
    """
    figure, (left, right), _ = panels_in_twos(2, 3.4)
    draw_limits(left, [row.batch_size for row in batches], batches)
    left.set(xlabel=r"batch size of $\epsilon$", ylabel="predicted sparsity")
    sizes = sorted({row.examples for row in samples})
    for name, (label, colour, dash) in LIMITS.items():
        drawn = [[getattr(r, name) for r in samples if r.examples == size] for size in sizes]
        means = np.array([np.mean(values) for values in drawn])
        ends = [means - [min(v) for v in drawn], [max(v) for v in drawn] - means]
        right.errorbar(sizes, means, ends, color=colour, ls=dash, marker="", capsize=3, label=label)
    right.set_xlabel("examples in the curvature")
    for ax in (left, right):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    legend_below(figure, [left])
    return figure


def limits_over_l1(rows: Sequence[Overview]) -> Figure:
    """Predicted and measured sparsities against λ, with the measurements' brackets."""
    figure, ax = plt.subplots()
    places = np.arange(len(rows))
    for name in ("one_shot", "quadratic_existence", "real_existence"):
        draw_brackets(ax, places, [row.measured[name] for row in rows], name)
    for name, (label, colour, dash) in LIMITS.items():
        values = np.array([row.predicted[name].value for row in rows])
        ax.plot(places, values, color=colour, ls=dash, marker="", label=label)
    ax.set_xticks(places, [f"{row.l1:g}" for row in rows])
    ax.set(xlabel=r"$\lambda$ of the $\ell_1$ term", ylabel="sparsity")
    legend_below(figure, [ax])
    return figure


def row_norms(norms: RowNorms) -> Figure:
    """Row l1 norms of the Hessian over percents of the weights, from small to large ones."""
    figure, ax = plt.subplots()
    floor = max(norms.ninetieth) * 1e-9
    low, middle, high = (
        np.maximum(values, floor) for values in (norms.tenth, norms.median, norms.ninetieth)
    )
    colour = COLOURS["blue"]
    ax.fill_between(norms.percent, low, high, color=COLOURS["sky"], alpha=0.4)
    ax.plot(norms.percent, middle, color=colour, marker="o", markevery=10, label="median row")
    ax.plot([], [], color=COLOURS["sky"], lw=8, alpha=0.4, marker="", label="10 % to 90 % of rows")
    ax.axhline(
        1e-7, color=COLOURS["black"], ls="--", marker="", label=r"$10^{-7}$, the paper's cut"
    )
    ax.set(yscale="log", xlabel="percent of the weights, by rising magnitude")
    ax.set_ylabel(r"$\sum_j |H_{ij}|$")
    legend_below(figure, [ax])
    return figure


def weight_histograms(results: Results) -> Figure:
    """Weight magnitudes of every run on logarithmic bins; lines at the one-shot cut and k_paper."""
    figure, axes = _panels(list(results), height=2.1)
    for ax, result in zip(axes, results.values(), strict=True):
        edges, total = result.weights.edges, result.weights.total
        ax.stairs(total, edges, color=COLOURS["blue"], fill=True, alpha=0.6)
        cuts = {
            "cut at the one-shot threshold": (result.thresholds.one_shot.value, "--"),
            "cut at the paper's limit": (float(result.prediction.paper.sparsity), "-."),
        }
        for label, (sparsity, dash) in cuts.items():
            cut = _magnitude_at(total, edges, sparsity)
            ax.axvline(cut, color=COLOURS["black"], ls=dash, lw=1.2, marker="", label=label)
        ax.set(xscale="log", yscale="log", xlim=(max(edges[0], edges[-1] * 1e-7), edges[-1]))
    name_axes(axes, "$|w_i|$", "weights in the bin")
    legend_below(figure, axes)
    return figure


def _magnitude_at(counts: np.ndarray, edges: Sequence[float], sparsity: float) -> float:
    below = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    return float(np.exp(np.interp(sparsity, below, np.log(edges))))


def over_rounds(studies: Mapping[str, Sequence[LimitRow]]) -> Figure:
    """The limit along iterative pruning, one panel a study: reached and predicted sparsity."""
    figure, axes, _ = panels_in_twos(len(studies), 3.4)
    for ax, (title, rows) in zip(axes, studies.items(), strict=True):
        rounds = [row.round or 0 for row in rows]
        reached = [row.sparsity or 0.0 for row in rows]
        ax.plot(rounds, reached, "o-", color=COLOURS["blue"], label="reached")
        draw_limits(ax, rounds, rows)
        last = reached[-1]
        ax.axhline(last, color=COLOURS["grey"], ls=":", marker="", label="the last one")
        ax.set(title=title, xlabel="rounds of pruning")
    axes[0].set_ylabel("sparsity")
    legend_below(figure, axes)
    return figure


def over_decay(rows: Sequence[LimitRow]) -> Figure:
    """Distance at a fixed mask, and both limits, against weight decay."""
    figure, (above, below) = stacked(2, 2.4, sharex=True)
    places = np.arange(len(rows))
    names = [f"{row.weight_decay:g}" for row in rows]
    above.plot(places, [r.distance_at_80 for r in rows], "s-", color=COLOURS["blue"])
    above.set_ylabel(r"$R$ at sparsity 0.8")
    draw_limits(below, places, rows)
    below.set_xticks(places, names)
    below.set(xlabel="weight decay", ylabel="predicted sparsity")
    below.legend()
    return figure
