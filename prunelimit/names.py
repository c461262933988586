"""What people and files give: how it is shown, names, which may be misspelt, and numbers."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Collection
from typing import Any

from prunelimit.errors import PruneLimitError, shown


def printable(text: str) -> str:
    """`text` in one line, without what would move a terminal's cursor or change its colours.

    Examples
    --------
    >>> print(printable("two\\nlines"))
    two\\nlines
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def name_of(function: Any) -> str:
    """A name that is the same in every process; of an object that is called, its kind's.

    Examples
    --------
    >>> import functools
    >>> name_of(printable), name_of("accuracy"), name_of(functools.partial(printable, "a"))
    ('prunelimit.names.printable', 'accuracy', 'functools.partial')
    """
    if isinstance(function, str):
        return function
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def require_known(kind: str, name: object, known: Collection[str]) -> None:
    """Refuse a name that is not among `known`, and say which one is near, if any is.

    Raises
    ------
    PruneLimitError
        If it is not.

    Examples
    --------
    >>> require_known("model", "fc6", ["fc5", "fc7"])
    Traceback (most recent call last):
    ...
    prunelimit.errors.PruneLimitError: unknown model 'fc6'; did you mean 'fc7'? Known are fc5, fc7
    """
    if name in known:
        return
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    hint = f"; did you mean {near[0]!r}? K" if near else "; k"
    raise PruneLimitError(f"unknown {kind} {shown(name)}{hint}nown are {', '.join(known)}")


def is_number(value: Any) -> bool:
    """Whether `value` is one real number, of Python, NumPy (``np.float32``) or torch (0-d).

    Booleans are none.

    Examples
    --------
    >>> import numpy as np
    >>> [is_number(value) for value in (0.5, np.float32(0.5), np.array(1), "0.5", True, None)]
    [True, True, True, False, False, False]
    """
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    return isinstance(value, numbers.Real) and not isinstance(value, bool)  # NumPy's are Real
