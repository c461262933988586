"""The errors that a user can cause, each saying what was wrong and what to do."""

from __future__ import annotations


class PruneLimitError(ValueError):
    """Bad input: the message names the value and the remedy."""


class DivergenceError(PruneLimitError):
    """Training or an iteration left the finite numbers; what was good is kept."""
