"""Predictions against measurements of the committed study, in points of sparsity."""

import pytest
from plot_support import line, ticks

from book.tools.content import ROOT
from prunelimit.plots import limits, study
from prunelimit.results.study import Study


@pytest.fixture(scope="module")
def points():
    return Study.load(ROOT / "book" / "results" / "study.json").points()


def test_a_dot_a_row_at_measured_and_predicted(points) -> None:
    (ax,) = study.predictions_against_curves(points, ["real_existence"]).axes
    measured, predicted = line(ax, limits.LIMITS["sharp"][0])
    assert measured.tolist() == [point.measured["real_existence"] for point in points]
    assert predicted.tolist() == [point.predicted["sharp"] for point in points]


def test_errors_are_in_points_and_the_first_name_stands_on_top(points) -> None:
    (ax,) = study.corrections_compared(points, ["paper", "sharp"], chosen="paper").axes
    assert ticks(ax) == ["sharp", "paper"]
    errors = [x for one in ax.get_lines() for x, y in zip(*one.get_data(), strict=True) if y > 0.5]
    expected = [100 * point.error("paper", "real_existence") for point in points]
    assert sorted(errors) == pytest.approx(sorted(expected))
