"""The four curves and the limits stand where the result has them."""

from dataclasses import replace

import numpy as np
import pytest
from plot_support import line

from book.tools.content import ROOT
from prunelimit.plots import limits, style
from prunelimit.results import Result


@pytest.fixture(scope="module")
def result() -> Result:
    return Result.load(ROOT / "book" / "results" / "digits-mlp.json")


def test_the_curves_are_the_results_and_the_limits_stand_at_the_shares_kept(result) -> None:
    (ax,) = limits.four_curves_of_result(result).axes
    kept, rises = line(ax, style.CURVES["real_existence"][0])
    floor = result.epsilon / 30
    assert kept == pytest.approx([1 - p.sparsity for p in result.finetune])
    assert rises == pytest.approx([max(p.rise, floor) for p in result.finetune])
    for name in style.LIMITS:
        places, _ = line(ax, style.LIMITS[name][0])
        assert places == pytest.approx(1 - getattr(result.prediction, name).sparsity)


def test_a_limit_beyond_the_axis_stands_at_its_end_and_says_so(result) -> None:
    shorter = replace(result, measurement=replace(result.measurement, sparsest=0.85))
    for figure in (limits.four_curves_of_result(shorter), limits.accuracy_of_result(shorter)):
        (ax,) = figure.axes
        places, _ = line(ax, style.LIMITS["paper"][0])
        assert places == pytest.approx(0.15)
        named = ax.get_legend_handles_labels()[1]
        assert any("0.8936\n(beyond the axis)" in label for label in named), named


def test_accuracies_are_those_of_the_test_set(result) -> None:
    (ax,) = limits.accuracy_of_result(result).axes
    kept, accuracy = line(ax, style.CURVES["one_shot"][0])
    sweep = result.sweep.test
    assert np.allclose(kept, 1 - sweep.sparsities) and np.allclose(accuracy, sweep.accuracy)
