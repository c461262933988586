"""Staircases of eigenvalues and of nodes, and brackets around the truth."""

import numpy as np
import pytest
from plot_support import line

from prunelimit.estimates import Interval
from prunelimit.plots import spectrum


def test_the_staircase_counts_directions_above_a_curvature() -> None:
    rules = {"two nodes": (np.array([1.0, 4.0]), np.array([0.75, 0.25]))}
    (ax,) = spectrum.nodes_view([1.0, 4.0, 2.0, 0.0], rules, ridge=1.0).axes
    values, share = line(ax, "all eigenvalues")
    assert values == pytest.approx([4, 2, 1, 1e-16]) and share == pytest.approx(
        [0.25, 0.5, 0.75, 1]
    )
    nodes, weights = line(ax, "two nodes")
    assert nodes == pytest.approx([4, 1]) and weights == pytest.approx([0.25, 1.0])


def test_brackets_close_around_the_truth() -> None:
    brackets = [Interval(0.0, 3.0, 9.0), Interval(2.0, 3.0, 4.0)]
    (ax,) = spectrum.closing_brackets([8, 16], {"case": (brackets, 3.5)}).axes
    assert line(ax, "upper end")[1] == pytest.approx([9, 4])
    assert line(ax, "lower end")[1] == pytest.approx([0, 2])
    assert line(ax, "truth")[1] == pytest.approx([3.5, 3.5])
