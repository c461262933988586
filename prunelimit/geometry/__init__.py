"""Convex geometry (chapters 1 to 3): cones, the kinematics of random subspaces, sparse recovery.

It knows nothing of networks. :mod:`prunelimit.cones` and :mod:`prunelimit.kinematics` are its
public doors.
"""
