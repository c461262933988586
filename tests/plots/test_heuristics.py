"""Methods stand in the order of their accuracies; one that refused has no dot."""

from dataclasses import replace

import numpy as np
import pytest
from plot_support import line, ticks

from prunelimit.plots import heuristics
from prunelimit.plots.style import LIMITS
from prunelimit.results.methods import LimitRow, MethodRow


def test_methods_are_ranked_by_their_mean() -> None:
    rows = [MethodRow("dense", "dense", 0.0, 0, test_accuracy=0.95)]
    accuracies = {"good": (0.9, 0.8), "poor": (0.95, 0.5), "refuses": (None, None)}
    for label, found in accuracies.items():
        rows += [MethodRow(label, label, 0.9, s, test_accuracy=a) for s, a in enumerate(found)]
    (ax,) = heuristics.methods_compared(rows, [0.9]).axes
    assert ticks(ax) == ["refuses", "poor", "good"]
    drawn = ax.get_lines()[1:]
    dots = sorted((y, x) for one in drawn for x, y in zip(*one.get_data(), strict=True))
    heights, places = zip(*dots, strict=True)
    assert heights == (1, 1, 1, 2, 2, 2)
    assert places == pytest.approx([0.5, 0.725, 0.95, 0.8, 0.85, 0.9])
    assert line(ax, "dense")[0] == pytest.approx(0.95)


def test_limits_over_rounds_draws_both_limits() -> None:
    others = [
        "one_shot",
        "distance",
        "distance_at_80",
        "norm",
        "trace",
        "train_loss",
        "test_accuracy",
    ]
    same = dict.fromkeys(others, 0.5)
    first = LimitRow(round=0, sparsity=0.0, paper=0.9, sharp=0.8, **same)
    rows = [first, replace(first, round=1, sparsity=0.5, sharp=0.9)]
    (ax,) = heuristics.limits_over_rounds(rows).axes
    assert np.array_equal(line(ax, "sparsity of")[1], [0.0, 0.5])
    assert line(ax, LIMITS["sharp"][0])[1] == pytest.approx([0.8, 0.9])
