"""The paper by its own choices: the rounding against every k, and the committed rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from book.tools.content import ROOT
from prunelimit.lab.studies import verdict
from prunelimit.results import Verdict

COMMITTED = ROOT / "book" / "results" / "verdict.json"


@given(
    weights=st.lists(st.floats(0.0, 4.0), min_size=1, max_size=60),
    curvatures=st.lists(st.floats(0.0, 10.0), min_size=1, max_size=60),
    epsilon=st.floats(0.01, 5.0),
)
def test_the_rounded_limit_is_the_first_of_all_that_suffice(weights, curvatures, epsilon):
    squares = np.sort(np.square(weights))
    removed = np.append(np.cumsum(squares)[::-1], 0.0)  # R(k)² for k = 0, 1, …
    values = np.array(curvatures)
    dim = len(weights)

    def needed(radius):
        return float(np.sum(values / (values + 2 * epsilon / radius**2)))

    def distance(kept):
        return float(np.sqrt(np.interp(kept, np.arange(dim + 1), removed)))

    def suffices(kept):
        # Halves go down, as in the bisection.
        whole = np.ceil(distance(kept) - 0.5)
        return whole == 0 or needed(whole) <= kept

    expected = min((k for k in range(1, dim + 1) if suffices(k)), default=dim)
    assert verdict.rounded_limit(needed, distance, dim) == expected / dim


def test_a_run_is_continued_and_each_network_measured_once(tmp_path, monkeypatch):
    asked = []
    committed = Verdict.load(COMMITTED).rows

    def measure(name, seed, device):
        asked.append((name, seed))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return next(row for row in committed if (row.name, row.seed) == (name, seed))

    monkeypatch.setattr(verdict, "measure", measure)
    command = ["digits-mlp", "--seed", "0", "1", "--output", str(tmp_path / "verdict.json")]
    with pytest.raises(KeyboardInterrupt):
        verdict.main(command)
    verdict.main(command)
    assert asked == [("digits-mlp", 0), ("digits-mlp", 1), ("digits-mlp", 1)]
    assert [row.seed for row in Verdict.load(tmp_path / "verdict.json").rows] == [0, 1]


def test_the_committed_rows_are_of_the_scales_and_in_order():
    rows = Verdict.load(COMMITTED).rows
    assert len({(row.name, row.seed) for row in rows}) == len(rows) == 9
    for row in rows:
        assert row.paper.lower <= row.paper.value <= row.paper.upper
        assert row.accuracy.validation_accuracy > 0.1
        # No theorem: |H| has the residual's curvature besides, so it leaves fewer flat directions.
        assert row.paper.lower <= row.gauss_newton.upper
        # No theorem either: rounding a distance of 2 or more moves the limit little.
        assert abs(row.rounded - row.paper.value) < 0.1
