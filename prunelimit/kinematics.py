"""Chapter 3: the public names of :mod:`prunelimit.geometry.kinematics`."""

from prunelimit.geometry.deviation import deviation as deviation
from prunelimit.geometry.kinematics import *  # noqa: F403
