"""What figures of several chapters share: axes of the share kept, lines of both limits."""

import matplotlib.pyplot as plt
import pytest

from prunelimit.plots.panels import draw_limits, kept_axis


def test_on_an_axis_of_the_share_kept_the_sparse_end_is_right():
    _, ax = plt.subplots()
    kept_axis(ax, 0.99)
    left, right = ax.get_xlim()
    assert ax.get_xscale() == "log" and left > right
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names[0] == "0" and names[-1] == "0.99"
    assert ax.get_xticks()[-1] == pytest.approx(0.01)


def test_both_limits_of_a_table_are_drawn_from_their_columns():
    class Row:
        paper, sharp = 0.7, 0.8

    _, ax = plt.subplots()
    draw_limits(ax, [1.0], [Row()])
    assert [line.get_ydata()[0] for line in ax.lines] == [0.7, 0.8]
