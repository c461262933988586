"""Closed convex cones: projection, polar, statistical dimension, intrinsic volumes.

Chapters 1 and 2 of the book. A cone is a small immutable object; points are float
arrays ``(dim,)`` or ``(batch, dim)``. The standard source is Amelunxen, Lotz, McCoy &
Tropp (2014), "Living on the edge: phase transitions in convex programs with random data".

Each family of cones lives in a private module; the names below are the public ones.
"""

from prunelimit.geometry.cones._base import Cone, PolarCone
from prunelimit.geometry.cones._circular import CircularCone, SecondOrderCone
from prunelimit.geometry.cones._ellipsoid import EllipsoidCone
from prunelimit.geometry.cones._flat import MonotoneCone, Orthant, Subspace
from prunelimit.geometry.cones._l1 import L1DescentCone
from prunelimit.geometry.cones._monte_carlo import (
    estimate_gaussian_width,
    estimate_statistical_dimension,
)
from prunelimit.geometry.cones._product import Product
from prunelimit.geometry.cones._psd import PSDCone

__all__ = [
    "CircularCone",
    "Cone",
    "EllipsoidCone",
    "L1DescentCone",
    "MonotoneCone",
    "Orthant",
    "PSDCone",
    "PolarCone",
    "Product",
    "SecondOrderCone",
    "Subspace",
    "estimate_gaussian_width",
    "estimate_statistical_dimension",
]
