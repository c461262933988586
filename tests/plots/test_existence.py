"""Predictions against measurements of the committed study."""

import pytest
from plot_support import line

from book.tools.content import ROOT
from prunelimit.plots import existence, style
from prunelimit.results import ExistenceStudy


@pytest.fixture(scope="module")
def rows():
    return ExistenceStudy.load(ROOT / "book" / "results" / "existence.json").rows


def test_a_dot_a_row_at_measured_and_predicted(rows) -> None:
    (ax,) = existence.predictions_against_curves(rows, ["real_existence"]).axes
    measured, predicted = line(ax, style.LIMITS["sharp"][0])
    assert measured.tolist() == [row.measured["real_existence"] for row in rows]
    assert predicted.tolist() == [row.predicted["sharp"] for row in rows]
