"""The derivative of every example's outputs, for matrices that are built whole.

A column of the Gauss-Newton matrix costs a pass over the data, so that D columns
cost D passes. Its factors cost C: with all N C rows of the Jacobian in hand, the
matrix is one multiplication, and convolutions (whose few weights are used in many
places) are differentiated C times instead of D times.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

ROW_BYTES = 2**27
"""Bytes of Jacobian to hold at once."""

EXAMPLES_AT_ONCE = 32
"""Examples differentiated at once: fastest by measurement on small convolutional networks."""


def example_jacobians(model: nn.Module, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """The Jacobian of each example's outputs in the parameters, ``(n, outputs, dim)``.

    Parameters
    ----------
    model
        Treats its examples apart, and is made of operations that `torch.func.vmap` knows.
    parameters
        Of `model`, by their names there.
    inputs
        ``(n, ...)``.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> example_jacobians(model, dict(model.named_parameters()), torch.eye(2))
    tensor([[[1., 0.]],
    <BLANKLINE>
            [[0., 1.]]])
    """

    def outputs(values: dict[str, Tensor], example: Tensor) -> Tensor:
        result: Tensor = functional_call(model, values, (example[None],))
        return result.flatten()

    values = {name: parameter.detach() for name, parameter in parameters.items()}
    blocks = vmap(jacrev(outputs), (None, 0))(values, inputs)
    return torch.cat([blocks[name].flatten(2) for name in parameters], dim=2)


def examples_at_once(outputs: int, dim: int, itemsize: int) -> int:
    """How many examples' Jacobians to hold at once.

    Examples
    --------
    >>> examples_at_once(10, 5000, 8)
    32
    >>> examples_at_once(1000, 10_000, 8)
    1
    """
    return int(min(EXAMPLES_AT_ONCE, max(1, ROW_BYTES // (outputs * dim * itemsize))))
