"""The book's widgets: they move in the built page without a kernel, and follow Python with one.

Each is an anywidget whose ES module holds the formulas as pure functions beside the
drawing. Names are loaded on first use.

Examples
--------
>>> from prunelimit import widgets
>>> widgets.Kinematics(dim=100, angle=30.0).values()["angle"]
30.0
"""

from __future__ import annotations

import importlib
from typing import Any

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


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"prunelimit.widgets.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'prunelimit.widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
