"""Figures, one file a chapter. No mathematics lives here.

The colours and the figures that more than one chapter draws are given here.
"""

from prunelimit.plots.limits import (
    COLOURS,
    CURVES,
    LIMITS,
    accuracy_curve,
    accuracy_of_result,
    four_curves,
    four_curves_of_result,
    limit_figure,
    mark_limits,
    use_style,
    weight_histogram,
)

__all__ = [
    "COLOURS",
    "CURVES",
    "LIMITS",
    "accuracy_curve",
    "accuracy_of_result",
    "four_curves",
    "four_curves_of_result",
    "limit_figure",
    "mark_limits",
    "use_style",
    "weight_histogram",
]
