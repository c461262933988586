"""The packages that only batches need."""

from __future__ import annotations

import importlib.util

from prunelimit.errors import PruneLimitError

_PACKAGES = ("cryptography", "distributed", "ipykernel", "jinja2", "papermill")


def require_extra(slurm: bool = False) -> None:
    """Refuse to go on without what ``prunelimit[batch]`` brings.

    Raises
    ------
    PruneLimitError
        If a package is missing; the message says how to get all of them.

    Examples
    --------
    >>> require_extra()
    """
    wanted = (*_PACKAGES, "dask_jobqueue") if slurm else _PACKAGES
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise PruneLimitError(
            f"batches need {', '.join(missing)}: pip install 'prunelimit[batch]' (in a checkout: "
            "pip install -e '.[batch]')"
        )
