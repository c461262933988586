"""Pruning: masks, the measured curves, and what survivors can make good (chapters 7 and 8)."""

from prunelimit.pruning.finetune import FineTuned, FineTuning, finetune
from prunelimit.pruning.masks import (
    apply_masks,
    layerwise_mask,
    magnitude_mask,
    magnitude_order,
    make_permanent,
    prune,
    random_mask,
    removed_count,
    sparsity_of,
)
from prunelimit.pruning.one_shot import OneShotCurve, one_shot_curve
from prunelimit.pruning.refit import Refit, refit_survivors
from prunelimit.pruning.sweep import Sweep, sweep
from prunelimit.pruning.threshold import Crossing, find_crossing

__all__ = [
    "Crossing",
    "FineTuned",
    "FineTuning",
    "OneShotCurve",
    "Refit",
    "Sweep",
    "apply_masks",
    "find_crossing",
    "finetune",
    "layerwise_mask",
    "magnitude_mask",
    "magnitude_order",
    "make_permanent",
    "one_shot_curve",
    "prune",
    "random_mask",
    "refit_survivors",
    "removed_count",
    "sparsity_of",
    "sweep",
]
