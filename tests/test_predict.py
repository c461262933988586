"""predict_limit against a dense matrix computed apart, and every bad input with its message."""

import copy
import math

import numpy as np
import pytest
import torch
from network_support import trained
from torch import nn
from torch.func import functional_call, hessian, jacrev

import prunelimit as pl
from prunelimit.network.parameters import flatten, prunable_parameters, prunable_weights, unflatten
from prunelimit.pruning import magnitude_order
from prunelimit.spectrum import CurvatureOperator

cross_entropy = nn.functional.cross_entropy


def dense_curvature(model: nn.Module, batches: list, kind: str) -> torch.Tensor:
    """Written with torch.func, sharing nothing with the package's operators."""
    model = nn.Sequential(*model).double()
    inputs = torch.cat([x for x, _ in batches]).double()
    targets = torch.cat([y for _, y in batches])
    parameters = {n: p.detach() for n, p in prunable_parameters(model).items()}
    start = flatten(parameters.values())

    def outputs(vector: torch.Tensor) -> torch.Tensor:
        return functional_call(model, unflatten(vector, parameters), (inputs,))

    if kind == "hessian":
        matrix = hessian(lambda v: cross_entropy(outputs(v), targets))(start)
    else:
        probabilities = outputs(start).softmax(1)
        jacobian = jacrev(outputs)(start)
        middle = (
            torch.diag_embed(probabilities) - probabilities[:, :, None] * probabilities[:, None]
        )
        matrix = torch.einsum("nci,ncd,ndj->ij", jacobian, middle, jacobian) / len(inputs)
    model.float()
    return matrix.detach()


def dense_limits(eigenvalues: np.ndarray, weights: np.ndarray, epsilon: float) -> dict[str, float]:
    """Largest sparsities by scanning every integer k, from the theory's equations as written."""
    dim = len(weights)
    squares = np.sort(weights**2)
    paper = sharp = 0
    for k in range(1, dim):
        ridge = 2 * epsilon / squares[: dim - k].sum()
        if (eigenvalues / (eigenvalues + ridge)).sum() >= k:
            paper = k
        sharp_ridge = ridge * (dim - k) / k
        if (eigenvalues / (eigenvalues + sharp_ridge)).sum() >= k:
            sharp = k
    return {"paper": 1 - paper / dim, "sharp": 1 - sharp / dim}


@pytest.mark.parametrize("policy", ["ggn", "abs", "clip"])
@pytest.mark.parametrize(
    ("activation", "l1", "seed"), [(nn.Tanh, 0.0, 0), (nn.ReLU, 1e-3, 1), (nn.Tanh, 3e-3, 2)]
)
def test_agrees_with_a_dense_matrix(policy: str, activation: type, l1: float, seed: int) -> None:
    model, batches = trained(activation, l1, seed)
    report = pl.predict_limit(model, cross_entropy, batches, policy=policy)
    matrix = dense_curvature(model, batches, "ggn" if policy == "ggn" else "hessian")
    eigenvalues = torch.linalg.eigvalsh(matrix.detach()).numpy()
    eigenvalues = np.abs(eigenvalues) if policy == "abs" else np.maximum(eigenvalues, 0)
    weights = prunable_weights(model).double().numpy()
    expected = dense_limits(eigenvalues, weights, report.epsilon)
    for name, sparsity in expected.items():
        found = getattr(report, name)
        assert found.lower - 1 / report.dim <= sparsity <= found.upper + 1 / report.dim, name
        assert abs(float(found.sparsity) - sparsity) < 0.01
        assert found.lower <= found.sparsity <= found.upper
    ridge = report.paper.ridge
    exact = (eigenvalues / (eigenvalues + ridge)).sum()
    bracket = report.spectrum.effective_dimension(ridge)
    assert bracket.lower - 1e-6 <= exact <= bracket.upper + 1e-6


@pytest.mark.parametrize("policy", ["ggn", "clip"])
def test_one_shot_is_the_quadratic_form_of_the_magnitude_mask(policy: str) -> None:
    model, batches = trained(nn.Tanh, 1e-3, 4)
    report = pl.predict_limit(model, cross_entropy, batches, policy=policy)
    matrix = dense_curvature(model, batches, "ggn" if policy == "ggn" else "hessian")
    weights = prunable_weights(model).double()
    order = magnitude_order(model)

    def rise(removed: int) -> float:
        moved = torch.zeros_like(weights)
        moved[order[:removed]] = weights[order[:removed]]
        return 0.5 * float(moved @ matrix @ moved)

    removed = round(report.one_shot.sparsity * report.dim)
    assert rise(removed) <= report.epsilon
    assert rise(round(report.one_shot.upper * report.dim)) > report.epsilon
    sparsities, rises = report.one_shot_curve
    for sparsity, value in zip(sparsities, rises, strict=True):
        assert value == pytest.approx(rise(round(sparsity * report.dim)), rel=1e-6, abs=1e-12)


def test_the_iterated_path_agrees_with_the_dense_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = trained(nn.Tanh, 1e-3, 5, widths=(6, 40, 30, 3))
    exact = pl.predict_limit(model, cross_entropy, batches)
    assert exact.spectrum.exact
    monkeypatch.setattr("prunelimit.spectrum.engine.DENSE_DIM", 10)
    iterated = pl.predict_limit(model, cross_entropy, batches, tolerance=0.03)
    assert not iterated.spectrum.exact
    for name in ("paper", "sharp"):
        found, truth = getattr(iterated, name), float(getattr(exact, name).sparsity)
        assert found.lower <= truth <= found.upper
        assert found.upper - found.lower <= 0.07
    assert iterated.one_shot_is_estimate and not exact.one_shot_is_estimate
    assert "one-shot, quadratic model, estimate " in iterated.summary()
    assert "estimate" not in exact.summary()
    assert pl.PruningLimit.from_json(iterated.to_json()).one_shot_is_estimate


def test_an_interrupted_prediction_goes_on(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = trained(nn.Tanh, 1e-3, 5, widths=(6, 40, 30, 3))
    monkeypatch.setattr("prunelimit.spectrum.engine.DENSE_DIM", 10)
    path = tmp_path / "iteration"
    options = {"policy": "clip", "tolerance": 0.05}
    whole = pl.predict_limit(model, cross_entropy, batches, **options)
    product, calls = CurvatureOperator.matmul, iter(range(10**9))

    def interrupted(operator: CurvatureOperator, vectors: torch.Tensor) -> torch.Tensor:
        if next(calls) == 30:
            raise KeyboardInterrupt
        return product(operator, vectors)

    monkeypatch.setattr(CurvatureOperator, "matmul", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pl.predict_limit(model, cross_entropy, batches, checkpoint=path, **options)
    monkeypatch.setattr(CurvatureOperator, "matmul", product)
    resumed = pl.predict_limit(model, cross_entropy, batches, checkpoint=path, **options)
    assert resumed.paper.sparsity == pytest.approx(whole.paper.sparsity, abs=1e-6)


def test_epsilon_is_the_deviation_of_full_minibatches_and_says_so() -> None:
    model, batches = trained(nn.Tanh, 1e-3, 0)
    report = pl.predict_limit(model, cross_entropy, batches)
    with torch.no_grad():
        losses = [float(cross_entropy(model(x), y)) for x, y in batches if len(x) == 50]
    assert report.epsilon == pytest.approx(np.std(losses, ddof=1), rel=1e-5)
    assert "50" in report.epsilon_source
    with torch.no_grad():
        x, y = (torch.cat(part) for part in zip(*batches, strict=True))
        whole = float(cross_entropy(model(x), y))
    assert report.loss.mean == pytest.approx(whole, rel=1e-5)


def test_more_loss_allowed_is_never_less_sparse() -> None:
    model, batches = trained(nn.ReLU, 1e-3, 3)
    reports = [pl.predict_limit(model, cross_entropy, batches, e) for e in (0.001, 0.01, 0.1, 1.0)]
    for name in ("paper", "sharp", "one_shot"):
        values = [float(getattr(report, name).sparsity) for report in reports]
        assert values == sorted(values), name
    for report in reports:
        assert report.sharpness_bound <= report.paper.sparsity + 1e-9


def test_the_model_its_mode_and_its_gradients_are_left_alone() -> None:
    model, batches = trained(nn.Tanh, 1e-3, 0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.zero_grad()
    pl.predict_limit(model, cross_entropy, batches)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(p.grad is None for p in model.parameters()) and not model.training


def test_a_random_state_is_neither_read_nor_changed() -> None:
    model, batches = trained(nn.Tanh, 1e-3, 0)
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    one = pl.predict_limit(model, cross_entropy, batches, seed=3)
    assert torch.equal(torch.rand(1), expected)
    two = pl.predict_limit(model, cross_entropy, batches, seed=3)
    assert one.paper == two.paper


# ---------------------------------------------------------------- bad input


@pytest.fixture(scope="module")
def case() -> tuple[nn.Module, list]:
    return trained(nn.Tanh, 1e-3, 0)


def test_empty_loader(case) -> None:
    with pytest.raises(pl.PruneLimitError, match="loader is empty"):
        pl.predict_limit(case[0], cross_entropy, [])


def test_a_generator_is_no_loader(case) -> None:
    with pytest.raises(pl.PruneLimitError, match=r"DataLoader or a list"):
        pl.predict_limit(case[0], cross_entropy, (batch for batch in case[1]))


def test_nan_loss(case) -> None:
    broken = [(torch.full((4, 6), math.nan), torch.zeros(4, dtype=torch.long))] * 2
    with pytest.raises(pl.PruneLimitError, match="nan"):
        pl.predict_limit(case[0], cross_entropy, broken)


def test_sum_and_unreduced_losses(case) -> None:
    with pytest.raises(pl.PruneLimitError, match="reduction='mean'"):
        pl.predict_limit(case[0], nn.CrossEntropyLoss(reduction="sum"), case[1])
    with pytest.raises(pl.PruneLimitError, match="reduction='mean'"):
        pl.predict_limit(case[0], nn.CrossEntropyLoss(reduction="none"), case[1])


def test_nothing_prunable(case) -> None:
    with pytest.raises(pl.PruneLimitError, match="no prunable parameter"):
        pl.predict_limit(nn.BatchNorm1d(6).eval(), cross_entropy, case[1])


def test_batchnorm_in_training_mode(case) -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    with pytest.raises(pl.PruneLimitError, match=r"model\.eval\(\)"):
        pl.predict_limit(model, cross_entropy, case[1])


@pytest.mark.parametrize("epsilon", [0, -0.1, math.nan, math.inf, "small"])
def test_epsilon_that_is_not_positive(case, epsilon) -> None:
    with pytest.raises(pl.PruneLimitError, match="epsilon must be a positive loss rise"):
        pl.predict_limit(case[0], cross_entropy, case[1], epsilon)


def test_one_batch_has_no_deviation(case) -> None:
    with pytest.raises(pl.PruneLimitError, match="smaller batches, or epsilon itself"):
        pl.predict_limit(case[0], cross_entropy, case[1][:1])


def test_unknown_policy_tolerance_and_device(case) -> None:
    with pytest.raises(pl.PruneLimitError, match="policy 'fisher'"):
        pl.predict_limit(case[0], cross_entropy, case[1], policy="fisher")
    with pytest.raises(pl.PruneLimitError, match="tolerance"):
        pl.predict_limit(case[0], cross_entropy, case[1], tolerance=0)
    with pytest.raises(pl.PruneLimitError, match="device"):
        pl.predict_limit(case[0], cross_entropy, case[1], device="tpu9")
    with pytest.raises(pl.PruneLimitError, match="max_products is 0"):  # where none is needed, too
        pl.predict_limit(case[0], cross_entropy, case[1], max_products=0)


def test_a_wide_bracket_says_what_makes_it_wide(case) -> None:
    report = pl.predict_limit(case[0], cross_entropy, case[1], 1e-30)  # all curvatures are known
    assert report.paper.upper - report.paper.lower > 0.1
    assert any("within the rounding of 0" in note for note in report.warnings)
    assert not any("ran out of products" in note for note in report.warnings)


def test_weights_that_are_not_finite(case) -> None:
    model = nn.Sequential(nn.Linear(6, 3))
    model[0].weight.data[0, 0] = math.inf
    with pytest.raises(pl.PruneLimitError, match="NaN or infinite"):
        pl.predict_limit(model, cross_entropy, case[1])


def test_what_the_users_own_code_raises_is_explained(case) -> None:
    narrow = nn.Sequential(nn.Linear(5, 3))
    with pytest.raises(pl.PruneLimitError, match=r"first batch \(inputs \(50, 6\)"):
        pl.predict_limit(narrow, cross_entropy, case[1])
    two_classes = nn.Sequential(nn.Linear(6, 2))
    with pytest.raises(pl.PruneLimitError, match="IndexError"):
        pl.predict_limit(two_classes, cross_entropy, case[1])
    with pytest.raises(pl.PruneLimitError, match=r"torch\.nn\.Module"):
        pl.predict_limit(lambda x: x, cross_entropy, case[1])
    with pytest.raises(pl.PruneLimitError, match="loss_fn is a NoneType"):
        pl.predict_limit(case[0], None, case[1])
    with pytest.raises(pl.PruneLimitError, match="must be tensors"):
        pl.predict_limit(case[0], cross_entropy, [{"inputs": 1}])


def _weights_read_by_the_loss(model: nn.Module):
    return lambda outputs, targets: (
        cross_entropy(outputs, targets)
        + sum(weight.square().sum() for weight in model.parameters())
    )


class _Restless(nn.Module):
    """Counts its calls, keeps what it computed and draws random numbers, all in eval mode."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.calls, self.last = inner, 0, None
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls, self.last = self.calls + 1, self.inner(x)
        self.seen += 1
        torch.rand(1)
        return self.last


def _state(model: nn.Module, random_states: bool = True) -> list:
    tensors = [*model.state_dict().values(), *(p.grad for p in model.parameters())]
    found = [tensor.clone() for tensor in tensors]
    found += [torch.tensor([m.training for m in model.modules()])]
    found += [torch.tensor([p.requires_grad for p in model.parameters()])]
    found += [torch.tensor(model.calls), torch.get_rng_state()]
    return found


@pytest.mark.parametrize("call", ["predict", "spectrum", "prune", "sweep"])
def test_no_public_call_leaves_a_trace(case, call: str) -> None:
    model, data = _Restless(copy.deepcopy(case[0])), case[1]
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*(torch.cat(part) for part in zip(*data, strict=True))),
        50,
        shuffle=True,
    )
    model.train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, last = _state(model), model.last
    calls = {
        "predict": lambda: pl.predict_limit(model, cross_entropy, loader, epsilon=0.1),
        "spectrum": lambda: pl.hessian_spectrum(model, cross_entropy, loader, "abs"),
        "prune": lambda: pl.prune(model, 0.5),
        "sweep": lambda: pl.sweep(model, cross_entropy, loader, [0.5]),
    }
    calls[call]()
    assert model.last is last
    for one, other in zip(before, _state(model), strict=True):
        assert torch.equal(one, other)


def test_a_loss_that_reads_the_weights_gets_one_answer_on_both_sides() -> None:
    model, batches = trained(nn.Tanh, 1e-3, 5)
    plain = pl.hessian_spectrum(model, cross_entropy, batches, "abs")
    with_penalty = pl.hessian_spectrum(model, _weights_read_by_the_loss(model), batches, "abs")
    shifted = np.sort(np.array(plain.eigenvalues)) + 2.0  # of w^2 summed
    np.testing.assert_allclose(with_penalty.eigenvalues, shifted, atol=1e-4)
    with pytest.raises(pl.PruneLimitError, match=r"functools\.partial"):
        pl.sweep(model, _weights_read_by_the_loss(model), batches, [0.5])
