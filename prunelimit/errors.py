"""The errors that a user can cause, each saying what was wrong and what to do."""

from __future__ import annotations

_SHOWN = 60


class PruneLimitError(ValueError):
    """Bad input: the message names the value and the remedy."""


def shown(value: object) -> str:
    """`value` as a message shows it, whatever its length.

    Examples
    --------
    >>> shown("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Refuse a setting that makes no sense.

    Raises
    ------
    PruneLimitError
        Unless it `holds`.
    """
    if not holds:
        raise PruneLimitError(f"{name} is {shown(value)}; it must be {expected}")


def require_all(subject: str, **sensible: bool) -> None:
    """Refuse what a file says if an entry of it, by its name, is not sensible.

    Raises
    ------
    PruneLimitError
        Naming the first one.
    """
    for name, holds in sensible.items():
        if not holds:
            raise PruneLimitError(f"{subject}'s {name} cannot be; no computation says so")


class DivergenceError(PruneLimitError):
    """Training or an iteration left the finite numbers; what was good is kept."""
