"""The study: what it measures, what it reads from that, and that it goes on where it was."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from prunelimit.errors import PruneLimitError
from prunelimit.lab.studies import corrections, study
from prunelimit.lab.studies.study import Network
from prunelimit.network.parameters import prunable_weights
from prunelimit.pruning import magnitude_order

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
    found = json.loads((measured[0] / "a.json").read_text())
    assert found["format"] == study.FORMAT
    assert "--networks digits-4x4-4-l0.001-e3" in found["provenance"]["command"]
    (network,) = found["networks"]
    assert network["dim"] == 16 * 4 + 4 * 10
    assert network["examples"] == 1295
    rows = study.table(found)
    assert [row["epsilon"] for row in rows][1] == 0.4
    for row in rows:
        assert row["held_out"]
        assert all(0 <= row[name] <= 1 for name in study.predictions())
        assert all(0 <= row[name] <= 1 for name in study.CURVES)
        assert min(row["one_shot"], 0.98) <= row["real_existence"]
        assert row["paper"] <= row["gain, paper"]
        assert all(0 < row[f"relative distance, {f}"] <= 1 for f in corrections.FORMULAS)
        assert row["step, sharp"] > 0
    assert "real_existence_doubled" in network["rows"][0]
    assert study.choose([row | {"held_out": False} for row in rows]) in study.predictions()


def test_quadratic_existence_is_the_schur_complements(measured, quick):
    # An oracle of its own: the pruned positions' block of the inverse matrix.
    splits = study.load_source(study.SOURCES["digits-4x4"])
    bench = study.Bench(study.build(TINY, splits), splits, 0.05, steps=11)
    shifted = bench.matrix + 1e-6 * torch.eye(bench.dim).double()
    bench.operator = study._Dense(shifted)
    rise = bench.refit(0.6)
    removed = magnitude_order(bench.model)[: round(0.6 * bench.dim)]
    moved = bench.weights[removed]
    block = torch.linalg.inv(shifted)[removed][:, removed]
    assert rise == pytest.approx(0.5 * float(moved @ torch.linalg.solve(block, moved)), rel=1e-3)
    row = bench.refits[0.6]
    assert row["distance"] == pytest.approx(float(moved.norm()))
    assert row["one_shot_rise"] > row["rise"]


def test_a_measured_network_is_only_read(measured, quick, monkeypatch):
    folder, arguments = measured
    monkeypatch.setattr(study, "measure", lambda network, directory: pytest.fail("measured again"))
    assert study.main([*arguments, "--output", str(folder / "b.json")]) == 0
    first, second = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert first["networks"] == second["networks"]


def test_an_unknown_network_is_named(tmp_path):
    with pytest.raises(PruneLimitError, match="'digits-7' is unknown; choose among digits-16"):
        study.run_study(["digits-7"], tmp_path)


def test_errors_count_only_rows_with_a_prediction():
    rows = [
        {"a": 0.5, "real_existence": 0.505},
        {"a": None, "real_existence": 0.9},
        {"a": 0.8, "real_existence": 0.7},
    ]
    np.testing.assert_allclose(study.errors(rows, "a", "real_existence"), [-0.005, 0.1])
    told = study.summary(rows, "a", "real_existence")
    assert told["rows"] == 2
    assert told["within"] == 0.5
    assert told["largest"] == pytest.approx(0.1)
    with pytest.raises(PruneLimitError, match="no row has the prediction 'a'"):
        study.summary(rows[1:2], "a", "real_existence")


def test_the_choice_does_not_look_at_held_out_rows():
    row = dict.fromkeys(study.predictions(), 0.5) | {"real_existence": 0.9}
    seen = row | {"held_out": False, "bound, sharp": 0.85}
    unseen = row | {"held_out": True, "layers, paper": 0.9}
    assert study.choose([seen, unseen]) == "bound, sharp"


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
