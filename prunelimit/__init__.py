"""How sparse can a trained network be pruned, and how do you know before you try?

The package mirrors the book: chapter 1 is :mod:`prunelimit.geometry.cones`, chapter 3
:mod:`prunelimit.geometry.kinematics`, and so on. The names below are loaded on first
use, so that the pure geometry can be imported without loading torch.
"""

from prunelimit.on_use import loaded_on_use

__version__ = "0.1.0"

_PUBLIC = {
    "hessian_spectrum": "spectrum",
    "Spectrum": "spectrum",
    "predict_limit": "predict",
    "PruningLimit": "report",
    "find_limit": "find",
    "default_finetuning": "pruning.finetune",
    "FineTuning": "pruning.finetune",
    "FoundLimit": "found",
    "prune": "pruning",
    "sweep": "pruning.sweep",
    "PruneLimitError": "errors",
}

__all__ = ["__version__", *_PUBLIC]

__getattr__, _names = loaded_on_use(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
