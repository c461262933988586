"""After every public call, and after one that failed, the caller's things are as they were."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import prunelimit as pl
from prunelimit.network.losses import loss_statistics
from prunelimit.network.undisturbed import undisturbed
from prunelimit.pruning import FineTuning

X = torch.randn(24, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24) % 3


class Diary(nn.Module):
    """Notes every call in buffers and attributes; trains a part, holds gradients and hooks."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.norm = nn.Linear(4, 5), nn.BatchNorm1d(5)
        self.frozen, self.last = nn.Linear(5, 5), nn.Linear(5, 3)
        self.frozen.requires_grad_(False)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("latest", None)
        self.pages: int = 0
        self.eval()
        self.last.train()
        for parameter in self.last.parameters():
            parameter.grad = torch.ones_like(parameter)
        self.seen: list[int] = []
        self.last.register_forward_hook(lambda *_: None)
        self.first.register_forward_pre_hook(lambda *_: None)
        self.first.weight.register_hook(lambda gradient: gradient)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.latest = x.mean(0)
        self.pages += 1
        self.cache = x
        return self.last(torch.tanh(self.frozen(self.norm(self.first(x)))))


def state(model: nn.Module, loader: DataLoader) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, module in model.named_modules():
        plain = {k: v for k, v in vars(module).items() if not isinstance(v, (dict, set))}
        hooks = {k: tuple(v) for k, v in vars(module).items() if k.endswith("hooks")}
        found[name] = (plain, hooks, sorted(vars(module)))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        gradient = None if tensor.grad is None else (id(tensor.grad), tensor.grad.tolist())
        hooked = len(tensor._backward_hooks or ())
        found[f"tensor {name}"] = (id(tensor), tensor.tolist(), tensor.requires_grad, gradient)
        found[f"tensor {name} is"] = (tensor.device, tensor.dtype, hooked)
    found["torch"] = torch.get_rng_state().tolist(), torch.is_grad_enabled()
    found["numpy"] = repr(np.random.get_state()[1:])  # noqa: NPY002
    found["python"] = random.getstate()
    found["loader"] = loader.generator.get_state().tolist()
    cudnn = torch.backends.cudnn
    found["settings"] = torch.get_default_dtype(), cudnn.deterministic, cudnn.benchmark
    return found


def leave(masked: nn.Module) -> None:
    """A loop of the user's own that trains nothing."""


def bad(outputs: Tensor, targets: Tensor) -> Tensor:
    random.random(), np.random.rand(), torch.rand(())  # noqa: NPY002
    raise KeyError("the loss of somebody else")


def calls(loss_fn) -> dict[str, Callable[[nn.Module, DataLoader], object]]:
    find = partial(pl.find_limit, epsilon=0.05, start=0.3, max_tries=2, progress=False)
    budget = FineTuning(epochs=1)
    return {
        "predict_limit": lambda m, d: pl.predict_limit(m, loss_fn, d, 0.05, progress=False),
        "predict_limit abs": lambda m, d: pl.predict_limit(m, loss_fn, d, policy="abs"),
        "lanczos": lambda m, d: pl.hessian_spectrum(m, loss_fn, d, method="lanczos"),
        "sweep": lambda m, d: pl.sweep(m, loss_fn, d, [0.2, 0.6]),
        "find_limit, own loop": lambda m, d: find(m, loss_fn, d, finetune=leave),
        "find_limit, budget": lambda m, d: find(m, loss_fn, d, finetune=budget),
        "loss_statistics": lambda m, d: loss_statistics(m, loss_fn, d),
    }


def loader_of() -> DataLoader:
    drawn = torch.Generator().manual_seed(5)
    return DataLoader(TensorDataset(X, Y), 12, shuffle=True, generator=drawn)


@pytest.mark.parametrize("loss_fn", [F.cross_entropy, bad], ids=["works", "fails"])
@pytest.mark.parametrize("name", calls(F.cross_entropy))
def test_a_call_changes_nothing(name: str, loss_fn) -> None:
    model, loader = Diary(), loader_of()
    before = state(model, loader)
    if loss_fn is bad:
        with pytest.raises(Exception, match="somebody else"):
            calls(bad)[name](model, loader)
    else:
        calls(loss_fn)[name](model, loader)
    after = state(model, loader)
    assert {key for key in before | after if before.get(key) != after.get(key)} == set()


@pytest.mark.parametrize("sparsity", [0.5, 2.0])
def test_prune_changes_nothing(sparsity: float) -> None:
    model, loader = Diary(), loader_of()
    before = state(model, loader)
    if sparsity > 1:
        with pytest.raises(pl.PruneLimitError):
            pl.prune(model, sparsity)
    else:
        assert int((pl.prune(model, sparsity).first.weight == 0).sum()) > 0
    assert state(model, loader) == before


def test_loading_a_public_name_draws_no_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def drawing(name: str) -> ModuleType:
        random.random()  # as rich does when it is imported
        return load(name)

    monkeypatch.setattr(importlib, "import_module", drawing)
    before = random.getstate()
    assert callable(pl.predict_limit)
    assert random.getstate() == before


class Sparse(nn.Module):
    """A sparse map before a layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.last = nn.Linear(4, 3)
        self.register_buffer("map", torch.eye(4).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last((self.map @ x.mT).mT)
        return outputs


class Shortened(nn.Module):
    """An embedding that keeps its rows below a norm, in place, whenever it reads them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.last = nn.Embedding(5, 4, max_norm=1.0), nn.Linear(4, 3)
        self.table.weight.data.mul_(4.0)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.table(x))
        return outputs


def test_rows_that_a_forward_pass_shortens_are_put_back() -> None:
    model, tokens = Shortened().eval(), torch.arange(24) % 5
    before = model.table.weight.detach().clone()
    data = [(tokens[:12], Y[:12]), (tokens[12:], Y[12:])]
    report = pl.predict_limit(model, F.cross_entropy, data, epsilon=0.1)
    curve = pl.sweep(model, F.cross_entropy, data, [0.0])
    pl.find_limit(model, F.cross_entropy, data, epsilon=0.1, start=0.5, max_tries=1)
    assert torch.equal(model.table.weight, before)
    rows = before * (1.0 / before.norm(dim=1, keepdim=True)).clamp(max=1.0)
    right = float(F.cross_entropy(model.last(rows[tokens]), Y))
    assert report.loss.mean == pytest.approx(right, rel=1e-5)
    assert curve.dense_loss == pytest.approx(right, rel=1e-5)


def test_sparse_buffers_are_put_back() -> None:
    model = Sparse().eval()
    with undisturbed(model):
        model.map.mul_(2.0)
    assert torch.equal(model.map.to_dense(), torch.eye(4))
    plain = nn.Linear(4, 3)
    plain.load_state_dict(model.last.state_dict())
    data = [(X, Y)]
    found = pl.hessian_spectrum(model, F.cross_entropy, data)
    right = pl.hessian_spectrum(plain, F.cross_entropy, data)
    assert found.eigenvalues == pytest.approx(right.eigenvalues, rel=1e-9, abs=1e-12)


class Merging(nn.Linear):
    """A low-rank part that is merged into the weight in eval mode, as loralib does."""

    def __init__(self) -> None:
        super().__init__(4, 3)
        self.low, self.high = nn.Parameter(torch.randn(1, 4)), nn.Parameter(torch.randn(3, 1))
        self.merged = False

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (-1 if mode else 1) * self.high.data @ self.low.data
            self.merged = not mode
        return self

    def forward(self, x: Tensor) -> Tensor:
        extra = 0 if self.merged else x @ self.low.T @ self.high.T
        return super().forward(x) + extra


def test_a_model_that_merges_weights_in_eval_mode_is_sent_there_first() -> None:
    torch.manual_seed(4)
    model, data = nn.Sequential(Merging(), nn.Tanh(), nn.Linear(3, 3)), [(X[:12], Y[:12])] * 2
    before = [p.detach().clone() for p in model.parameters()]
    calls = (
        lambda: pl.predict_limit(model, F.cross_entropy, data, 0.1),
        lambda: pl.sweep(model, F.cross_entropy, data, [0.5]),
        lambda: pl.find_limit(model, F.cross_entropy, data, start=0.5, epsilon=0.1),
    )
    for call in calls:
        with pytest.raises(pl.PruneLimitError, match=r"call model\.eval\(\) first"):
            call()
        assert all(map(torch.equal, before, model.parameters()))
        assert not model[0].merged and model.training
    model.eval()
    merged = F.cross_entropy(model(X), Y).item()
    report = pl.predict_limit(model, F.cross_entropy, [(X[:12], Y[:12]), (X[12:], Y[12:])], 0.1)
    assert report.loss.mean == pytest.approx(merged, rel=1e-5)


def test_a_model_that_keeps_a_layer_in_eval_mode_stays_as_it_is() -> None:
    class Careful(nn.Sequential):
        def train(self, mode: bool = True) -> nn.Module:
            super().train(mode)
            self[1].eval()
            return self

    model = Careful(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)).train()
    model.register_buffer("graph", torch.eye(3).to_sparse())
    curve = pl.sweep(model, F.cross_entropy, [(X, Y)], [0.5])
    assert curve.dense_loss > 0 and model.training and not model[1].training


class Counting(nn.Module):
    """A loss with a parameter, and a buffer that it replaces at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls = self.calls + 1
        return F.cross_entropy(outputs * self.scale, targets)


class Holder:
    """A callable object that holds the module."""

    def __init__(self, module: nn.Module) -> None:
        self.parts = {"loss": [module]}

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.parts["loss"][0](outputs, targets)


WRAPPED: dict[str, Callable[[nn.Module], Callable]] = {
    "itself": lambda module: module,
    "partial": lambda module: partial(Counting.forward, module),
    "object": Holder,
    "closure": lambda module: lambda outputs, targets: module(outputs, targets),
    "method": lambda module: module.forward,
    "default": lambda module: lambda outputs, targets, held=module: held(outputs, targets),
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_modules_of_a_loss_are_left_as_they_were(wrapped: str) -> None:
    torch.manual_seed(0)
    data = [(torch.randn(20, 4), torch.randint(3, (20,))) for _ in range(3)]
    model, module = nn.Linear(4, 3), Counting()
    loss = WRAPPED[wrapped](module)
    pl.predict_limit(model, loss, data, epsilon=0.1)
    budget = pl.FineTuning(epochs=2)
    pl.find_limit(model, loss, data, epsilon=0.1, start=0.5, finetune=budget, max_tries=1)
    assert float(module.calls) == 0 and module.scale.grad is None


def test_autocast_around_a_call_changes_nothing() -> None:
    torch.manual_seed(0)
    data = [(torch.randn(20, 4), torch.randint(3, (20,))) for _ in range(3)]
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    plain = pl.predict_limit(model, F.cross_entropy, data, epsilon=0.1)
    curve = pl.sweep(model, F.cross_entropy, data, [0.0, 0.5])
    with torch.autocast("cpu", torch.bfloat16):
        inside = pl.predict_limit(model, F.cross_entropy, data, epsilon=0.1)
        again = pl.sweep(model, F.cross_entropy, data, [0.0, 0.5])
    assert inside.paper == plain.paper and inside.loss == plain.loss
    assert again.loss.tolist() == curve.loss.tolist()


def test_objects_of_a_loss_that_cannot_be_looked_into_are_left_alone() -> None:
    class Closed(dict):
        def values(self):
            raise RuntimeError("store is closed")

    store = Closed(weight=1.0)
    data = [(torch.randn(20, 4), torch.randint(3, (20,)))]

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return store["weight"] * F.cross_entropy(outputs, targets)

    assert pl.predict_limit(nn.Linear(4, 3), loss, data, epsilon=0.1).loss.mean > 0
