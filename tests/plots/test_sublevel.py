"""Where maps meet the diagonal, and a formula's one colour in all chapters."""

import numpy as np
import pytest
from plot_support import line

from prunelimit.plots import style, sublevel


def test_a_limit_looks_the_same_in_every_chapter() -> None:
    assert {name: sublevel.LINES[name] for name in style.LIMITS} == style.LIMITS


def test_fixed_points_are_fractions() -> None:
    maps = {"net": np.array([30.0, 20.0])}
    (ax,) = sublevel.fixed_points([10.0, 40.0], maps, {"net": 25.0}, dim=100).axes
    assert line(ax, "net")[1] == pytest.approx([0.3, 0.2])
    assert [float(v[0]) for v in ax.get_lines()[-1].get_data()] == [0.25, 0.25]
