"""What the figures share: axes of the share kept, and limits marked with their brackets."""

import matplotlib.pyplot as plt
import pytest

from prunelimit.plots.style import draw_limits, kept_axis, mark_limits


def test_on_an_axis_of_the_share_kept_the_sparse_end_is_right():
    _, ax = plt.subplots()
    kept_axis(ax, 0.99)
    left, right = ax.get_xlim()
    assert ax.get_xscale() == "log" and left > right
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names[0] == "0" and names[-1] == "0.99"
    assert ax.get_xticks()[-1] == pytest.approx(0.01)


@pytest.mark.parametrize(("sparsest", "place"), [(None, 0.9), (0.95, 0.1), (0.8, 0.2)])
def test_a_limit_stands_at_its_sparsity_or_at_the_end_of_an_axis_that_is_too_short(sparsest, place):
    _, ax = plt.subplots()
    mark_limits(ax, {"paper": (0.85, 0.9, 0.93)}, sparsest)
    (line,) = ax.lines
    assert line.get_xdata()[0] == pytest.approx(place)
    assert ("beyond the axis" in line.get_label()) == (sparsest == 0.8)


def test_both_limits_of_a_table_are_drawn_from_their_columns():
    class Row:
        paper, sharp = 0.7, 0.8

    _, ax = plt.subplots()
    draw_limits(ax, [1.0], [Row()])
    assert [line.get_ydata()[0] for line in ax.lines] == [0.7, 0.8]
