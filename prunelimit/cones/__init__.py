"""Closed convex cones: projection, polar, statistical dimension, intrinsic volumes.

Chapters 1 and 2 of the book. A cone is a small immutable object; points are float
arrays ``(dim,)`` or ``(batch, dim)``. The standard source is Amelunxen, Lotz, McCoy &
Tropp (2014), "Living on the edge: phase transitions in convex programs with random data".

Each family of cones lives in a private module; the names below are the public ones.
"""

from prunelimit.cones._base import Cone, PolarCone
from prunelimit.cones._circular import CircularCone, SecondOrderCone
from prunelimit.cones._ellipsoid import EllipsoidCone
from prunelimit.cones._flat import MonotoneCone, Orthant, Subspace
from prunelimit.cones._l1 import L1DescentCone
from prunelimit.cones._monte_carlo import estimate_gaussian_width, estimate_statistical_dimension
from prunelimit.cones._product import Product
from prunelimit.cones._psd import PSDCone

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
