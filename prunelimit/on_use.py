"""Packages that load a name when it is first used, so that what is not used is not loaded."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Mapping
from typing import Any


def loaded_on_use(
    package: str, public: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package that loads its names on first use.

    `public` takes a name to the module of `package` that has it: by convention the package's table
    ``_PUBLIC``, which tools read from the source.

    Raises
    ------
    AttributeError
        By what is returned, for a name that is not in `public`.

    Examples
    --------
    >>> find, names = loaded_on_use("prunelimit", {"PruneLimitError": "errors"})
    >>> find("PruneLimitError").__name__, names()
    ('PruneLimitError', ['PruneLimitError'])
    """

    def find(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        state = random.getstate()  # of which rich draws when it is imported
        try:
            return getattr(importlib.import_module(f"{package}.{public[name]}"), name)
        finally:
            random.setstate(state)

    return find, lambda: sorted(public)
