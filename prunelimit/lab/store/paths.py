"""Names that become paths: of tasks, of classes, of the files in an archive."""

from __future__ import annotations

import os

from prunelimit.errors import PruneLimitError, require, shown

_LONGEST_NAME = 200
"""Bytes. A file system takes 255; a hash or an ending may be added."""


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
