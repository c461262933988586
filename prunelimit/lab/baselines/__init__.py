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
>>> config = SnipConfig(TrainingConfig(epochs=1))
>>> snip(torch.nn.Linear(2, 1), data, torch.nn.functional.mse_loss, 0.5, config).sparsity
0.5
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prunelimit.lab.baselines._common import Pruned
from prunelimit.lab.baselines._driver import Work
from prunelimit.lab.baselines._effective import effective_sparsity, layer_collapse
from prunelimit.lab.baselines._one_shot import (
    LompConfig,
    OneShotConfig,
    SmartRatioConfig,
    SurgeonConfig,
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
from prunelimit.lab.baselines._scored import (
    GraspConfig,
    SnipConfig,
    SynflowConfig,
    grasp,
    snip,
    synflow,
    synflow_mask,
)

# What the chapters and the studies call; the rest has its own module.
__all__ = [
    "METHODS",
    "Work",
    "effective_sparsity",
    "iterative_counts",
    "iterative_rounds",
    "layer_collapse",
    "signed_constants",
    "synflow_mask",
]


@dataclass(frozen=True)
class Method:
    """One row of a comparison.

    Attributes
    ----------
    label
        For people.
    run
        ``run(model, data, loss_fn, sparsity, config, seed=…, device=…, progress=…)``.
    config
        Class of its configuration; every one has a field ``training``.
    source
        Key in the bibliography; empty for a control.
    """

    label: str
    run: Callable[..., Pruned]
    config: Callable[..., Any]
    source: str


METHODS: dict[str, Method] = {
    "dense": Method("dense", dense, OneShotConfig, ""),
    "lomp": Method("LOMP", lomp, LompConfig, "zhang2024sparse"),
    "random_control": Method("random mask", random_control, OneShotConfig, ""),
    "layerwise_control": Method("layerwise magnitude", layerwise_control, OneShotConfig, ""),
    "iterative_magnitude": Method(
        "iterative magnitude", iterative_magnitude, IterativeMagnitudeConfig, "frankle2019lottery"
    ),
    "gradual_magnitude": Method(
        "gradual magnitude", gradual_magnitude, GradualConfig, "zhu2017prune"
    ),
    "rare_gems": Method("Rare Gems", rare_gems, RareGemsConfig, "sreenivasan2022rare"),
    "smart_ratio": Method("Smart-Ratio", smart_ratio, SmartRatioConfig, "su2020sanity"),
    "snip": Method("SNIP", snip, SnipConfig, "lee2019snip"),
    "grasp": Method("GraSP", grasp, GraspConfig, "wang2020grasp"),
    "synflow": Method("SynFlow", synflow, SynflowConfig, "tanaka2020synflow"),
    "brain_surgeon": Method("brain surgeon", brain_surgeon, SurgeonConfig, "hassibi1993obs"),
}
"""The methods of chapter 8, in the order of its table."""
