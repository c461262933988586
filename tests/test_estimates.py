"""Where a curve crosses a level: one rule, whoever asks."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelimit.estimates import crossing_between
from prunelimit.lab.studies.depth import crossing_on_grid
from prunelimit.results import Choices
from prunelimit.widgets.network import first_crossing

CHOICES = Path(__file__).parents[1] / "book/results/depth/choices.json"
PLACES = st.floats(0.0, 0.99)
HEIGHTS = st.floats(-10.0, 10.0)


@given(PLACES, PLACES, HEIGHTS, HEIGHTS, HEIGHTS)
def test_all_rules_give_the_same_number(a: float, b: float, low: float, level: float, high: float):
    (a, b), (low, level, high) = sorted((a, b)), sorted((low, level, high))
    if b - a < 1e-3 or not level < high:
        return
    expected = crossing_between((a, low), (b, high), level)
    assert a <= expected <= b
    ends = {a: low, b: high}
    rows = [SimpleNamespace(sparsity=s, rise=rise) for s, rise in ends.items()]
    assert crossing_on_grid(rows, "rise", level).value == expected
    assert first_crossing([a, b], [low, high], level) == expected


def test_the_line_is_straight_in_the_sparsity() -> None:
    assert crossing_between((0.75, 0.0), (0.9, 2.0), 1.0) == pytest.approx(0.825, abs=1e-15)


@pytest.mark.parametrize("high", [math.inf, math.nan])
def test_a_height_that_is_not_finite_leaves_the_passing_end(high: float) -> None:
    assert crossing_between((0.5, 0.0), (0.9, high), 1.0) == 0.5


def test_the_committed_crossings_follow_the_rule() -> None:
    study = Choices.load(CHOICES).epsilon
    assert study.rows
    for row in study.rows:
        for name in ("quadratic", "real"):
            assert getattr(row, name) == crossing_on_grid(study.points, name, row.epsilon)
