"""The errors that a user can cause, each saying what was wrong and what to do."""

from __future__ import annotations


class PruneLimitError(ValueError):
    """Bad input: the message names the value and the remedy."""


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Refuse a setting that makes no sense.

    Raises
    ------
    PruneLimitError
        Unless it `holds`.
    """
    if not holds:
        raise PruneLimitError(f"{name} is {value!r}; it must be {expected}")


def require_all(subject: str, **sensible: bool) -> None:
    """Refuse what a file says if an entry of it, by its name, is not sensible.

    Raises
    ------
    PruneLimitError
        Naming the first one.

    Examples
    --------
    >>> require_all("the report", epsilon=True)
    """
    for name, holds in sensible.items():
        if not holds:
            raise PruneLimitError(f"{subject}'s {name} cannot be; no computation says so")


class DivergenceError(PruneLimitError):
    """Training or an iteration left the finite numbers; what was good is kept."""
