"""The depth runs: their parts against independent sums, and the committed results as they are."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from book.tools.content import ROOT
from prunelimit import PruneLimitError
from prunelimit.lab import tasks
from prunelimit.lab.studies import depth, readings, scales
from prunelimit.limit import paper_limit
from prunelimit.results import Result, provenance_of
from prunelimit.results.choices import GridPoint

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


@given(
    rises=st.lists(st.floats(0.0, 2.0), min_size=2, max_size=12),
    level=st.floats(0.01, 1.9),
)
def test_a_crossing_lies_in_its_bracket_at_the_first_failure(rises, level):
    places = np.linspace(0.5, 0.95, len(rises))
    points = [GridPoint(s, 0.0, r) for s, r in zip(places, rises, strict=True)]
    found = depth.crossing_on_grid(points, "real", level)
    failing = [s for s, r in zip(places, rises, strict=True) if r > level]
    assert found.upper == (min(failing) if failing else None)
    if found.value is not None:
        assert found.lower <= found.value <= found.upper


def test_row_norms_are_sorted_by_the_weights():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(300, 300, generator=generator, dtype=torch.float64)
    weights = torch.randn(300, generator=generator, dtype=torch.float64)
    norms = depth.row_norms_by_magnitude(matrix, weights)
    order = sorted(range(300), key=lambda i: abs(weights[i]))
    third = [float(sum(abs(matrix[i]))) for i in order[6:9]]
    assert norms.median[2] == pytest.approx(np.median(third))
    assert norms.magnitude[2] == pytest.approx(abs(float(weights[order[8]])))


def test_the_total_variation_of_two_normal_laws():
    # Half a standard deviation apart: 2 Φ(1/4) - 1; 100 bins lose little, and noise adds little.
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 1, 200_000), generator.normal(0.5, 1, 200_000)
    assert depth.total_variation(first, second) == pytest.approx(0.1974, abs=0.01)


@given(
    st.lists(st.floats(-1, 1), min_size=5, max_size=50),
    st.lists(st.floats(-1, 1), min_size=5, max_size=50),
)
def test_total_variation_is_a_distance_that_no_scale_moves(a, b):
    first, second = np.array(a), np.array(b)
    found = depth.total_variation(first, second)
    assert 0 <= found <= 1
    assert found == pytest.approx(depth.total_variation(second, first))
    assert found == pytest.approx(depth.total_variation(4 * first, 4 * second))


def test_chance_alone_gives_what_two_draws_of_one_law_differ_by():
    generator = np.random.default_rng(1)
    (row,) = depth.weight_distances({s: generator.normal(size=20_000) for s in (0, 1)})
    assert row.distance == pytest.approx(row.by_chance, rel=0.25)


@pytest.fixture(scope="module")
def digits():
    return Result.load(ROOT / "book" / "results" / "digits-mlp.json")


def test_where_the_curves_over_the_distance_meet_the_network_there_is_its_limit(digits):
    curves = readings.limits_over_distance(digits, points=200)
    for formula in ("paper", "sharp"):
        gap = np.array(curves.own) - np.array(curves.limits[formula])
        crossing = np.flatnonzero(np.diff(np.sign(gap)))[0]
        between = sorted(1 - curves.own[crossing + i] for i in (0, 1))
        assert between[0] <= getattr(digits.prediction, formula).sparsity <= between[1]


def test_the_kinematic_ends_enclose_the_limit(digits):
    ends = readings.kinematic_ends(digits, eta=0.1)
    assert ends["lower"] < ends["limit"] < ends["upper"]
    assert 1 - ends["limit"] == pytest.approx(digits.prediction.paper.sparsity, abs=1e-4)
    wide = readings.kinematic_ends(digits, eta=0.001)
    assert wide["difference"] > ends["difference"]


def test_the_gain_is_what_finetuning_took_off_the_dense_loss(digits):
    """The corrected limit, from the exact spectrum by the formula's own function."""
    (row,) = readings.corrected_by_gain({"digits": digits})
    dense = [point.rise for point in digits.finetune if point.sparsity == 0]
    assert [row.gain] == [-rise for rise in dense]
    report = digits.prediction
    kept = paper_limit(
        np.maximum(report.spectrum.eigenvalues, 0), report.distance, row.epsilon + row.gain
    )
    assert row.corrected == pytest.approx(1 - kept / report.dim, abs=1e-6)
    assert row.corrected > row.paper
    real = digits.thresholds.real_existence.value
    assert row.delta_corrected == pytest.approx(row.corrected - real)


def test_an_architecture_has_a_result_or_the_page_says_that_it_has_none():
    found = {Result.load(path).model for path in RUNS}
    without = (ROOT / "book" / "paper.md").read_text().partition("falls short of")[2].lower()
    assert [a for a in ARCHITECTURES if a not in found and f"{a} has no row" not in without] == []


def test_where_no_refit_comes_down_to_epsilon_nothing_is_claimed(digits):
    failed = replace(digits, refit=tuple(replace(point, rise=1.0) for point in digits.refit))
    (row,) = readings.overview({"digits": failed})
    assert np.isnan(row.measured["quadratic_existence"].value) and np.isnan(row.delta("sharp"))
    assert "quadratic_existence" not in readings.limits_over_distance(failed).measured


@pytest.mark.parametrize("path", RESULTS, ids=by_name)
def test_a_committed_result_is_small_and_says_how_to_make_it_anywhere(path):
    assert path.stat().st_size < 300_000
    made = provenance_of(path)
    assert made.command.startswith("python -m prunelimit.lab.studies.depth ")
    assert f"--output book/results/depth/{path.name}" in made.command
    assert not re.search(r"(?<![\w.])/|~", made.command)
    assert not made.code.endswith("+")


@pytest.mark.parametrize("path", RUNS, ids=by_name)
def test_a_committed_run_is_what_its_scale_says_now(path):
    result = Result.load(path)
    name = path.stem.partition("-seed")[0].partition("-l1-")[0]
    scale = scales.scale_of(name, result.seed, result.training.l1)
    assert result.task == scale.task.name
    assert result.training.epochs == scale.task.training.epochs
    assert result.examples.train == (scale.task.examples or 1295)
    assert result.measurement.tolerance == scale.measurement.tolerance


PAGE = (ROOT / "book" / "paper.md").read_text()
CELLS = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def code_of(cell):
    return re.sub(r"\A---\n.*?^---\n", "", cell, flags=re.MULTILINE | re.DOTALL)


def test_the_page_keeps_the_rules_of_the_chapters():
    assert len(CELLS) <= 25
    assert {c[:60]: n for c in CELLS if (n := len(code_of(c).strip().splitlines())) > 12} == {}
    assert [c for c in CELLS if "plt.show()" in c and not re.search(r"^    alt: \S", c, re.M)] == []
    compile("\n".join(code_of(cell) for cell in CELLS), "book/paper.md", "exec")


def test_the_page_names_results_that_are_there():
    named = set(
        re.findall(r'"((?:depth/)?[\w-]+)"', " ".join(re.findall(r"made_by\((.*?)\)", PAGE)))
    )
    missing = [n for n in named if not (ROOT / "book" / "results" / f"{n}.json").is_file()]
    assert missing == []
    assert set(
        re.findall(r"architectures = \((.*?)\)", PAGE)[0].replace('"', "").split(", ")
    ) == set(ARCHITECTURES)
