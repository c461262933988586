"""Pruning: masks, the measured curves, and what survivors can make good (chapters 7 and 8)."""

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

__all__ = [
    "apply_masks",
    "layerwise_mask",
    "magnitude_mask",
    "magnitude_order",
    "make_permanent",
    "prune",
    "random_mask",
    "removed_count",
    "sparsity_of",
]
