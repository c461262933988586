"""Both sides of the equation, its roots, and a formula's one colour in all chapters."""

import numpy as np
import pytest
from plot_support import line

from prunelimit.plots import style, sublevel


def test_a_limit_looks_the_same_in_every_chapter() -> None:
    assert {name: sublevel.LINES[name] for name in style.LIMITS} == style.LIMITS


def test_roots_stand_where_they_are_given() -> None:
    kept = np.arange(1.0, 5.0)
    (ax,) = sublevel.roots_view(kept, 5 - kept, {"root": (2.5, 2.5)}).axes
    assert np.array_equal(np.concatenate(line(ax, "root")), [2.5, 2.5])
    assert np.array_equal(line(ax, r"$N_\mathrm{eff}")[1], 5 - kept)


def test_fixed_points_are_fractions() -> None:
    maps = {"net": np.array([30.0, 20.0])}
    (ax,) = sublevel.fixed_points([10.0, 40.0], maps, {"net": 25.0}, dim=100).axes
    assert line(ax, "net")[1] == pytest.approx([0.3, 0.2])
    assert [float(v[0]) for v in ax.get_lines()[-1].get_data()] == [0.25, 0.25]
