"""Limits and bounds read off a committed run, against the formulas themselves."""

from dataclasses import replace

import numpy as np
import pytest

from book.tools.content import ROOT
from prunelimit.lab.studies import readings
from prunelimit.limit.solve import paper_limit
from prunelimit.results import Result


@pytest.fixture(scope="module")
def digits():
    return Result.load(ROOT / "book" / "results" / "digits-mlp.json")


def test_where_the_curves_over_the_distance_meet_the_network_there_is_its_limit(digits):
    curves = readings.limits_over_distance(digits, points=200)
    for formula in ("paper", "sharp"):
        gap = np.array(curves.own) - np.array(curves.limits[formula])
        crossing = np.flatnonzero(np.diff(np.sign(gap)))[0]
        between = sorted(1 - curves.own[crossing + i] for i in (0, 1))
        assert between[0] <= getattr(digits.prediction, formula).sparsity <= between[1]


def test_the_kinematic_ends_enclose_the_limit(digits):
    ends = readings.kinematic_ends(digits, eta=0.1)
    assert ends["lower"] < ends["limit"] < ends["upper"]
    assert 1 - ends["limit"] == pytest.approx(digits.prediction.paper.sparsity, abs=1e-4)
    wide = readings.kinematic_ends(digits, eta=0.001)
    assert wide["difference"] > ends["difference"]


def test_the_gain_is_what_finetuning_took_off_the_dense_loss(digits):
    """The corrected limit, from the exact spectrum by the formula's own function."""
    (row,) = readings.corrected_by_gain({"digits": digits})
    dense = [point.rise for point in digits.finetune if point.sparsity == 0]
    assert [row.gain] == [-rise for rise in dense]
    report = digits.prediction
    kept = paper_limit(
        np.maximum(report.spectrum.eigenvalues, 0), report.distance, row.epsilon + row.gain
    )
    assert row.corrected == pytest.approx(1 - kept / report.dim, abs=1e-6)
    assert row.corrected > row.paper
    real = digits.thresholds.real_existence.value
    assert row.delta_corrected == pytest.approx(row.corrected - real)


def test_where_no_refit_comes_down_to_epsilon_nothing_is_claimed(digits):
    failed = replace(digits, refit=tuple(replace(point, rise=1.0) for point in digits.refit))
    (row,) = readings.overview({"digits": failed})
    assert np.isnan(row.measured["quadratic_existence"].value) and np.isnan(row.delta("sharp"))
    assert "quadratic_existence" not in readings.limits_over_distance(failed).measured
