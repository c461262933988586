"""The pruning limit (chapters 4 and 6): sublevel sets, projection distances and the two equations.

The equations stand in :mod:`prunelimit.limit.solve`, whose names are given here.
"""

from prunelimit.limit.distance import DistanceProfile, distance_profile
from prunelimit.limit.solve import (
    Formula,
    LimitSolution,
    Orientation,
    Status,
    effective_dimension,
    one_shot_random_orientation,
    paper_interval,
    paper_limit,
    ridge_at,
    sharp_limit,
    sharp_loss,
    sharpness_bound,
    solve_limit,
)

__all__ = [
    "DistanceProfile",
    "distance_profile",
    "Formula",
    "LimitSolution",
    "Orientation",
    "Status",
    "effective_dimension",
    "one_shot_random_orientation",
    "paper_interval",
    "paper_limit",
    "ridge_at",
    "sharp_limit",
    "sharp_loss",
    "sharpness_bound",
    "solve_limit",
]
