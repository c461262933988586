"""Chapter 4: the public names of :mod:`prunelimit.limit.sublevel`."""

from prunelimit.limit.sublevel import *  # noqa: F403
