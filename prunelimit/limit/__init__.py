"""The pruning limit (chapters 4 and 6): projection distances, the two equations, what they expect.

The equations stand in :mod:`prunelimit.limit.solve`. Names are loaded on first use.
"""

from prunelimit.on_use import loaded_on_use

_PUBLIC = {
    "DistanceProfile": "distance",
    "distance_profile": "distance",
    "one_shot_random_orientation": "expected_loss",
    "ridge_at": "expected_loss",
    "sharp_loss": "expected_loss",
    "paper_interval": "kinematic",
    "Formula": "solve",
    "LimitSolution": "solve",
    "Orientation": "solve",
    "Status": "solve",
    "effective_dimension": "solve",
    "paper_limit": "solve",
    "sharp_limit": "solve",
    "sharpness_bound": "solve",
    "solve_limit": "solve",
}

__all__ = sorted(_PUBLIC)

__getattr__, __dir__ = loaded_on_use(__name__, _PUBLIC)
