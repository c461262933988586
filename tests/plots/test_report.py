"""The figure of a prediction: the curve, ε and both limits stand where they were computed."""

import pytest

from prunelimit.plots.report import limit_figure


def test_the_curve_ends_at_its_floor_and_the_limits_stand_at_their_sparsities():
    limits = {"paper": (0.6, 0.7, 0.8), "sharp": (0.8, 0.85, 0.9)}
    figure = limit_figure(([0.0, 0.5, 1.0], [0.0, 0.1, 3.0]), 0.55, limits, 0.3)
    (ax,) = figure.axes
    curve, level, paper, sharp = ax.lines
    assert curve.get_ydata() == pytest.approx([0.01, 0.1, 3.0]) and "0.550" in curve.get_label()
    assert level.get_ydata()[0] == 0.3
    assert (paper.get_xdata()[0], sharp.get_xdata()[0]) == (0.7, 0.85)
    assert "0.7000" in paper.get_label() and "0.8500" in sharp.get_label()
    assert ax.get_yscale() == "log" and ax.get_xlabel().startswith("sparsity")
