"""Pruning: masks, the measured curves, and what survivors can make good (chapters 7 and 8).

Names are loaded on first use, but for those that are called as their modules are.
"""

from prunelimit.on_use import loaded_on_use
from prunelimit.pruning.finetune import finetune
from prunelimit.pruning.masks import prune
from prunelimit.pruning.sweep import sweep

_PUBLIC = {
    "apply_masks": "attach",
    "attached_masks": "attach",
    "change_masks": "attach",
    "make_permanent": "attach",
    "stored_weights": "attach",
    "FineTuned": "finetune",
    "FineTuning": "finetune",
    "LayerCount": "masks",
    "layer_counts": "masks",
    "layerwise_mask": "other_masks",
    "magnitude_mask": "masks",
    "magnitude_order": "masks",
    "random_mask": "other_masks",
    "removed_count": "masks",
    "semi_structured_mask": "other_masks",
    "sparsity_of": "masks",
    "OneShotCurve": "one_shot",
    "one_shot_curve": "one_shot",
    "Refit": "refit",
    "refit_survivors": "refit",
    "Sweep": "sweep",
}

__all__ = ["finetune", "prune", "sweep", *_PUBLIC]

__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
