"""Rows of thresholds, and panels a run."""

from dataclasses import replace

import numpy as np
import pytest

from book.tools.content import ROOT
from prunelimit.plots import paper
from prunelimit.results import Overview, Result


@pytest.fixture(scope="module")
def result() -> Result:
    return Result.load(ROOT / "book" / "results" / "digits-mlp.json")


def test_a_panel_a_run_and_none_beside(result) -> None:
    figure = paper.loss_panels({name: result for name in "abcd"})
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in shown] == list("abcd")


def test_thresholds_are_shares_kept_the_first_run_on_top(result) -> None:
    rows = [Overview.of(result, name) for name in ("first", "second")]
    (ax,) = paper.thresholds(rows).axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["first", "second"]
    assert ax.get_yticks().tolist() == [1, 0]
    series = {bar.get_label(): bar.lines[0].get_xdata() for bar in ax.containers}
    value = result.thresholds.real_existence.value
    assert np.allclose(series[paper.CURVES["real_existence"][0]], 1 - value)


def test_strengths_of_l1_are_named_in_order(result) -> None:
    rows = [replace(Overview.of(result, ""), l1=strength) for strength in (0.0, 1e-4)]
    (ax,) = paper.limits_over_l1(rows).axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "0.0001"]
