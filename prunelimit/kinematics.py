"""Chapter 3: the public names of :mod:`prunelimit.geometry.kinematics`."""

from prunelimit.geometry.deviation import deviation
from prunelimit.geometry.kinematics import (
    approximate_bounds,
    intersection_probabilities,
    intersection_probability,
    intersection_probability_of_cones,
    sharper_bounds,
    simulate_intersection,
)

__all__ = [
    "approximate_bounds",
    "deviation",
    "intersection_probabilities",
    "intersection_probability",
    "intersection_probability_of_cones",
    "sharper_bounds",
    "simulate_intersection",
]
