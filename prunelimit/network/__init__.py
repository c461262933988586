"""The caller's network: which weights count, its loss, its batches and its device.

Everything that touches a model of somebody else goes through this room, which leaves the model
as it found it.
"""
