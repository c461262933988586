"""Figures, one file a chapter. No mathematics lives here.

The colours and the figures that more than one chapter draws are given here, each on first use.
"""

from prunelimit.on_use import loaded_on_use

_PUBLIC = {
    "accuracy_curve": "limits",
    "accuracy_of_result": "limits",
    "four_curves_of_result": "limits",
    "weight_histogram": "limits",
    "limit_figure": "report",
    "COLOURS": "style",
    "CURVES": "style",
    "LIMITS": "style",
    "mark_limits": "style",
    "use_style": "style",
}

__all__ = sorted(_PUBLIC)

__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
