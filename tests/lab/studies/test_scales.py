"""What was made small, and that the committed runs are what it says."""

import pytest

from book.tools.content import ROOT
from prunelimit import PruneLimitError
from prunelimit.lab import tasks
from prunelimit.lab.studies import scales
from prunelimit.results import Result

RESULTS = sorted((ROOT / "book" / "results" / "depth").glob("*.json"))
RUNS = [path for path in RESULTS if "-seed" in path.name or "-l1-" in path.name]
ARCHITECTURES = ("fc5", "fc12", "alexnet", "vgg16", "resnet18", "resnet50")


def by_name(path):
    return path.stem


@pytest.mark.parametrize("name", scales.SCALES)
def test_a_scale_says_how_small_it_is_and_builds(name):
    scale = scales.scale_of(name, seed=1, l1=0.0)
    assert (scale.task.seed, scale.task.training.l1) == (1, 0.0)
    if name in ARCHITECTURES:
        assert scale.measurement.finetuning is not None
        assert scale.task.model == name
        assert 0 < scale.task.examples <= 2048


def test_no_scale_of_that_name():
    with pytest.raises(PruneLimitError, match="did you mean 'vgg16'"):
        scales.scale_of("vgg61")


def test_the_networks_on_digits_keep_the_papers_hyperparameters():
    for name in ("resnet18", "resnet50"):
        ours, paper = scales.scale_of(name).task, tasks.get(f"cifar100-{name}")
        assert (ours.dataset, ours.name, ours.from_paper) == ("digits", f"digits-{name}", False)
        for kept in ("momentum", "weight_decay", "schedule", "penalised"):
            assert getattr(ours.training, kept) == getattr(paper.training, kept)


@pytest.mark.parametrize("path", RUNS, ids=by_name)
def test_a_committed_run_is_what_its_scale_says_now(path):
    result = Result.load(path)
    name = path.stem.partition("-seed")[0].partition("-l1-")[0]
    scale = scales.scale_of(name, result.seed, result.training.l1)
    assert result.task == scale.task.name
    assert result.training.epochs == scale.task.training.epochs
    assert result.examples.train == (scale.task.examples or 1295)
    assert result.measurement.tolerance == scale.measurement.tolerance
