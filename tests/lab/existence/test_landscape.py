"""Slope and curvature of a loss over all parameters are those of autograd."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.studies import zoo

KINDS = [
    ("mlp-gelu-layernorm", (1, 4, 4), (5, 4)),
    ("cnn-batch", (1, 8, 8), (3, 4)),
    ("cnn-group", (1, 8, 8), (4, 3)),
    ("resnet-batch", (1, 8, 8), (3, 4)),
    ("transformer", (1, 6, 5), (4, 6)),
]


@pytest.mark.parametrize(("kind", "shape", "widths"), KINDS)
def test_slope_and_curvature_are_those_of_autograd(kind, shape, widths):
    torch.manual_seed(0)
    model = zoo.build(kind, shape, 3, widths)
    model(torch.randn(20, *shape))  # running statistics away from 0 and 1
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    data = [(torch.randn(7, *shape), torch.randint(3, (7,)))]
    landscape = Landscape(model.eval(), cross_entropy, data)
    columns = torch.randperm(landscape.size)[: landscape.size // 2].sort().values

    def outputs(point: torch.Tensor) -> torch.Tensor:
        return landscape.outputs_at(point, landscape.inputs)

    rows = torch.autograd.functional.jacobian(outputs, landscape.start)[..., columns]
    slope, matrix = landscape.gauss_newton(landscape.start, columns)
    expected = torch.autograd.functional.jacobian(landscape.loss, landscape.start)
    assert torch.allclose(slope, expected[columns], atol=1e-12)
    bend = torch.autograd.functional.hessian(
        lambda z: cross_entropy(z, landscape.targets), outputs(landscape.start)
    )
    dense = torch.einsum("ncp,ncmd,mdq->pq", rows, bend, rows)
    assert torch.allclose(matrix, dense, atol=1e-12)
