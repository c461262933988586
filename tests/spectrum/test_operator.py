"""The curvature operator against dense matrices, finite differences and curvlinops."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from curvlinops import GGNLinearOperator, HessianLinearOperator
from dense_support import dense_ggn
from torch import nn
from torch.func import functional_call, hessian

from prunelimit.errors import PruneLimitError
from prunelimit.network.parameters import prunable_parameters
from prunelimit.spectrum import CurvatureOperator, Workspace

RAGGED = (5, 1, 8, 3)


def ragged_data(seed: int = 0, shape: tuple[int, ...] = (6,), classes: int = 3):
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(n, *shape, generator=generator, dtype=torch.float64),
            torch.randint(classes, (n,), generator=generator),
        )
        for n in RAGGED
    ]


def mlp(activation: type[nn.Module]) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(6, 7), activation(), nn.Linear(7, 5), activation(), nn.Linear(5, 3)
    ).double()


class Residual(nn.Module):
    """Convolution, batch normalisation with non-trivial statistics, pooling and a skip."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Conv2d(2, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2.0)
        self.second = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.head = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = nn.functional.max_pool2d(x + self.second(x), 2)
        return self.head(x.mean(dim=(2, 3)))


class Turned(nn.Module):
    """Pairs of real weights, read as complex ones, behind three weights alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = nn.Linear(6, 1, bias=False), nn.Linear(2, 3, bias=False)
        self.first.weight = nn.Parameter(self.first.weight[:, :3].detach())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turned = torch.view_as_complex(self.second.weight) * self.first(x[:, :3])
        return turned.square().imag


def mean_loss_of_vector(model: nn.Module, data, loss_fn=nn.functional.cross_entropy):
    """The mean loss over all examples as a plain function of the flat prunable weights."""
    inputs, targets = torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])
    prunable = prunable_parameters(model)

    def loss(flat: torch.Tensor) -> torch.Tensor:
        pieces, start = {}, 0
        for name, parameter in prunable.items():
            pieces[name] = flat[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()
        return loss_fn(functional_call(model, pieces, (inputs,)), targets)

    flat = torch.cat([p.detach().reshape(-1) for p in prunable.values()])
    return loss, flat


CASES = {
    "relu": (lambda: mlp(nn.ReLU), (6,)),
    "tanh": (lambda: mlp(nn.Tanh), (6,)),
    "convolution": (lambda: Residual().double().eval(), (2, 6, 6)),
}


@pytest.fixture(params=CASES)
def case(request):
    build, shape = CASES[request.param]
    return build(), ragged_data(shape=shape)


def test_dense_hessian_equals_torch_func(case) -> None:
    model, data = case
    loss, flat = mean_loss_of_vector(model, data)
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, kind="hessian")
    torch.testing.assert_close(operator.dense(), hessian(loss)(flat), rtol=1e-9, atol=1e-11)


def test_dense_ggn_equals_jacobian_formula(case) -> None:
    model, data = case
    inputs = torch.cat([x for x, _ in data])
    prunable = prunable_parameters(model)
    outputs = model(inputs)
    probabilities = outputs.softmax(-1).detach()
    rows = [
        torch.cat(
            [
                g.reshape(-1)
                for g in torch.autograd.grad(o, list(prunable.values()), retain_graph=True)
            ]
        )
        for o in outputs.reshape(-1)
    ]
    jacobian = torch.stack(rows).view(*outputs.shape, -1)
    bend = torch.diag_embed(probabilities) - probabilities[:, :, None] * probabilities[:, None, :]
    expected = torch.einsum("nci,ncd,ndj->ij", jacobian, bend, jacobian) / len(inputs)
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, kind="ggn")
    torch.testing.assert_close(operator.dense(), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("kind", "peer"), [("hessian", HessianLinearOperator), ("ggn", GGNLinearOperator)]
)
def test_product_equals_curvlinops(case, kind: str, peer) -> None:
    # curvlinops weights batches rightly only for loss modules, hence nn.CrossEntropyLoss.
    model, data = case
    loss_fn = nn.CrossEntropyLoss()
    oracle = peer(
        model, loss_fn, list(prunable_parameters(model).values()), data, check_deterministic=False
    )
    operator = CurvatureOperator(model, loss_fn, data, kind=kind)
    vector = torch.randn(
        operator.dim, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    torch.testing.assert_close(operator @ vector, oracle @ vector, rtol=1e-8, atol=1e-10)


def test_hessian_product_equals_finite_difference_of_the_gradient(case) -> None:
    model, data = case
    loss, flat = mean_loss_of_vector(model, data)
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, kind="hessian")
    vector = torch.randn(
        operator.dim, generator=torch.Generator().manual_seed(4), dtype=torch.float64
    )
    step = 1e-6
    gradient = torch.func.grad(loss)
    difference = (gradient(flat + step * vector) - gradient(flat - step * vector)) / (2 * step)
    torch.testing.assert_close(operator @ vector, difference, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_pairs_of_weights_read_as_complex_numbers(kind: str) -> None:
    """Torch reads no pair that starts at an odd place, as these do in the flat vector."""
    model, data = Turned().double(), ragged_data()
    inputs, targets = torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])
    found = CurvatureOperator(model, nn.functional.cross_entropy, data, kind=kind).dense()

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    if kind == "ggn":
        right = dense_ggn(model, model(inputs), loss)
    else:  # by differences: autograd's own slices of a vector start at odd places, too
        weights = list(prunable_parameters(model).values())
        gradients = []
        for weight in weights:
            for index in range(weight.numel()):
                for step in (1e-5, -2e-5, 1e-5):
                    pieces = torch.autograd.grad(loss(model(inputs)), weights)
                    gradients.append(torch.cat([piece.reshape(-1) for piece in pieces]))
                    weight.data.view(-1)[index] += step
        _, after, before = torch.stack(gradients).view(-1, 3, 9).unbind(1)
        right = (after - before) / 2e-5
    torch.testing.assert_close(found, right, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_chunking_keeping_and_streaming_change_nothing(kind: str) -> None:
    model, data = mlp(nn.Tanh), ragged_data()
    vectors = torch.randn(model[0].weight.numel() + 35 + 15, 3, dtype=torch.float64)
    reference = CurvatureOperator(model, nn.functional.cross_entropy, data, kind=kind) @ vectors
    for space in (Workspace(chunk=4), Workspace(memory=0), Workspace(20_000, 2)):
        operator = CurvatureOperator(
            model, nn.functional.cross_entropy, data, kind=kind, workspace=space
        )
        for _ in range(2):  # the second product uses what the first one kept
            torch.testing.assert_close(operator @ vectors, reference, rtol=1e-10, atol=1e-13)
        single = torch.stack([operator @ column for column in vectors.T], dim=1)
        torch.testing.assert_close(single, reference, rtol=1e-10, atol=1e-13)


def test_float32_product_is_close_and_counted() -> None:
    model, data = mlp(nn.ReLU), ragged_data()
    exact = CurvatureOperator(model, nn.functional.cross_entropy, data).dense()
    rough = CurvatureOperator(model, nn.functional.cross_entropy, data, dtype=torch.float32)
    assert next(model.parameters()).dtype == torch.float64
    torch.testing.assert_close(rough.dense().double(), exact, rtol=1e-4, atol=1e-6)
    assert rough.products == rough.dim


def test_chosen_parameters_only() -> None:
    model, data = mlp(nn.Tanh), ragged_data()
    chosen = {"0.bias": model[0].bias}
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, "hessian", chosen)
    loss, _ = mean_loss_of_vector(model, data)
    inputs, targets = torch.cat([x for x, _ in data]), torch.cat([y for _, y in data])
    expected = hessian(
        lambda b: nn.functional.cross_entropy(
            functional_call(model, {"0.bias": b}, (inputs,)), targets
        )
    )(model[0].bias.detach())
    torch.testing.assert_close(operator.dense(), expected)


def test_mode_is_restored_and_no_graph_leaks() -> None:
    model, data = mlp(nn.ReLU).train(), ragged_data()
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, "hessian")
    operator @ torch.ones(operator.dim, dtype=torch.float64)
    assert all(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters())
    gc.collect()
    before = sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())
    for _ in range(3):
        operator @ torch.ones(operator.dim, dtype=torch.float64)
    gc.collect()
    assert sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects()) <= before


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_frozen_normalisation_is_differentiated_too(kind: str) -> None:
    """All parameters, those of batch normalisation among them; the module is left as it was."""
    torch.manual_seed(6)
    model = nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4),
        nn.BatchNorm1d(4, affine=False), nn.Linear(4, 3),
    ).double().eval()  # fmt: skip
    for norm in (model[1], model[5]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    nn.init.normal_(model[1].weight)
    data, loss_fn = ragged_data(shape=(2, 6)), nn.CrossEntropyLoss()
    chosen = dict(model.named_parameters())
    peer = {"hessian": HessianLinearOperator, "ggn": GGNLinearOperator}[kind]
    oracle = peer(model, loss_fn, list(chosen.values()), data, check_deterministic=False)
    operator = CurvatureOperator(model, loss_fn, data, kind, chosen)
    vectors = torch.randn(operator.dim, 2, dtype=torch.float64)
    torch.testing.assert_close(operator @ vectors, oracle @ vectors, rtol=1e-8, atol=1e-10)
    assert all("forward" not in vars(module) for module in model.modules())


class ReverseOnly(torch.autograd.Function):
    """A sine without forward mode."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, slope):
        return slope * ctx.saved_tensors[0].cos()


def test_convolutions_need_no_forward_mode() -> None:
    class Sine(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return ReverseOnly.apply(x)

    class Plain(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sin()

    def network(activation: nn.Module) -> nn.Module:
        torch.manual_seed(7)
        layers = nn.Conv2d(2, 3, 3), activation, nn.Flatten(), nn.Linear(48, 3)
        return nn.Sequential(*layers).double()

    data, products = ragged_data(shape=(2, 6, 6)), []
    for activation in (Sine(), Plain()):
        operator = CurvatureOperator(network(activation), nn.functional.cross_entropy, data)
        generator = torch.Generator().manual_seed(3)
        vector = torch.randn(operator.dim, generator=generator, dtype=torch.float64)
        products.append(operator @ vector)
    torch.testing.assert_close(*products, rtol=1e-12, atol=1e-14)


def test_attention_is_covered() -> None:
    torch.manual_seed(0)

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(4, 12)
            self.head = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            query, key, value = self.mix(x).chunk(3, dim=-1)
            return self.head(nn.functional.scaled_dot_product_attention(query, key, value).mean(1))

    model, data = Attention().double(), ragged_data(shape=(5, 4))
    loss, flat = mean_loss_of_vector(model, data)
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data, "hessian")
    step, vector = 1e-6, torch.ones(operator.dim, dtype=torch.float64)
    gradient = torch.func.grad(loss)
    difference = (gradient(flat + step * vector) - gradient(flat - step * vector)) / (2 * step)
    torch.testing.assert_close(operator @ vector, difference, rtol=1e-5, atol=1e-8)


# ------------------------------------------------------------------ bad input
def refuse(
    match: str, model=None, loss_fn=nn.functional.cross_entropy, data=None, **options
) -> None:
    model = mlp(nn.ReLU) if model is None else model
    with pytest.raises(PruneLimitError, match=match):
        CurvatureOperator(model, loss_fn, ragged_data() if data is None else data, **options)


class OnePass:
    """Looks re-iterable and is not: hands out one iterator."""

    def __init__(self, data) -> None:
        self.iterator = iter(data)

    def __iter__(self):
        return self.iterator


def test_refuses_data_that_is_no_fixed_set_of_examples() -> None:
    refuse("empty", data=[])
    refuse("generator", data=(pair for pair in ragged_data()))
    refuse("second pass", data=OnePass(ragged_data()))
    refuse("cannot be iterated", data=3)
    refuse("pair", data=[torch.ones(3, 6)])
    refuse("tensors", data=[(np.ones((3, 6)), np.ones(3))])
    refuse("first dimensions", data=[(torch.ones(3, 6).double(), torch.ones(2).long())])


def test_refuses_losses_that_are_no_finite_mean() -> None:
    refuse("plain mean", loss_fn=nn.CrossEntropyLoss(reduction="sum"))
    refuse("one number", loss_fn=nn.CrossEntropyLoss(reduction="none"))
    refuse(
        "plain mean",
        loss_fn=nn.CrossEntropyLoss(reduction="sum"),
        data=[(torch.ones(1, 6).double(), torch.ones(1).long())],
    )
    for bad in (float("nan"), float("inf")):
        data = ragged_data()
        data[2][0][1, 1] = bad
        refuse("loss of a batch is nan", data=data)
    refuse("piecewise linear", loss_fn=lambda outputs, targets: outputs.detach().square().mean())


def test_refuses_models_without_a_fixed_loss_or_parameters() -> None:
    refuse("no prunable parameter", model=nn.Sequential(nn.Flatten(), nn.ReLU()))
    refuse(
        r"'1' \(BatchNorm1d\).*model.eval",
        model=nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)).double(),
    )
    refuse(r"Dropout.*model.eval", model=nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.1)).double())
    batch_statistics = nn.BatchNorm1d(3, track_running_stats=False)
    refuse(
        "no running statistics",
        model=nn.Sequential(nn.Linear(6, 3), batch_statistics).double().eval(),
        data=ragged_data()[2:],
    )
    refuse(
        "does not require a gradient",
        parameters={"0.weight": None},
        model=mlp(nn.ReLU).requires_grad_(False),
    )
    refuse("no parameter 'x'", parameters={"x": None})
    refuse("'empty'|empty", parameters={})

    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Linear(2, 2)
            self.scale = nn.Parameter(torch.ones(3, dtype=torch.float64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :3] * self.scale

    refuse("not used by the model", model=Idle().double())


def test_refuses_wrong_options_and_shapes() -> None:
    refuse("unknown curvature 'fisher'", kind="fisher")
    with pytest.raises(PruneLimitError, match="chunk is 0"):
        Workspace(chunk=0)
    refuse("device 'gpu'", device="gpu")
    operator = CurvatureOperator(mlp(nn.ReLU), nn.functional.cross_entropy, ragged_data())
    with pytest.raises(PruneLimitError, match=r"\(3,\)"):
        operator @ torch.ones(3)


def test_notices_a_loader_that_changes() -> None:
    class Shrinking:
        def __init__(self) -> None:
            self.passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(ragged_data()[: 4 if self.passes < 9 else 2])

    operator = CurvatureOperator(
        mlp(nn.ReLU), nn.functional.cross_entropy, Shrinking(), workspace=Workspace(0)
    )
    with pytest.raises(PruneLimitError, match="same data"):
        for _ in range(9):
            operator @ torch.ones(operator.dim)


class Stubborn(nn.Module):
    """A convolutional model that `torch.func` refuses: it branches on its values."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.abs().sum()) == 0:
            return self.inner(x) * 0
        return self.inner(x)


@pytest.mark.parametrize("wrap", [nn.Sequential, Stubborn])
def test_the_matrix_is_made_of_its_columns(wrap) -> None:
    model = wrap(Residual().double()).eval()
    data = ragged_data(shape=(2, 6, 6))
    operator = CurvatureOperator(model, nn.functional.cross_entropy, data)
    columns = operator.matmul(torch.eye(operator.dim, dtype=torch.float64))
    spent = operator.products
    torch.testing.assert_close(operator.dense(), columns, rtol=1e-10, atol=1e-13)
    assert (operator.products - spent < 2) == (wrap is nn.Sequential)


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_confident_examples_keep_their_curvature_in_single_precision(kind: str) -> None:
    # Where p (1 - p) is near 1e-7, float32 has no digit of it left.
    model = mlp(nn.Tanh)
    inputs = torch.randn(40, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    targets = model(inputs).argmax(dim=1)
    with torch.no_grad():
        scale = 18 / model(inputs).topk(2).values.diff().abs().min()
        model[-1].weight.mul_(scale)
        model[-1].bias.mul_(scale)
    results = []
    for dtype in (torch.float64, torch.float32):
        operator = CurvatureOperator(
            model, nn.functional.cross_entropy, [(inputs, targets)], kind, dtype=dtype
        )
        results.append(operator.matmul(torch.ones(operator.dim, dtype=torch.float64)))
    exact, single = results
    assert float(exact.norm()) > 0
    assert float((single - exact).norm() / exact.norm()) < 1e-2
