"""What to say to a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from prunelimit.errors import PruneLimitError


def unknown_name(kind: str, name: object, known: Iterable[str]) -> PruneLimitError:
    """The error for a name that is not among `known`, with the nearest one if any is near.

    Examples
    --------
    >>> print(unknown_name("model", "fc6", ["fc5", "alexnet"]))
    unknown model 'fc6'; did you mean 'fc5'? Known are alexnet, fc5
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=1)
    hint = f"; did you mean {near[0]!r}? K" if near else "; k"
    return PruneLimitError(f"unknown {kind} {name!r}{hint}nown are {', '.join(known)}")
