"""A few rows and columns of the Gauss-Newton matrix against the whole of it."""

from __future__ import annotations

import pytest
import torch
from dense_support import dense_ggn
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, linear, mse_loss

from prunelimit.spectrum import CurvatureOperator, dense, submatrix

N = 23


class Tokens(nn.Module):
    """Attention over the rows of an image: every weight is used at each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 9, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.embed(x[:, 0])).mean(1))


class Shared(nn.Module):
    """One layer used twice, and two that have one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.one, self.other = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5)
        self.other.weight = self.one.weight
        self.head = nn.Linear(25, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.twice(torch.tanh(self.twice(x[:, 0]))))
        return self.head(self.other(torch.tanh(self.one(x))).flatten(1))


class ReadsAWeight(nn.Module):
    """Takes a layer's weight without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(25, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(linear(x.flatten(1), self.layer.weight)))


MODELS = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(25, 6), nn.Tanh(), nn.Linear(6, 3)),
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.GELU(), nn.Flatten(), nn.Linear(27, 3)
    ),
    "pixels": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1)),
    "tokens": Tokens,
    "shared": Shared,
    "reads": ReadsAWeight,
}


def operator_of(name: str, kind: str = "ggn", loss=cross_entropy) -> CurvatureOperator:
    torch.manual_seed(0)
    model = MODELS[name]().double().eval()
    x = torch.randn(N, 1, 5, 5, dtype=torch.float64)
    if loss is mse_loss:
        y = torch.randn(N, 3, dtype=torch.float64)
    else:
        y = torch.randint(3, (N, 3, 3) if name == "pixels" else (N,))
    return CurvatureOperator(model, loss, [(x[:9], y[:9]), (x[9:], y[9:])], kind)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "reads"])
@pytest.mark.parametrize("count", [1, 17])
def test_it_is_a_part_of_the_whole_matrix(name: str, count: int) -> None:
    operator = operator_of(name)
    positions = torch.randperm(operator.dim)[:count].sort().values
    whole = operator.dense()
    before = [p.clone() for p in operator.model.parameters()]
    found = submatrix.submatrix(operator, positions)
    torch.testing.assert_close(found, whole[positions][:, positions], rtol=1e-9, atol=1e-14)
    assert all(torch.equal(p, q) for p, q in zip(operator.model.parameters(), before, strict=True))
    assert not any(m._forward_hooks for m in operator.model.modules())


@given(seed=st.integers(0, 1000), chunk=st.sampled_from([1, 4, 50]), size=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_however_the_examples_are_cut(seed: int, chunk: int, size: int) -> None:
    operator = operator_of("mlp", loss=mse_loss)
    operator.chunk = chunk
    generator = torch.Generator().manual_seed(seed)
    positions = torch.randperm(operator.dim, generator=generator)[:11].sort().values
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "EXAMPLES_AT_ONCE", size)
        found = submatrix.submatrix(operator, positions)
    inputs, targets = operator.data.some(N)
    outputs = operator.model(inputs)
    whole = dense_ggn(operator.model, outputs, lambda given: mse_loss(given, targets))
    torch.testing.assert_close(found, whole[positions][:, positions], rtol=1e-9, atol=1e-14)


def test_where_it_cannot_be_had_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    positions = torch.tensor([3, 5])
    assert submatrix.submatrix(operator_of("mlp", "hessian"), positions) is None
    # The layer is not called, so that nothing is known of its weights: one product tells.
    assert submatrix.submatrix(operator_of("reads"), positions) is None
    monkeypatch.setattr(dense, "ROW_BYTES", 1)
    assert submatrix.submatrix(operator_of("mlp"), positions) is None
