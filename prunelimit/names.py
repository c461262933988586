"""What people and files give: how it is shown, and names, which may be misspelt or become paths."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection

from prunelimit.errors import PruneLimitError, require, shown

_LONGEST_NAME = 200
"""Bytes. A file system takes 255; a hash or an ending may be added."""


def printable(text: str) -> str:
    """`text` in one line, without what would move a terminal's cursor or change its colours.

    Examples
    --------
    >>> print(printable("two\\nlines"))
    two\\nlines
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


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


def path_part(what: str, name: object) -> str:
    """`name`, if it can be one folder's or one file's name and can lead nowhere else.

    `what` is how an error calls it.

    Raises
    ------
    PruneLimitError
        If it is no text, is empty, names a folder above, has a separator or a control character
        in it, or is longer than file systems take.

    Examples
    --------
    >>> path_part("task", "digits-mlp")
    'digits-mlp'
    >>> path_part("task", "../runs")
    Traceback (most recent call last):
      ...
    prunelimit.errors.PruneLimitError: task is '../runs'; a name must not begin with a dot
    """
    require(isinstance(name, str), what, name, "a name")
    assert isinstance(name, str)
    wrong = (
        "must not be empty"
        if not name.strip()
        else "must not begin with a dot"
        if name.startswith(".")
        else next((f"must not have {c!r} in it" for c in name if c in "/\\" or ord(c) < 32), None)
    )
    if wrong is None and len(os.fsencode(name)) > _LONGEST_NAME:
        wrong = f"must not be longer than {_LONGEST_NAME} bytes"
    if wrong is not None:
        raise PruneLimitError(f"{what} is {shown(name)}; a name {wrong}")
    return name
