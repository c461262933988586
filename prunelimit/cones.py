"""Closed convex cones (chapters 1 and 2): the public names of :mod:`prunelimit.geometry.cones`."""

from prunelimit.geometry.cones import *  # noqa: F403
from prunelimit.geometry.cones import __all__ as __all__
