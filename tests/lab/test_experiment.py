"""The main job on the embedded data: complete, resumable, signed, and true to its parts."""

import dataclasses
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import prunelimit
from prunelimit import PruneLimitError
from prunelimit.lab import experiment, models, tasks
from prunelimit.lab.stages import finetune, prediction, refit, sweeps
from prunelimit.lab.store import keys, provenance
from prunelimit.lab.store.checkpoints import load_checkpoint
from prunelimit.lab.store.locks import Busy, owned
from prunelimit.lab.store.measurements import Measurements
from prunelimit.network.evaluate import evaluate
from prunelimit.pruning import FineTuning, prune
from prunelimit.results import Result

CONFIG = experiment.ExperimentConfig(
    epsilon=0.2,
    loss_points=20,
    accuracy_points=20,
    resolution=0.05,
    refit_measurements=4,
    refit_iterations=20,
    finetune_measurements=4,
    finetuning=FineTuning(epochs=2, learning_rate=0.05),
)
TASK = tasks.get("digits-mlp").with_(epochs=4, examples=200)
STAGES = ("training", "prediction", "sweep", "refit", "finetune")


@pytest.fixture(scope="module", autouse=True)
def small():
    """The task's network is of 888 weights here, not of 4,928: its spectrum takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        network = models.ModelSpec("MLP 12", models.fully_connected((12,)))
        patch.setitem(models.MODELS, "mlp", network)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("run")
    return directory, experiment.run_task(TASK, directory, CONFIG, device="cpu", progress=False)


@pytest.fixture
def copied(run, tmp_path: Path) -> Path:
    """A run directory of one's own, in the state that `run` left."""
    return Path(shutil.copytree(run[0], tmp_path / "run"))


def again(directory: Path, task=TASK, config=CONFIG) -> Result:
    return experiment.run_task(task, directory, config, device="cpu", progress=False)


def made_again(before: Result, after: Result) -> set[str]:
    return {name for name in STAGES if before.stages[name] != after.stages[name]}


def test_the_result_is_written_and_read_back(run) -> None:
    directory, result = run
    assert Result.load(directory / "result.json").to_dict() == json.loads(
        json.dumps(result.to_dict())
    )
    assert result.provenance.packages["torch"] == version("torch")
    assert set(result.stages) == set(STAGES)
    for making in result.stages.values():
        (signature,) = making.made_by
        assert dataclasses.replace(signature, finished="") == dataclasses.replace(
            result.provenance, finished=""
        )


def test_the_table_has_all_four_curves(run) -> None:
    for row in run[1].comparison():
        assert 0 <= row.lower <= row.sparsity <= row.upper <= 1
        assert 0 <= row.one_shot_accuracy <= 1


def test_the_sweep_is_what_pruning_and_evaluating_give(run) -> None:
    directory, result = run
    splits = TASK.load_data()
    model = TASK.build_model(splits)
    load_checkpoint(model, sorted(directory.glob("training/**/*.safetensors"))[-1])
    curve = result.sweep.test
    for index in (0, 7, 15):
        pruned = prune(model, curve.sparsities[index])
        loss, accuracy = evaluate(pruned, nn.functional.cross_entropy, splits.test, "cpu")
        assert curve.loss[index] == pytest.approx(loss, rel=1e-4)
        assert curve.accuracy[index] == pytest.approx(accuracy, abs=1e-6)


def test_refits_lie_between_zero_and_one_shot(run) -> None:
    for point in run[1].refit:
        assert -1e-9 <= point.rise <= point.one_shot_rise + 1e-9


def test_fine_tuning_never_ends_above_its_start(run) -> None:
    result = run[1]
    training = result.sweep.training
    for point in result.finetune:
        one_shot = np.interp(point.sparsity, training.sparsities, training.loss)
        assert point.rise <= max(one_shot - training.dense_loss, 0) + 0.5


def test_who_only_reads_signs_nothing(run, copied, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version, another machine and another command read what is kept."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    for module in (prediction, sweeps, refit, finetune):
        monkeypatch.setattr(module, "measure", forbidden)
    monkeypatch.setattr(provenance, "__version__", "9.9")
    found = experiment.run_task(
        TASK, copied, CONFIG, device="cpu", progress=False, command="prunelimit read"
    )
    assert made_again(run[1], found) == set()
    assert (found.provenance.prunelimit, found.provenance.command) == ("9.9", "prunelimit read")
    ours, theirs = found.to_dict(), run[1].to_dict()
    assert {k: v for k, v in ours.items() if k != "provenance"} == {
        k: v for k, v in theirs.items() if k != "provenance"
    }


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Edit a copy of the package's sources, which keys are then made from; as version 9.9."""
    package = tmp_path / "source" / "prunelimit"
    shutil.copytree(Path(prunelimit.__file__).parent, package, ignore=lambda *_: ["__pycache__"])
    monkeypatch.setattr(keys, "PACKAGE", package)
    monkeypatch.setattr(provenance, "__version__", "9.9")

    def edited(file: str, old: str, new: str) -> None:
        text = (package / file).read_text()
        assert old in text
        (package / file).write_text(text.replace(old, new, 1))

    return edited


def test_words_make_nothing_again(run, copied, edit) -> None:
    edit("pruning/finetune.py", "\n\n\n", "\n\n\n# A comment.\n")
    edit("lab/training.py", '"""', '"""In other words: ')
    edit("lab/tasks.py", '_SMALL = "', '_SMALL = "now with a full stop. ')
    edit("plots/limits.py", "epsilon / 30", "epsilon / 40")
    found = again(copied, dataclasses.replace(TASK, note=f"{TASK.note}."))
    assert made_again(run[1], found) == set()


def test_a_stage_is_made_again_where_its_code_changed_and_signed_by_who_made_it(
    run, copied, edit
) -> None:
    edit("pruning/finetune.py", "0.5 * budget.", "0.4 * budget.")
    found = again(copied)
    assert made_again(run[1], found) == {"finetune"}
    signed = {name: found.stages[name].made_by[-1].prunelimit for name in STAGES}
    assert signed == dict.fromkeys(STAGES, prunelimit.__version__) | {"finetune": "9.9"}


def test_training_by_other_code_is_set_aside_and_all_is_made_again(run, copied, edit) -> None:
    edit("lomp.py", "CHECK_EVERY = 50", "CHECK_EVERY = 51")
    with pytest.warns(UserWarning, match="set aside"):
        found = again(copied)
    assert made_again(run[1], found) == set(STAGES)
    assert {making.made_by[-1].prunelimit for making in found.stages.values()} == {"9.9"}
    assert list((copied / "training").glob("other-code-*/epoch-0004/weights.safetensors"))


def test_a_parameter_makes_its_stage_again(run, copied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__version__", "9.9")
    finer = dataclasses.replace(CONFIG, finetuning=FineTuning(epochs=1, learning_rate=0.05))
    found = again(copied, config=finer)
    assert made_again(run[1], found) == {"finetune"}
    coarser = dataclasses.replace(finer, loss_points=10)
    assert made_again(found, again(copied, config=coarser)) == {"sweep", "refit", "finetune"}


def test_a_damaged_stage_is_computed_again(run, copied) -> None:
    stage = copied / "stages" / "sweep.json"
    stage.write_text(stage.read_text()[:100])
    found = again(copied)
    assert made_again(run[1], found) == {"sweep"}
    assert found.to_dict()["sweep"] == run[1].to_dict()["sweep"]


@pytest.mark.parametrize(
    ("stage", "module", "function"),
    [("refit", refit, "refit_directly"), ("finetune", finetune, "finetune")],
)
def test_a_stage_goes_on_at_the_mask_it_was_at_and_both_processes_sign(
    run, copied, monkeypatch: pytest.MonkeyPatch, stage: str, module, function: str
) -> None:
    result = run[1]
    (copied / "stages" / f"{stage}.json").unlink()
    masks, calls = len(getattr(result, stage)), 0
    original = getattr(module, function)

    def killed_at_the_second(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(module, function, killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        again(copied)
    (partial,) = copied.glob("stages/*.npz")
    spent = Measurements(partial, json.loads(str(np.load(partial)["head"]))["key"]).seconds_before
    assert masks > 1 and calls == 2 and spent > 0
    monkeypatch.setattr(provenance, "__version__", "9.9")
    resumed = again(copied)
    assert calls == masks + 1, "measured again what was measured"
    assert getattr(resumed, stage) == getattr(result, stage)
    assert resumed.thresholds == result.thresholds
    making = resumed.stages[stage]
    assert making.cost.seconds > spent
    assert [p.prunelimit for p in making.made_by] == [prunelimit.__version__, "9.9"]
    assert sorted(path.name for path in copied.glob("stages/*")) == sorted(
        f"{name}.json" for name in STAGES
    )


def test_a_command_that_is_refused_changes_nothing(run, copied) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    with pytest.raises(PruneLimitError, match="holds another run"):
        again(copied, task=TASK.with_(l1=0.5))
    after = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in set(after) - set(before)} <= {".task-lock"}


def test_who_began_and_kept_nothing_signs_nothing(run, copied, monkeypatch) -> None:
    (copied / "stages" / "prediction.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "__version__", "8.8")
        patch.setattr(prediction, "predict_limit", killed)
        with pytest.raises(KeyboardInterrupt):
            again(copied)
    (signature,) = again(copied).stages["prediction"].made_by
    assert signature.prunelimit == prunelimit.__version__


def killed(*_, **__):
    raise KeyboardInterrupt


def test_one_process_at_a_time_is_at_work_in_a_folder(copied) -> None:
    with owned(copied, ".task-lock"), pytest.raises(Busy, match="another run is at work"):
        again(copied)


def test_what_is_expected_follows_the_calibration_of_today(run, copied, monkeypatch) -> None:
    other = dataclasses.replace(run[1].prediction.expected, coverage=0.5)
    monkeypatch.setattr("prunelimit.report.expect", lambda report: other)
    found = again(copied)
    assert found.prediction.expected == other and made_again(run[1], found) == set()


def test_probes_are_drawn_by_the_seed_of_the_task(copied, monkeypatch) -> None:
    seeds = []
    original = prediction.predict_limit

    def noted(*arguments, **options):
        seeds.append(options["seed"])
        return original(*arguments, **options)

    monkeypatch.setattr(prediction, "predict_limit", noted)
    shutil.rmtree(copied)
    again(copied, task=TASK.with_(seed=3))
    assert seeds == [3]
