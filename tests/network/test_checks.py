"""Models and numbers of other kinds: each public call is right, or says the remedy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import prunelimit as pl
from prunelimit.errors import PruneLimitError

X = torch.randn(24, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24) % 3
DATA = list(zip(X.split(12), Y.split(12), strict=True))


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).eval()


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(network(), {nn.Linear}, dtype=torch.qint8)


def prune(model: nn.Module) -> object:
    return pl.prune(model, 0.5)


def sweep(model: nn.Module) -> object:
    return pl.sweep(model, F.cross_entropy, DATA, [0.5])


def find(model: nn.Module) -> object:
    return pl.find_limit(model, F.cross_entropy, DATA, epsilon=0.1, start=0.3, max_tries=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*deprecated.*")
@pytest.mark.parametrize("call", [prune, sweep, find])
@pytest.mark.parametrize(
    ("build", "remedy"),
    [
        (lambda: network().to("meta"), r"to_empty\(device='cpu'\)"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "run the model on one batch"),
        (quantised, "give the model from before quantisation"),
        (lambda: torch.jit.trace(network(), X), "give the torch module that it was made from"),
        (lambda: torch.export.export(network(), (X,)).module(), "that it was exported from"),
    ],
    ids=["meta", "lazy", "quantised", "scripted", "exported"],
)
def test_models_without_plain_weights_are_refused(build, remedy: str, call) -> None:
    with pytest.raises(PruneLimitError, match=remedy):
        call(build())


class Frequencies(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(super().forward(x))


def test_complex_outputs_are_named() -> None:
    data = [(X, torch.fft.rfft(X))]
    with pytest.raises(PruneLimitError, match="view_as_real"):
        pl.predict_limit(Frequencies(4, 4), lambda o, y: (o - y).abs().square().mean(), data, 0.1)


def test_normalisation_by_the_batch_itself_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False)).eval()
    with pytest.raises(PruneLimitError, match="'1'.*no running statistics.*track_running_stats"):
        pl.predict_limit(model, F.cross_entropy, DATA)


def test_a_frozen_or_inference_model_is_measured() -> None:
    with torch.inference_mode():
        made_there = network()
    right = sweep(network()).loss
    for model in (network().requires_grad_(False), made_there):
        np.testing.assert_allclose(sweep(model).loss, right, rtol=1e-6)
        assert int((prune(model)[0].weight == 0).sum()) > 0
    with pytest.raises(PruneLimitError, match=r"call model\.requires_grad_\(True\)"):
        find(network().requires_grad_(False))


class Half(nn.Module):
    """A part in half precision, whatever the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.net(x).float()


def test_autocast_inside_is_named() -> None:
    with pytest.raises(PruneLimitError, match=r"torch\.autocast"):
        pl.predict_limit(Half(), F.cross_entropy, DATA, 0.05)


def test_compiled_parts_are_computed_as_they_were_written() -> None:
    model = network()
    right = pl.hessian_spectrum(network(), F.cross_entropy, DATA).eigenvalues
    model[0] = torch.compile(model[0], backend="aot_eager")
    found = pl.hessian_spectrum(model, F.cross_entropy, DATA).eigenvalues
    np.testing.assert_allclose(found, right, atol=1e-9)


class Pairs(nn.Module):
    """No linear layer at all."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.pairs = nn.Bilinear(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.pairs(x, x)


def test_what_is_chosen_counts_where_nothing_counts_by_default() -> None:
    report = pl.predict_limit(Pairs(), F.cross_entropy, DATA, 0.05, parameters=["pairs.weight"])
    assert report.dim == 48
    normed = network()
    torch.nn.utils.parametrizations.weight_norm(normed[0])
    report = pl.predict_limit(normed, F.cross_entropy, DATA, 0.05, parameters=["2.weight"])
    plain = pl.predict_limit(network(), F.cross_entropy, DATA, 0.05, parameters=["2.weight"])
    assert float(report.paper.sparsity) == pytest.approx(float(plain.paper.sparsity), abs=1e-6)


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.tensor])
def test_numbers_of_numpy_and_torch_are_numbers(kind) -> None:
    found = [
        pl.find_limit(
            network(), F.cross_entropy, DATA, epsilon=number(0.125), start=number(0.25),
            tolerance=number(0.125), max_tries=2, finetune=lambda masked: None,
        )
        for number in (float, kind)
    ]  # fmt: skip
    assert found[0].to_json() == found[1].to_json()
    for name, value in (("epsilon", "0.1"), ("start", "0.3")):
        with pytest.raises(PruneLimitError, match=f"{name} must be a number"):
            given = {"epsilon": 0.1, "start": 0.3, name: value}
            pl.find_limit(network(), F.cross_entropy, DATA, **given)


class Failing(torch.utils.data.Dataset):
    """Reads all examples but one."""

    def __len__(self) -> int:
        return 24

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        if place == 17:
            raise OSError("no such file: 17.png")
        return X[place], Y[place]


def predict(model: nn.Module, data: torch.utils.data.DataLoader) -> object:
    return pl.predict_limit(model, F.cross_entropy, data, progress=False)


@pytest.mark.parametrize(
    "call",
    [
        predict,
        lambda model, data: pl.sweep(model, F.cross_entropy, data, [0.5]),
        lambda model, data: pl.find_limit(model, F.cross_entropy, data, epsilon=0.1, start=0.3),
    ],
)
@pytest.mark.parametrize(("size", "batch"), [(6, 2), (24, 0)])
def test_a_loader_s_own_error_is_not_the_model_s(call, size: int, batch: int) -> None:
    data = torch.utils.data.DataLoader(Failing(), size)
    with pytest.raises(PruneLimitError, match=rf"loader fails at batch {batch}: OSError.*17.png"):
        call(network(), data)


class Padded(nn.Module):
    """Pools over places that the padding hides."""

    def __init__(self, nested: bool, padding: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=nested)
        self.head, self.padding = nn.Linear(4, 3), padding

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs.isnan().any(-1)
        seen = self.encoder(inputs.nan_to_num(), src_key_padding_mask=hidden)
        weight = torch.where(hidden, self.padding, 1.0)[..., None]
        return self.head((weight * seen).sum(1) / weight.sum(1))


def padded_data() -> list[tuple[Tensor, Tensor]]:
    inputs = torch.randn(24, 5, 4, generator=torch.Generator().manual_seed(0))
    inputs[20:, 3:] = torch.nan  # beyond the few examples that a trial looks at
    return list(zip(inputs.split(12), Y.split(12), strict=True))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("policy", ["ggn", "abs"])
def test_a_model_that_is_another_function_without_gradients_is_named(policy: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(PruneLimitError, match="enable_nested_tensor=False"):
        pl.predict_limit(
            Padded(True, padding=1.0).eval(),
            F.cross_entropy,
            padded_data(),
            policy=policy,
            progress=False,
        )


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(("nested", "padding"), [(False, 1.0), (True, 0.0)])
def test_with_either_remedy_it_is_one_function(nested: bool, padding: float) -> None:
    torch.manual_seed(0)
    model = Padded(nested, padding).eval()
    report = pl.predict_limit(model, F.cross_entropy, padded_data(), progress=False)
    batches = [F.cross_entropy(model(x), y).item() for x, y in padded_data()]
    assert report.loss.mean == pytest.approx(sum(batches) / 2, rel=1e-5)
