"""Curvature matrices row by row, by first derivatives of first derivatives and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from prunelimit.network.parameters import prunable_parameters


def rows(values: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The derivative of each entry of `values`, ``(entries, dim)``."""
    found = []
    for value in values.reshape(-1):
        pieces = torch.autograd.grad(
            value, parameters, retain_graph=True, create_graph=True, allow_unused=True
        )
        flat = [
            torch.zeros_like(parameter) if piece is None else piece
            for piece, parameter in zip(pieces, parameters, strict=True)
        ]
        found.append(torch.cat([piece.reshape(-1) for piece in flat]))
    return torch.stack(found)


def dense_hessian(model: nn.Module, loss: Callable[[], Tensor]) -> Tensor:
    """Of a loss of the model's weights, in those that count."""
    parameters = list(prunable_parameters(model).values())
    return rows(rows(loss(), parameters)[0], parameters).detach()


def dense_ggn(model: nn.Module, outputs: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """J^T H_out J with the outputs of all data and the loss of all of them together."""
    jacobian = rows(outputs, list(prunable_parameters(model).values())).detach()
    leaf = outputs.detach().reshape(-1).requires_grad_()
    (slope,) = torch.autograd.grad(loss(leaf.view_as(outputs)), leaf, create_graph=True)
    bend = rows(slope, [leaf]).detach()
    return jacobian.T @ bend @ jacobian
