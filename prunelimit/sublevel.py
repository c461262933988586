"""Chapter 4: the public names of :mod:`prunelimit.limit.sublevel`."""

from prunelimit.limit.sublevel import (
    LossCurves,
    Orientation,
    cone_statistical_dimension,
    contact_points,
    ellipsoid_radii,
    ellipsoid_width,
    simulate_loss_curves,
)

__all__ = [
    "LossCurves",
    "Orientation",
    "cone_statistical_dimension",
    "contact_points",
    "ellipsoid_radii",
    "ellipsoid_width",
    "simulate_loss_curves",
]
