"""The book's widgets: they move in the built page without a kernel, and follow Python with one.

Each is an anywidget whose ES module holds the formulas as pure functions beside the
drawing. Names are loaded on first use.

Examples
--------
>>> from prunelimit import widgets
>>> widgets.Kinematics(dim=100, angle=30.0).values()["angle"]
30.0
"""

from prunelimit.on_use import loaded_on_use

_PUBLIC = {
    "WhereDoesAccuracyBreak": "where_does_accuracy_break",
    "CutANetwork": "cut_a_network",
    "FourAnswers": "four_answers",
    "HitOrMiss": "hit_or_miss",
    "ConeAndSubspace": "cone_and_subspace",
    "StatisticalDimension": "statistical_dimension",
    "Kinematics": "kinematics",
    "SublevelSet": "sublevel_set",
    "Lanczos": "lanczos",
    "TheLimit": "the_limit",
    "CutTheHistogram": "cut_the_histogram",
    "Paths": "paths",
    "Reexpansion": "reexpansion",
    "OnePicture": "one_picture",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
