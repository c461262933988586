"""The Gauss-Newton matrix among a few of many weights, from the outputs' derivatives in those.

A column of the matrix costs a pass over the data, and the Jacobian in all weights may not fit. In
s weights alone it takes s numbers an output, and C passes give it for all of them. The weights of
a linear layer are not even differentiated: the derivative in W_ij is the one in y_i times x_j.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from prunelimit.spectrum.dense import matrix_of_factors
from prunelimit.spectrum.operator import CurvatureOperator


def submatrix(
    operator: CurvatureOperator, positions: Tensor, progress: bool | None = False
) -> Tensor | None:
    """The rows and columns of a Gauss-Newton matrix that belong to some of the weights.

    **exact**; checked against one product with the whole matrix.

    Parameters
    ----------
    operator
        Of kind "ggn".
    positions
        ``(s,)`` whole numbers, increasing: which of the D weights.
    progress
        See `prunelimit.progress.progress_bar`.

    Returns
    -------
    Tensor or None
        ``(s, s)``, in the operator's dtype. None where the outputs cannot be differentiated
        example by example, or that would take more than a gibibyte at once.

    Examples
    --------
    >>> model = nn.Linear(3, 1, bias=False)
    >>> data = [(torch.tensor([[1.0, 2.0, 3.0]]), torch.zeros(1, 1))]
    >>> operator = CurvatureOperator(model, torch.nn.functional.mse_loss, data)
    >>> submatrix(operator, torch.tensor([0, 2]))
    tensor([[ 2.,  6.],
            [ 6., 18.]])
    """
    if operator.kind != "ggn":
        return None
    few = _FewWeights(operator, positions)
    return matrix_of_factors(operator, few.jacobians, few.positions, few.entries, progress)


class _FewWeights:
    """Derivatives of a model's outputs in the weights at some positions."""

    def __init__(self, operator: CurvatureOperator, positions: Tensor) -> None:
        self.model, self.positions = operator.model, positions.to(operator.device)
        self.values = {name: p.detach() for name, p in operator.parameters.items()}
        owners = _linear_owners(operator.model)
        self.layers: list[tuple[nn.Module, slice, Tensor, Tensor]] = []
        self.others: list[tuple[str, slice, Tensor]] = []
        chosen = torch.zeros(operator.dim, dtype=torch.bool, device=operator.device)
        chosen[self.positions] = True
        begin = 0
        for (name, parameter), piece in zip(
            operator.parameters.items(), operator.pieces(chosen), strict=True
        ):
            places = piece.flatten().nonzero().flatten()
            part = slice(begin, begin := begin + len(places))
            owner = owners.get(id(parameter))
            if len(places) and owner is not None:
                width = parameter.shape[1]
                self.layers.append((owner, part, places // width, places % width))
            elif len(places):
                self.others.append((name, part, places))
        formed = sum(self.values[name].numel() for name, _, _ in self.others)
        self.entries = max(1, operator.outputs * (len(positions) + formed))
        """Numbers held for each example: those wanted, and the whole tensors some are taken of."""

    def jacobians(self, inputs: Tensor) -> Tensor:
        """``(n, outputs, s)`` for inputs ``(n, ...)``."""
        change = torch.zeros(len(self.positions), dtype=next(iter(self.values.values())).dtype)
        return vmap(jacrev(self._outputs), (None, 0))(change.to(inputs.device), inputs)

    def _outputs(self, change: Tensor, example: Tensor) -> Tensor:
        values = dict(self.values)
        for name, part, places in self.others:
            flat = values[name].flatten().index_add(0, places, change[part])
            values[name] = flat.view_as(values[name])
        hooks = [
            layer.register_forward_hook(partial(_changed, change[part], rows, columns))
            for layer, part, rows, columns in self.layers
        ]
        try:
            found: Tensor = functional_call(self.model, values, (example[None],))
        finally:
            for hook in hooks:
                hook.remove()
        return found.flatten()


def _linear_owners(model: nn.Module) -> dict[int, nn.Module]:
    """The linear layer of each weight that belongs to one such layer and to no other module."""
    modules = [m for m in model.modules() if getattr(m, "weight", None) is not None]
    used: dict[int, list[nn.Module]] = {}
    for module in modules:
        used.setdefault(id(module.weight), []).append(module)
    return {key: m[0] for key, m in used.items() if len(m) == 1 and type(m[0]) is nn.Linear}


def _changed(
    change: Tensor, rows: Tensor, columns: Tensor, _: Any, inputs: tuple[Tensor], outputs: Tensor
) -> Tensor:
    """The outputs of a linear layer with `change` added to the weights at `rows` and `columns`."""
    added = change * inputs[0][..., columns]
    return outputs + torch.zeros_like(outputs).index_add(-1, rows, added)
