"""The study: what it measures, what it reads from that, and that it goes on where it was."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from prunelimit.errors import PruneLimitError
from prunelimit.lab.store import provenance
from prunelimit.lab.studies import study
from prunelimit.lab.studies.study import Network
from prunelimit.network.parameters import prunable_weights
from prunelimit.pruning import magnitude_order
from prunelimit.results.study import CURVES, FORMULAS, Study, choose, predictions
from prunelimit.spectrum.matrix import DenseMatrix

TINY = Network("digits-4x4", (4,), 1e-3, 3, 0.4, held_out=True, doubled=True)


@pytest.fixture(scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "STEPS", 11)
        patch.setattr(study, "ROUND_STEPS", 11)
        patch.setitem(study.NETWORKS, TINY.name, TINY)
        yield patch


@pytest.fixture(scope="module")
def measured(quick, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    arguments = ["--runs", str(folder), "--networks", TINY.name]
    assert study.main([*arguments, "--output", str(folder / "a.json")]) == 0
    return folder, arguments


def test_the_networks_vary_and_half_of_them_judge():
    networks = list(study.NETWORKS.values())
    assert len(networks) >= 24
    assert Counter(network.held_out for network in networks)[True] == len(networks) / 2
    for held_out in (False, True):
        half = [network for network in networks if network.held_out == held_out]
        assert len({network.l1 for network in half}) >= 4
        assert len({network.epochs for network in half}) >= 3
        assert len({len(network.widths) for network in half}) >= 4
        assert {network.source for network in half} == set(study.SOURCES)


def test_a_study_holds_what_its_tables_read(measured):
    found = Study.load(measured[0] / "a.json")
    assert "--networks digits-4x4-4-l0.001-e3" in found.provenance.command
    (network,) = found.networks
    assert network.dim == 16 * 4 + 4 * 10
    assert network.examples == 1295
    points = found.points()
    rows = [point.columns() for point in points]
    assert [row["epsilon"] for row in rows][1] == 0.4
    for row in rows:
        assert row["held_out"]
        assert all(0 <= row[name] <= 1 for name in predictions())
        assert all(0 <= row[name] <= 1 for name in CURVES)
        assert min(row["one_shot"], 0.98) <= row["real_existence"]
        assert row["paper"] <= row["gain, paper"]
        assert all(0 < row[f"relative distance, {f}"] <= 1 for f in FORMULAS)
        assert row["step, sharp"] > 0
    assert network.rows[0].real_existence_doubled is not None
    assert choose([replace(point, held_out=False) for point in points]) in predictions()


def test_quadratic_existence_is_the_schur_complements(measured, quick):
    # An oracle of its own: the pruned positions' block of the inverse matrix.
    splits = study.load_source(study.SOURCES["digits-4x4"])
    bench = study.Bench(study.build(TINY, splits), splits, 0.05, steps=11)
    shifted = bench.matrix + 1e-6 * torch.eye(bench.dim).double()
    bench.operator = DenseMatrix(shifted)
    rise = bench.refit(0.6)
    removed = magnitude_order(bench.model)[: round(0.6 * bench.dim)]
    moved = bench.weights[removed]
    block = torch.linalg.inv(shifted)[removed][:, removed]
    assert rise == pytest.approx(0.5 * float(moved @ torch.linalg.solve(block, moved)), rel=1e-3)
    row = bench.refits[0.6]
    assert row.distance == pytest.approx(float(moved.norm()))
    assert row.one_shot_rise > row.rise


def test_a_measured_network_is_only_read(measured, quick, monkeypatch):
    folder, arguments = measured
    monkeypatch.setattr(study, "measure", lambda *_: pytest.fail("measured again"))
    monkeypatch.setattr(provenance, "__version__", "9.9")
    assert study.main([*arguments, "--output", str(folder / "b.json")]) == 0
    first, second = (Study.load(folder / name) for name in ("a.json", "b.json"))
    assert first.networks == second.networks
    assert second.provenance.prunelimit == "9.9"
    (made_by,) = second.networks[0].making.made_by
    assert made_by.prunelimit == first.provenance.prunelimit != "9.9"


def test_an_unknown_network_is_named(tmp_path):
    with pytest.raises(PruneLimitError, match="'digits-7' is unknown; choose among digits-16"):
        study.run_study(["digits-7"], tmp_path)


@pytest.mark.parametrize("name", study.SOURCES)
def test_sources_are_pooled_floats_in_one_order(name):
    source = study.SOURCES[name]
    try:
        splits = study.load_source(source)
    except PruneLimitError as error:
        if source.dataset == "digits":
            raise
        pytest.skip(str(error))
    assert splits.input_shape == next(iter(splits.test))[0].shape[1:]
    assert splits.train.examples == splits.train_eval.examples == (source.examples or 1295)
    assert splits.train.shuffle and not splits.train_eval.shuffle
    images = torch.cat([images for images, _ in splits.train_eval])
    assert torch.equal(images, torch.cat([images for images, _ in splits.train_eval]))
    assert prunable_weights(study.build(TINY, splits)).numel() > 0


def test_a_large_network_has_the_correction_that_needs_no_matrix(quick, monkeypatch):
    splits = study.load_source(study.SOURCES["digits-4x4"])
    bench = study.Bench(study.build(TINY, splits), splits, 0.05, steps=11)
    whole = bench.corrected(0.4, bench.rounds(highest_loss=0.0))
    monkeypatch.setattr(study, "LARGEST_MATRIX", 100)
    alone = bench.corrected(0.4, [])
    assert list(alone) == ["gain"]
    assert alone["gain"] == pytest.approx(whole["gain"], abs=1e-9)
