"""Other ways to a sparse network, to compare with (chapter 8).

Every method is called alike, ``method(model, data, loss_fn, sparsity, config,
seed=…)``, takes an untrained network, leaves it alone, spends no more epochs
than ``config.training.epochs``, and removes exactly ``round(sparsity * dim)``
weights. `METHODS` lists them.
"""

from prunelimit.lab.baselines._common import COMMON_TRAINING, Data, Pruned
from prunelimit.lab.baselines._driver import Work
from prunelimit.lab.baselines._effective import effective_sparsity, layer_collapse, used_weights
from prunelimit.lab.baselines._gradual import GradualConfig, cubic_sparsity, gradual_magnitude
from prunelimit.lab.baselines._grasp import GraspConfig, grasp, grasp_scores
from prunelimit.lab.baselines._iterative_magnitude import (
    IterativeMagnitudeConfig,
    iterative_counts,
    iterative_magnitude,
    iterative_rounds,
)
from prunelimit.lab.baselines._one_shot import (
    LompConfig,
    OneShotConfig,
    dense,
    layerwise_control,
    lomp,
    random_control,
)
from prunelimit.lab.baselines._rare_gems import (
    RareGemsConfig,
    rare_gems,
    rare_gems_counts,
    rare_gems_mask,
    signed_constants,
)
from prunelimit.lab.baselines._registry import METHODS, Method
from prunelimit.lab.baselines._smart_ratio import (
    SmartRatioConfig,
    smart_ratio,
    smart_ratio_counts,
    smart_ratio_mask,
)
from prunelimit.lab.baselines._snip import SnipConfig, snip, snip_scores
from prunelimit.lab.baselines._surgeon import SurgeonConfig, brain_surgeon
from prunelimit.lab.baselines._synflow import SynflowConfig, synflow, synflow_mask, synflow_scores

__all__ = [
    "COMMON_TRAINING",
    "METHODS",
    "Data",
    "GradualConfig",
    "GraspConfig",
    "IterativeMagnitudeConfig",
    "LompConfig",
    "Method",
    "OneShotConfig",
    "Pruned",
    "RareGemsConfig",
    "SmartRatioConfig",
    "SnipConfig",
    "SurgeonConfig",
    "SynflowConfig",
    "Work",
    "brain_surgeon",
    "cubic_sparsity",
    "dense",
    "effective_sparsity",
    "gradual_magnitude",
    "grasp",
    "grasp_scores",
    "iterative_counts",
    "iterative_magnitude",
    "iterative_rounds",
    "layer_collapse",
    "layerwise_control",
    "lomp",
    "random_control",
    "rare_gems",
    "rare_gems_counts",
    "rare_gems_mask",
    "signed_constants",
    "smart_ratio",
    "smart_ratio_counts",
    "smart_ratio_mask",
    "snip",
    "snip_scores",
    "synflow",
    "synflow_mask",
    "synflow_scores",
    "used_weights",
]
