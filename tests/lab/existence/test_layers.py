"""Written derivatives are those of autograd, and other layers take the general way."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunelimit.lab.existence.landscape import Landscape
from prunelimit.lab.existence.layers import is_known, layer_jacobian
from prunelimit.lab.studies import zoo

KINDS = [
    ("mlp-gelu-layernorm", (1, 4, 4), (5, 4)),
    ("cnn-batch", (1, 8, 8), (3, 4)),
    ("cnn-group", (1, 8, 8), (4, 3)),
    ("resnet-batch", (1, 8, 8), (3, 4)),
    ("transformer", (1, 6, 5), (4, 6)),
]


@pytest.mark.parametrize(("kind", "shape", "widths"), KINDS)
def test_the_written_derivatives_are_those_of_autograd(kind, shape, widths):
    torch.manual_seed(0)
    model = zoo.build(kind, shape, 3, widths)
    model(torch.randn(20, *shape))  # running statistics away from 0 and 1
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    data = [(torch.randn(7, *shape), torch.randint(3, (7,)))]
    landscape = Landscape(model.eval(), cross_entropy, data)
    columns = torch.randperm(landscape.size)[: landscape.size // 2].sort().values
    assert is_known(model)
    _, rows = layer_jacobian(landscape.model, landscape.inputs, columns)

    def outputs(point: torch.Tensor) -> torch.Tensor:
        return landscape.outputs_at(point, landscape.inputs)

    whole = torch.autograd.functional.jacobian(outputs, landscape.start)
    assert torch.allclose(rows, whole[..., columns], atol=1e-12)
    slope, matrix = landscape.gauss_newton(landscape.start, columns)
    expected = torch.autograd.functional.jacobian(landscape.loss, landscape.start)
    assert torch.allclose(slope, expected[columns], atol=1e-12)
    bend = torch.autograd.functional.hessian(
        lambda z: cross_entropy(z, landscape.targets), outputs(landscape.start)
    )
    dense = torch.einsum("ncp,ncmd,mdq->pq", rows, bend, rows)
    assert torch.allclose(matrix, dense, atol=1e-12)


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 0.5, -1.0, 2.0]))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.tanh(inputs * self.scale)


def test_a_layer_that_is_not_known_takes_the_general_way():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), Scale(), nn.Linear(4, 2))
    landscape = Landscape(model, cross_entropy, [(torch.randn(9, 3), torch.randint(2, (9,)))])
    assert not is_known(model)
    columns = torch.arange(landscape.size)
    slope, _ = landscape.gauss_newton(landscape.start, columns)
    expected = torch.autograd.functional.jacobian(landscape.loss, landscape.start)
    assert torch.allclose(slope, expected, atol=1e-12)
