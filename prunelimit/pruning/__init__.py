"""Pruning: masks, the measured curves, and what survivors can make good (chapters 7 and 8).

What the re-fit and the search for a threshold need is loaded on their first use.
"""

import importlib
from typing import Any

from prunelimit.pruning.attach import (
    apply_masks,
    attached_masks,
    change_masks,
    make_permanent,
    stored_weights,
)
from prunelimit.pruning.finetune import FineTuned, FineTuning, finetune
from prunelimit.pruning.masks import (
    LayerCount,
    layer_counts,
    layerwise_mask,
    magnitude_mask,
    magnitude_order,
    random_mask,
    removed_count,
    semi_structured_mask,
    sparsity_of,
)
from prunelimit.pruning.one_shot import OneShotCurve, one_shot_curve
from prunelimit.pruning.prune import prune
from prunelimit.pruning.sweep import Sweep, sweep

_PUBLIC = {
    "Crossing": "threshold",
    "Refit": "refit",
    "find_crossing": "threshold",
    "refit_survivors": "refit",
}

__all__ = [
    "Crossing",
    "FineTuned",
    "FineTuning",
    "LayerCount",
    "OneShotCurve",
    "Refit",
    "Sweep",
    "apply_masks",
    "attached_masks",
    "change_masks",
    "find_crossing",
    "finetune",
    "layer_counts",
    "layerwise_mask",
    "magnitude_mask",
    "magnitude_order",
    "make_permanent",
    "one_shot_curve",
    "prune",
    "random_mask",
    "refit_survivors",
    "removed_count",
    "semi_structured_mask",
    "sparsity_of",
    "stored_weights",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"prunelimit.pruning.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'prunelimit.pruning' has no attribute {name!r}")
