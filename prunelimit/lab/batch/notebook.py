"""What the notebook that runs any task says of itself before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prunelimit.lab.batch.parameters import CONFIGURED, configure
from prunelimit.names import unknown_name

_PLACES = ("device", "data_root", "run_dir")
_PLAIN = (bool, int, float, str, list, dict, tuple, type(None))
_OF_IPYTHON = ("In", "Out")


def announce(variables: Mapping[str, Any]) -> str:
    """How much of the task this notebook runs; refuses parameters that it does not have.

    Papermill sets whatever name it is given, and only logs one that the notebook does not have.

    Parameters
    ----------
    variables
        The notebook's `globals()`, before it has set any of its own.

    Raises
    ------
    PruneLimitError
        On a parameter or a value that does not exist.

    Examples
    --------
    >>> print(announce({"task": "digits-mlp", "scale": 0.1}))
    digits-mlp, seed 0, at scale 0.1: 6 of 60 epochs and shorter sweeps. The whole task is scale 1.
    >>> announce({"task": "digits-mlp", "lamda": 1e-4})
    Traceback (most recent call last):
      ...
    prunelimit.errors.PruneLimitError: unknown parameter 'lamda'; known are ...
    """
    given: dict[str, Any] = {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and name not in _OF_IPYTHON and isinstance(value, _PLAIN)
    }
    known = (*CONFIGURED, *_PLACES)
    for name in given:
        if name not in known:
            raise unknown_name("parameter", name, known)
    chosen, _ = configure(**{name: given[name] for name in CONFIGURED if name in given})
    scale = given.get("scale", 1.0)
    whole, _ = configure(given["task"])
    epochs, all_epochs = chosen.training.epochs, whole.training.epochs
    head = f"{chosen.name}, seed {chosen.seed}, at scale {scale:g}: {epochs} of {all_epochs} epochs"
    if scale == 1:
        return f"{head}, the whole measurement."
    return f"{head} and shorter sweeps. The whole task is scale 1."
