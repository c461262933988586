"""The figure of a prediction: the curve, ε and both limits stand where they were computed."""

import numpy as np
import pytest

from book.tools.content import ROOT
from prunelimit.results import Result


def test_the_curve_ends_at_its_floor_and_the_limits_stand_at_their_sparsities():
    report = Result.load(ROOT / "book" / "results" / "digits-mlp.json").prediction
    (ax,) = report.plot().axes
    curve, level, paper, sharp = ax.lines
    floor = report.epsilon / 30
    assert curve.get_ydata() == pytest.approx(np.maximum(report.one_shot_curve.rises, floor))
    assert f"{report.one_shot.sparsity:.3f}" in curve.get_label()
    assert level.get_ydata()[0] == report.epsilon
    for drawn, limit in ((paper, report.paper), (sharp, report.sharp)):
        assert drawn.get_xdata()[0] == limit.sparsity
        assert f"{limit.sparsity:.4f}" in drawn.get_label()
    assert ax.get_yscale() == "log" and ax.get_xlabel().startswith("sparsity")
