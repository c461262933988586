"""Points carry two standard errors, and a cone its dimension within the sandwich."""

import numpy as np
import pytest
from plot_support import line, ticks

from prunelimit.plots import geometry


def test_bars_are_two_standard_errors() -> None:
    points = {"measured": ([1.0, 2.0], [0.5, 0.6], [0.01, 0.02])}
    ax = geometry.lines_and_points({"exact": ([1.0, 2.0], [0.5, 0.7])}, points, "x", "y")
    ((_, _, (bars,)),) = ax.containers
    lengths = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    assert lengths == pytest.approx([0.04, 0.08])
    assert line(ax, "exact")[1] == pytest.approx([0.5, 0.7])


def test_the_sandwich_shows_dimension_above_squared_width() -> None:
    (ax,) = geometry.sandwich(["a", "b"], [1.0, 2.0], [1.25, 3.0]).axes
    assert np.allclose(line(ax, "cones"), [[0.25, 1.0], [1, 0]])
    assert ticks(ax) == ["a", "b"]
