"""How sparse can a trained network be pruned, and how do you know before you try?

The package mirrors the book: chapter 1 is :mod:`prunelimit.geometry.cones`, chapter 3
:mod:`prunelimit.geometry.kinematics`, and so on. The names below are loaded on first
use, so that the pure geometry can be imported without loading torch.
"""

from __future__ import annotations

import importlib
import random
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "hessian_spectrum": "prunelimit.spectrum",
    "Spectrum": "prunelimit.spectrum",
    "predict_limit": "prunelimit.predict",
    "PruningLimit": "prunelimit.report",
    "find_limit": "prunelimit.find",
    "default_finetuning": "prunelimit.pruning.retrain",
    "FineTuning": "prunelimit.pruning.finetune",
    "FoundLimit": "prunelimit.found",
    "prune": "prunelimit.pruning",
    "sweep": "prunelimit.pruning.sweep",
    "PruneLimitError": "prunelimit.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        state = random.getstate()  # of which rich draws when it is imported
        try:
            return getattr(importlib.import_module(_PUBLIC[name]), name)
        finally:
            random.setstate(state)
    raise AttributeError(f"module 'prunelimit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
