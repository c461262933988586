"""The main job on the embedded data: complete, resumable, and true to its parts."""

import dataclasses
import json
import shutil
from importlib.metadata import version

import numpy as np
import pytest
from torch import nn

from prunelimit import PruneLimitError
from prunelimit.lab import experiment, tasks
from prunelimit.lab.store.measurements import Measurements
from prunelimit.lab.training import load_checkpoint
from prunelimit.network.evaluate import evaluate
from prunelimit.pruning import FineTuning, prune

CONFIG = experiment.ExperimentConfig(
    loss_points=20,
    accuracy_points=20,
    resolution=0.05,
    refit_measurements=4,
    refit_iterations=20,
    finetune_measurements=4,
    finetuning=FineTuning(epochs=2, learning_rate=0.05),
)
TASK = tasks.get("digits-cnn").with_(epochs=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("run")
    return directory, experiment.run_task(TASK, directory, CONFIG, device="cpu")


def test_the_result_is_written_and_read_back(run) -> None:
    directory, result = run
    assert experiment.load_result(directory / "result.json") == json.loads(json.dumps(result))
    assert result["provenance"]["packages"]["torch"] == version("torch")
    assert set(result["costs"]) == {"training", "prediction", "sweep", "refit", "finetune"}


def test_the_table_has_all_four_curves(run) -> None:
    rows = experiment.comparison(run[1])
    assert [row["kind"] for row in rows].count("measured") == 3
    assert len(rows) == 6
    for row in rows:
        assert 0 <= row["lower"] <= row["sparsity"] <= row["upper"] <= 1
        assert 0 <= row["one_shot_accuracy"] <= 1


def test_the_sweep_is_what_pruning_and_evaluating_give(run) -> None:
    directory, result = run
    splits = TASK.load_data()
    model = TASK.build_model(splits)
    weights = sorted(directory.glob("training/**/*.safetensors"))[-1]
    load_checkpoint(model, weights)
    curve = result["sweep"]["test"]
    for index in (0, 7, 15):
        pruned = prune(model, curve["sparsities"][index])
        loss, accuracy = evaluate(pruned, nn.functional.cross_entropy, splits.test, "cpu")
        assert curve["loss"][index] == pytest.approx(loss, rel=1e-4)
        assert curve["accuracy"][index] == pytest.approx(accuracy)


def test_refits_lie_between_zero_and_one_shot(run) -> None:
    for row in run[1]["refit"]:
        assert -1e-9 <= row["rise"] <= row["one_shot_rise"] + 1e-9


def test_fine_tuning_never_ends_above_its_start(run) -> None:
    result = run[1]
    training = result["sweep"]["training"]
    for row in result["finetune"]:
        one_shot = np.interp(row["sparsity"], training["sparsities"], training["loss"])
        assert row["rise"] <= max(one_shot - training["dense_loss"], 0) + 0.5


def test_a_second_call_only_reads(run, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, result = run

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    for name in ("predict_limit", "sweep", "refit_survivors", "finetune"):
        monkeypatch.setattr(experiment, name, forbidden)
    again = experiment.run_task(TASK, directory, CONFIG, device="cpu")
    changing = {"provenance", "costs"}
    assert {k: v for k, v in again.items() if k not in changing} == {
        k: v for k, v in result.items() if k not in changing
    }


def test_another_measurement_redoes_only_its_stage(run, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, result = run
    calls: list[str] = []
    original = experiment.finetune
    monkeypatch.setattr(
        experiment, "finetune", lambda *a, **k: calls.append("finetune") or original(*a, **k)
    )
    monkeypatch.setattr(experiment, "predict_limit", lambda *a, **k: 1 / 0)
    finer = dataclasses.replace(CONFIG, finetuning=FineTuning(epochs=1, learning_rate=0.05))
    again = experiment.run_task(TASK, directory, finer, device="cpu")
    assert calls and again["prediction"] == json.loads(json.dumps(result))["prediction"]


def test_a_damaged_stage_is_computed_again(run) -> None:
    directory, result = run
    stage = directory / "stages" / "sweep.json"
    stage.write_text(stage.read_text()[:100])
    again = experiment.run_task(TASK, directory, CONFIG, device="cpu")
    assert again["sweep"] == json.loads(json.dumps(result))["sweep"]


@pytest.mark.parametrize(
    ("stage", "function"), [("refit", "refit_survivors"), ("finetune", "finetune")]
)
def test_a_stage_goes_on_at_the_mask_it_was_at(
    run, tmp_path, monkeypatch: pytest.MonkeyPatch, stage: str, function: str
) -> None:
    directory, result = run
    again = tmp_path / "run"
    shutil.copytree(directory, again)
    (again / "stages" / f"{stage}.json").unlink()
    masks, calls = len(result[stage]), 0
    original = getattr(experiment, function)

    def killed_at_the_second(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(experiment, function, killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        experiment.run_task(TASK, again, CONFIG, device="cpu")
    (partial,) = again.glob("stages/*.npz")
    spent = Measurements(partial, json.loads(str(np.load(partial)["head"]))["key"]).seconds_before
    assert masks > 1 and calls == 2 and spent > 0
    resumed = experiment.run_task(TASK, again, CONFIG, device="cpu")
    assert calls == masks + 1, "measured again what was measured"
    assert resumed[stage] == result[stage]
    assert resumed["thresholds"] == result["thresholds"]
    assert resumed["costs"][stage]["seconds"] > spent
    assert not list(again.glob("stages/*.npz"))


def test_damaged_measurements_are_made_again(tmp_path) -> None:
    path = tmp_path / "stage.npz"
    Measurements(path, "key").add({"sparsity": 0.5})
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (b"", content[:100], flipped):
        path.write_bytes(damaged)
        assert Measurements(path, "key").rows == []
    path.write_bytes(content)
    assert Measurements(path, "key").at(0.5) == {"sparsity": 0.5}


def test_something_else_is_no_result(tmp_path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(PruneLimitError, match="no result"):
        experiment.load_result(tmp_path / "a.json")
    with pytest.raises(PruneLimitError, match="cannot read"):
        experiment.load_result(tmp_path / "b.json")
