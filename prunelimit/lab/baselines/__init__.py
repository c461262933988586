"""Other ways to a sparse network, to compare with (chapter 8).

Every method is called alike, ``method(model, data, loss_fn, sparsity, config,
seed=…)``, takes an untrained network, leaves it alone, spends no more epochs
than ``config.training.epochs``, and removes exactly ``round(sparsity * dim)``
weights. `METHODS` lists them, so that a table is a loop.

Examples
--------
>>> import torch
>>> data = [(torch.eye(2), torch.ones(2, 1))]
>>> from prunelimit.recipe import TrainingConfig
>>> config = METHODS["snip"].config(TrainingConfig(epochs=1))
>>> snip(torch.nn.Linear(2, 1), data, torch.nn.functional.mse_loss, 0.5, config).sparsity
0.5
"""

from prunelimit.lab.baselines._driver import Method, Work
from prunelimit.lab.baselines._effective import effective_sparsity, layer_collapse
from prunelimit.lab.baselines._one_shot import (
    LompConfig,
    OneShotConfig,
    brain_surgeon,
    dense,
    layerwise_control,
    lomp,
    random_control,
    smart_ratio,
)
from prunelimit.lab.baselines._rare_gems import RareGemsConfig, rare_gems, signed_constants
from prunelimit.lab.baselines._rounds import (
    GradualConfig,
    IterativeMagnitudeConfig,
    gradual_magnitude,
    iterative_counts,
    iterative_magnitude,
    iterative_rounds,
)
from prunelimit.lab.baselines._scored import grasp, snip, synflow, synflow_mask

# What the chapters and the studies call; the rest has its own module.
__all__ = [
    "METHODS",
    "GradualConfig",
    "IterativeMagnitudeConfig",
    "LompConfig",
    "OneShotConfig",
    "RareGemsConfig",
    "Work",
    "effective_sparsity",
    "iterative_counts",
    "iterative_rounds",
    "layer_collapse",
    "signed_constants",
    "synflow_mask",
]


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        dense,
        lomp,
        random_control,
        layerwise_control,
        iterative_magnitude,
        gradual_magnitude,
        rare_gems,
        smart_ratio,
        snip,
        grasp,
        synflow,
        brain_surgeon,
    )
}
"""The methods of chapter 8, in the order of its table."""
