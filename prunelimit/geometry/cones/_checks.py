"""Input checks shared by the geometry modules; each error names the value and the remedy."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunelimit.errors import PruneLimitError

FloatArray = NDArray[np.float64]


def check_integer(value: Any, name: str, lowest: int, highest: int | None = None) -> int:
    """`value` as an int within [lowest, highest], or a PruneLimitError.

    Raises
    ------
    PruneLimitError
        If it is no whole number, or out of range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise PruneLimitError(f"{name} must be a whole number, got {value!r}") from None
    if number < lowest or (highest is not None and number > highest):
        allowed = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise PruneLimitError(f"{name} must be {allowed}, got {number}")
    return number


def check_points(x: ArrayLike, dim: int) -> tuple[FloatArray, bool]:
    """`x` as a ``(batch, dim)`` array, and whether it came as a single point ``(dim,)``.

    Raises
    ------
    PruneLimitError
        If `x` has another shape, or holds anything but finite real numbers.
    """
    try:
        points = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise PruneLimitError(f"points must be real numbers, got {type(x).__name__}") from None
    if points.ndim not in (1, 2) or points.shape[-1] != dim:
        raise PruneLimitError(
            f"points must have shape ({dim},) or (batch, {dim}), got {points.shape}"
        )
    if not np.all(np.isfinite(points)):
        raise PruneLimitError("points hold NaN or infinity; remove them before projecting")
    return np.atleast_2d(points), points.ndim == 1


def make_generator(seed: int | np.random.Generator) -> np.random.Generator:
    """A random generator from a seed; a generator is used as it is."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(check_integer(seed, "seed", 0))
