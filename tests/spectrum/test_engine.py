"""`hessian_spectrum` on trained networks against dense truth computed apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from prunelimit import checkpoint as checkpoint_module
from prunelimit.errors import PruneLimitError
from prunelimit.estimates import Interval
from prunelimit.lab import models
from prunelimit.network.parameters import flatten
from prunelimit.spectrum import (
    POLICIES,
    CurvatureOperator,
    CurvatureWarning,
    GramOperator,
    KrylovSpace,
    Workspace,
    hessian_spectrum,
    matrix_spectrum,
    spectrum_of_space,
)
from prunelimit.spectrum.basis import Basis
from prunelimit.spectrum.search import rademacher

CE = nn.functional.cross_entropy


def trained(activation: type[nn.Module], widths=(12, 24, 16, 4), l1: float = 0.0, seed: int = 0):
    """A small network trained for a moment on clustered data, and its ragged batches."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    centres = 2 * torch.randn(widths[-1], widths[0], generator=generator)
    targets = torch.randint(widths[-1], (403,), generator=generator)
    inputs = centres[targets] + 4 * torch.randn(403, widths[0], generator=generator)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), activation()]
    model = nn.Sequential(*layers[:-1])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(40):
        optimiser.zero_grad()
        loss = CE(model(inputs), targets) + l1 * sum(p.abs().sum() for p in model.parameters())
        loss.backward()
        optimiser.step()
    return model, list(zip(inputs.split(100), targets.split(100), strict=True))


def dense_eigenvalues(model, data, kind: str) -> np.ndarray:
    operator = CurvatureOperator(model, CE, data, kind=kind, dtype=torch.float64)
    return torch.linalg.eigvalsh(operator.dense()).numpy()


@pytest.fixture(scope="module", params=["relu", "tanh"])
def network(request):
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[request.param]
    return trained(activation, l1=1e-3 if request.param == "relu" else 0.0)


def test_small_networks_are_exact_in_float64(network) -> None:
    model, data = network
    truth = dense_eigenvalues(model, data, "hessian")
    spectrum = hessian_spectrum(model, CE, data, policy="abs")
    assert spectrum.exact and spectrum.dim == len(truth)
    for ridge in (1e-4, 1e-2, 1.0):
        expected = np.sum(np.abs(truth) / (np.abs(truth) + ridge))
        interval = spectrum.effective_dimension(ridge)
        assert interval.value == pytest.approx(expected, rel=1e-9)
        assert expected in interval and interval.width < 1e-6 * spectrum.dim


def fraction(ridge: float):
    def target(spectrum) -> Interval:
        found = spectrum.effective_dimension(ridge)
        return Interval(*(end / spectrum.dim for end in (found.lower, found.value, found.upper)))

    return target


@pytest.mark.parametrize("policy", ["ggn", "abs", "clip"])
@pytest.mark.parametrize("method", ["lanczos", "gram"])
def test_bracket_holds_and_meets_the_tolerance(network, policy: str, method: str) -> None:
    if method == "gram" and policy != "ggn":
        return
    model, data = network
    values = dense_eigenvalues(model, data, POLICIES[policy])
    values = np.abs(values) if policy == "abs" else np.maximum(values, 0)
    ridges = (3e-3, 1e-1)
    for seed in range(3):
        spectrum = hessian_spectrum(
            model, CE, data, policy, method=method, ridges=ridges, tolerance=0.03, seed=seed
        )
        assert policy != "ggn" or not spectrum.exact
        for ridge in ridges:
            interval = spectrum.effective_dimension(ridge)
            assert np.sum(values / (values + ridge)) in interval
            assert interval.width <= 2 * 0.03 * spectrum.dim


def test_stop_callable_decides(network) -> None:
    model, data = network
    spectrum = hessian_spectrum(
        model, CE, data, method="lanczos", stop=fraction(0.05), tolerance=0.02
    )
    assert spectrum.effective_dimension(0.05).width <= 2 * 0.02 * spectrum.dim


def test_a_search_dearer_than_the_matrix_builds_the_matrix(network) -> None:
    model, data = network
    spectrum = hessian_spectrum(
        model, CE, data, method="lanczos", ridges=[0.05], tolerance=0.0005, max_products=10_000
    )
    truth = np.maximum(dense_eigenvalues(model, data, "ggn"), 0)
    assert spectrum.exact
    assert np.sum(truth / (truth + 0.05)) in spectrum.effective_dimension(0.05)


def test_products_are_capped(network) -> None:
    model, data = network
    spectrum = hessian_spectrum(
        model, CE, data, method="lanczos", ridges=[1e-3], tolerance=1e-4, max_products=20
    )
    truth = np.maximum(dense_eigenvalues(model, data, "ggn"), 0)
    assert spectrum.products == 20
    assert np.sum(truth / (truth + 1e-3)) in spectrum.effective_dimension(1e-3)


def test_rounding_ends_a_search_that_nothing_can_improve() -> None:
    """Three distinct curvatures exhaust the space; far below rounding no bracket can close."""
    curvatures = torch.tensor([0.0, 1.0, 5.0]).repeat(400)
    matrix = SimpleNamespace(
        dim=1200,
        device=torch.device("cpu"),
        dtype=torch.float32,
        matmul=lambda vectors: (curvatures * vectors.T).T,
    )
    found = matrix_spectrum(matrix, "abs", ridges=[1e-7], tolerance=0.05)
    assert found.products < 100
    assert 800 in found.effective_dimension(1e-7)
    sure = matrix_spectrum(matrix, ridges=[2.0], tolerance=0.005)
    assert 400 / 3 + 400 * 5 / 7 in sure.effective_dimension(2.0)


def test_same_seed_same_result(network) -> None:
    model, data = network
    options = {"method": "lanczos", "ridges": [0.1], "tolerance": 0.05}
    first = hessian_spectrum(model, CE, data, seed=3, **options)
    again = hessian_spectrum(model, CE, data, seed=3, **options)
    other = hessian_spectrum(model, CE, data, seed=4, **options)
    assert first == again and first != other
    drawn = [
        hessian_spectrum(model, CE, data, seed=np.random.default_rng(1), **options)
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("policy", ["ggn", "abs"])
def test_an_interrupted_run_goes_on_to_the_identical_result(
    network, policy: str, tmp_path, monkeypatch
) -> None:
    model, data = network
    monkeypatch.setattr(checkpoint_module, "SECONDS_BETWEEN_SAVES", 0.0)
    options = {"policy": policy, "method": "lanczos", "ridges": [0.02], "tolerance": 0.02}
    whole = hessian_spectrum(model, CE, data, **options)
    grow, calls = KrylovSpace.grow, []

    def failing(space, product, block=1):
        calls.append(block)
        if len(calls) in (4, 9):
            raise Interrupted
        grow(space, product, block)

    monkeypatch.setattr(KrylovSpace, "grow", failing)
    for _ in range(2):
        with pytest.raises(Interrupted):
            hessian_spectrum(model, CE, data, checkpoint=tmp_path / "run", **options)
    resumed = hessian_spectrum(model, CE, data, checkpoint=tmp_path / "run", **options)
    assert resumed == whole
    count = len(calls)
    assert hessian_spectrum(model, CE, data, checkpoint=tmp_path / "run", **options) == whole
    assert len(calls) == count  # the finished run is only read


def test_foreign_and_damaged_checkpoints_are_refused(network, tmp_path) -> None:
    model, data = network
    options = {"method": "lanczos", "ridges": [0.1], "tolerance": 0.1}
    hessian_spectrum(model, CE, data, checkpoint=tmp_path, **options)
    with pytest.raises(PruneLimitError, match="its seed is 0, this run's is 1"):
        hessian_spectrum(model, CE, data, checkpoint=tmp_path, seed=1, **options)
    with pytest.raises(PruneLimitError, match="another run"):
        hessian_spectrum(model, CE, data[:2], checkpoint=tmp_path, **options)
    (tmp_path / "basis.bin").write_bytes(b"")
    with pytest.raises(PruneLimitError, match="shorter than its state says"):
        hessian_spectrum(model, CE, data, checkpoint=tmp_path, **options)
    (tmp_path / "state.npz").write_bytes(b"nonsense")
    with pytest.raises(PruneLimitError, match="cannot be read"):
        hessian_spectrum(model, CE, data, checkpoint=tmp_path, **options)
    (tmp_path / "file").write_text("")
    with pytest.raises(PruneLimitError, match="is a file"):
        hessian_spectrum(model, CE, data, checkpoint=tmp_path / "file", **options)


def test_gram_matrix_has_the_same_curvatures(network) -> None:
    model, data = network
    few = [(data[0][0][:7], data[0][1][:7]), (data[1][0][:4], data[1][1][:4])]
    truth = dense_eigenvalues(model, few, "ggn")
    operator = CurvatureOperator(model, CE, few, dtype=torch.float64, workspace=Workspace(chunk=3))
    gram = torch.linalg.eigvalsh(GramOperator(operator).dense()).numpy()
    np.testing.assert_allclose(gram, truth[-len(gram) :], atol=1e-9 * truth.max())
    with pytest.raises(PruneLimitError, match="no Gram form"):
        GramOperator(CurvatureOperator(model, CE, few, kind="hessian"))


def test_few_examples_cap_the_rank_with_a_warning(network) -> None:
    model, data = network
    few = [(data[0][0][:20], data[0][1][:20])]
    with pytest.warns(CurvatureWarning, match="rank at most about 60, below its dimension"):
        spectrum = hessian_spectrum(model, CE, few, method="gram", ridges=[1e-3], tolerance=0.01)
    assert "20 examples" in spectrum.notes[0]
    truth = np.maximum(dense_eigenvalues(model, few, "ggn"), 0)
    assert np.sum(truth / (truth + 1e-3)) in spectrum.effective_dimension(1e-3)
    assert spectrum.effective_dimension(1e-9).upper <= 80  # 20 examples, 4 outputs


def test_losses_that_are_not_convex_in_the_outputs_are_refused(network) -> None:
    model, data = network

    def bumpy(outputs, targets):
        return (1 - outputs.cos()).mean() * outputs.shape[1] + 0.0 * targets.sum()

    for method in ("lanczos", "gram", "dense"):
        with pytest.raises(PruneLimitError, match="not convex"):
            hessian_spectrum(model, bumpy, data, method=method)
    assert hessian_spectrum(model, bumpy, data, policy="abs").negative_share() > 0


@pytest.mark.parametrize("bend", [0.05, 0.0])
def test_one_rule_of_convexity_for_every_method(network, bend: float) -> None:
    """One output of one example bends down by 5 % of the largest: no eigenvalue shows it."""
    model, data = network
    with torch.no_grad():
        level = float(model(torch.cat([x for x, _ in data]))[:, 0].topk(2).values.mean())

    def dented(outputs, targets):
        dent = outputs[:, 0].detach() > level
        return (outputs.square().sum(1) - (1 + bend) * dent * outputs[:, 0].square()).mean()

    refused = []
    for method in ("lanczos", "gram", "dense"):
        try:
            hessian_spectrum(model, dented, data, method=method, max_products=20)
        except PruneLimitError as error:
            refused.append("not convex" in str(error))
    assert refused == ([True] * 3 if bend else [])


def test_probes_are_signs_and_differ() -> None:
    first, second = rademacher(1000, 0, 0), rademacher(1000, 0, 1)
    assert torch.equal(first.abs(), torch.ones(1000)) and abs(float(first @ second)) < 150


def test_refusals(network) -> None:
    model, data = network
    for options, match in (
        ({"policy": "fisher"}, "policy 'fisher'"),
        ({"method": "magic"}, "method 'magic'"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"ridges": [-1.0]}, "ridge is -1.0"),
        ({"tolerance": "wide"}, "tolerance is 'wide'"),
        ({"max_products": 0}, "max_products is 0"),
        ({"max_products": "all"}, "max_products is 'all'; it must be a number of at least 1"),
        ({"seed": -1}, "seed is -1; it must be an integer of at least 0"),
        ({"device": "gpu"}, "device 'gpu'"),
    ):
        with pytest.raises(PruneLimitError, match=match):
            hessian_spectrum(model, CE, data, **options)


def test_single_precision_stays_within_the_rounding_margin() -> None:
    """Dead inputs give many exact zeros, which float32 products move; ridges down to 1e-6."""
    model, data = trained(nn.ReLU, l1=1e-3)
    data = [(inputs * (torch.arange(12) < 6), targets) for inputs, targets in data]
    for policy in ("ggn", "abs", "clip"):
        operator = CurvatureOperator(model, CE, data, POLICIES[policy], dtype=torch.float64)
        values, vectors = (part.numpy() for part in torch.linalg.eigh(operator.dense()))
        probe = rademacher(operator.dim, 0, 0)
        squares = (vectors.T @ probe.double().numpy()) ** 2
        space = KrylovSpace(Basis(operator.dim), torch.float32)
        space.add_start(probe)
        rough = CurvatureOperator(model, CE, data, POLICIES[policy])
        for _ in range(120):
            space.grow(rough.matmul)
        spectrum = spectrum_of_space(space, policy, operator.dim)
        sizes = np.abs(values) if policy == "abs" else np.maximum(values, 0)
        for factor in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
            ridge = factor * sizes.max()
            assert squares @ (sizes / (sizes + ridge)) in spectrum.quadrature_bracket(ridge)


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_deep_architectures_against_a_finite_difference(name: str) -> None:
    model = models.build(name, (3, 32, 32), 10, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    data = [(torch.randn(2, 3, 32, 32, generator=generator), torch.tensor([1, 7]))]
    operator = CurvatureOperator(model, CE, data, "hessian", dtype=torch.float64)
    vector = torch.randn(operator.dim, generator=generator, dtype=torch.float64)
    vector /= vector.norm()
    product, step = operator @ vector, 1e-7
    gradients = []
    for shift in (step, -2 * step):
        for parameter, part in zip(
            operator.parameters.values(), operator.pieces(vector), strict=True
        ):
            parameter.data.add_(part, alpha=shift)
        operator.model.eval()
        loss = CE(operator.model(data[0][0].double()), data[0][1])
        gradients.append(flatten(torch.autograd.grad(loss, list(operator.parameters.values()))))
    difference = (gradients[0] - gradients[1]) / (2 * step)
    assert float((product - difference).norm() / product.norm()) < 1e-4
