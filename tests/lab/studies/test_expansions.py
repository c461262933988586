"""Quadratic pictures one after another: the first is a damped Newton step, the last a training."""

from pathlib import Path

import pytest
import torch

from prunelimit.lab.existence.converged import Descent, minimise
from prunelimit.lab.studies import expansions, zoo
from prunelimit.lab.studies.curves import Bench
from prunelimit.results import ExistenceStudy, Expansions

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bench() -> Bench:
    torch.manual_seed(0)
    found = zoo.examples("iris", 64)
    return Bench(zoo.build("mlp-tanh", (4,), 3, (5,)), found)


def test_losses_fall_with_every_picture_towards_the_converged_one(bench):
    losses = expansions.losses_by_expansions(bench, 28)
    assert len(losses) == 17
    assert all(after <= before for before, after in zip(losses, losses[1:], strict=False))
    keep = bench.landscape.keep(bench.order[:28])
    by_mean = Descent(scalings=("mean",))  # another way may end in another minimum
    converged = minimise(bench.landscape, keep, descent=by_mean).loss
    assert converged <= losses[-1] < 0.1 * losses[1] < losses[1] < losses[0]
    cut = torch.where(keep, bench.landscape.start, 0.0)
    assert losses[0] == pytest.approx(float(bench.landscape.losses(cut[None])))


def test_the_first_picture_moves_to_a_damped_minimum_of_itself(bench):
    keep = bench.landscape.keep(bench.order[:12])
    cut = torch.where(keep, bench.landscape.start, 0.0)
    found = minimise(bench.landscape, keep, cut, descent=expansions.ONE)
    free = keep.nonzero()[:, 0]
    gradient, matrix = bench.landscape.gauss_newton(cut, free)
    damped = matrix + found.damping * matrix.diagonal().mean() * torch.eye(len(free)).double()
    step = torch.linalg.solve(damped, -gradient)
    assert torch.allclose(found.point[free], cut[free] + step, atol=1e-8)
    assert found.iterations == 1


def test_expanded_networks_are_kept_and_the_study_read_anew(monkeypatch, tmp_path):
    monkeypatch.setattr(expansions, "measure", lambda network: pytest.fail("expanded again"))
    results = ROOT / "book" / "results"
    output = tmp_path / "expansions.json"
    output.write_bytes((results / "expansions.json").read_bytes())
    before = Expansions.load(output)
    study = results / "existence.json"
    expansions.main(["--study", str(study), "--output", str(output)])
    networks = {network.name: network for network in ExistenceStudy.load(study).networks}
    found = Expansions.load(output)
    for new, old in zip(found.networks, before.networks, strict=True):
        assert new.thresholds == old.thresholds
        rows = networks[new.name].rows
        assert new.real_existence == tuple(row.real_existence.value for row in rows)
