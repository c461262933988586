"""`hessian_spectrum` on trained networks against dense truth computed apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from prunelimit.errors import PruneLimitError
from prunelimit.spectrum import CurvatureOperator, hessian_spectrum
from prunelimit.spectrum.engine import rademacher

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


def test_lanczos_brackets_the_truth_to_the_tolerance(network) -> None:
    model, data = network
    truth = np.maximum(dense_eigenvalues(model, data, "ggn"), 0)
    ridges = (1e-3, 1e-1)
    for seed in range(5):
        spectrum = hessian_spectrum(
            model, CE, data, method="lanczos", ridges=ridges, tolerance=0.02, seed=seed
        )
        assert not spectrum.exact and spectrum.products < 1000
        for ridge in ridges:
            interval = spectrum.effective_dimension(ridge)
            assert np.sum(truth / (truth + ridge)) in interval
            assert interval.width <= 2 * 0.02 * spectrum.dim


def test_stop_callable_decides(network) -> None:
    model, data = network
    seen = []

    def stop(spectrum):
        interval = spectrum.effective_dimension(0.05)
        seen.append(interval.width)
        return type(interval)(
            *(end / spectrum.dim for end in (interval.lower, interval.value, interval.upper))
        )

    spectrum = hessian_spectrum(model, CE, data, method="lanczos", stop=stop, tolerance=0.01)
    assert len(seen) >= 2
    assert spectrum.effective_dimension(0.05).width <= 2 * 0.01 * spectrum.dim


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


def test_probes_are_signs_and_differ() -> None:
    first, second = rademacher(1000, 0, 0), rademacher(1000, 0, 1)
    assert torch.equal(first.abs(), torch.ones(1000)) and abs(float(first @ second)) < 150


def test_refusals(network) -> None:
    model, data = network
    for options, match in (
        ({"policy": "fisher"}, "policy='fisher'"),
        ({"method": "magic"}, "method='magic'"),
        ({"tolerance": 0.0}, "tolerance=0.0"),
        ({"ridges": [-1.0]}, "ridge=-1.0"),
        ({"max_products": 0}, "max_products=0"),
        ({"device": "gpu"}, "device='gpu'"),
    ):
        with pytest.raises(PruneLimitError, match=match):
            hessian_spectrum(model, CE, data, **options)
