"""What the figures share: limits marked with their brackets."""

import matplotlib.pyplot as plt
import pytest

from prunelimit.plots.style import mark_limits


@pytest.mark.parametrize(("sparsest", "place"), [(None, 0.9), (0.95, 0.1), (0.8, 0.2)])
def test_a_limit_stands_at_its_sparsity_or_at_the_end_of_an_axis_that_is_too_short(sparsest, place):
    _, ax = plt.subplots()
    mark_limits(ax, {"paper": (0.85, 0.9, 0.93)}, sparsest)
    (line,) = ax.lines
    assert line.get_xdata()[0] == pytest.approx(place)
    assert ("beyond the axis" in line.get_label()) == (sparsest == 0.8)
