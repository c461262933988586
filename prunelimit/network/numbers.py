"""Numbers as people pass them: Python's, NumPy's and tensors without dimension."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from torch import Tensor


def is_number(value: Any) -> bool:
    """Whether `value` is one real number, of Python, NumPy (``np.float32``) or torch (0-d).

    Booleans are none.

    Examples
    --------
    >>> [is_number(value) for value in (0.5, np.float32(0.5), np.array(1), "0.5", True, None)]
    [True, True, True, False, False, False]
    """
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.is_complex() and str(value.dtype) != "torch.bool"
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, numbers.Real) and not isinstance(value, bool)  # NumPy's are Real
