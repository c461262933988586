"""The depth runs: their parts against independent sums, and the committed results as they are."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from book.tools.content import ROOT
from prunelimit.lab.studies import depth
from prunelimit.results import Result, provenance_of
from prunelimit.results.choices import GridPoint

RESULTS = sorted((ROOT / "book" / "results" / "depth").glob("*.json"))
RUNS = [path for path in RESULTS if "-seed" in path.name or "-l1-" in path.name]
ARCHITECTURES = ("fc5", "fc12", "alexnet", "vgg16", "resnet18", "resnet50")


def by_name(path):
    return path.stem


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


def test_an_architecture_has_a_result_or_the_page_says_that_it_has_none():
    found = {Result.load(path).model for path in RUNS}
    without = (ROOT / "book" / "paper.md").read_text().partition("falls short of")[2].lower()
    assert [a for a in ARCHITECTURES if a not in found and f"{a} has no row" not in without] == []


@pytest.mark.parametrize("path", RESULTS, ids=by_name)
def test_a_committed_result_is_small_and_says_how_to_make_it_anywhere(path):
    assert path.stat().st_size < 300_000
    made = provenance_of(path)
    assert made.command.startswith("python -m prunelimit.lab.studies.depth ")
    assert f"--output book/results/depth/{path.name}" in made.command
    assert not re.search(r"(?<![\w.])/|~", made.command)
    assert not made.code.endswith("+")


PAGE = (ROOT / "book" / "paper.md").read_text()
CELLS = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def code_of(cell):
    options = r"\A(---\n.*?^---\n|(:[\w-]+:.*\n)+)"
    return re.sub(options, "", cell, flags=re.MULTILINE | re.DOTALL)


def test_the_page_keeps_the_rules_of_the_chapters():
    assert len(CELLS) <= 28  # a chapter has 25; a long table here is a cell of its own, folded
    shown = [c for c in CELLS if "hide-input" not in c]  # as in the chapters
    assert {c[:60]: n for c in shown if (n := len(code_of(c).strip().splitlines())) > 12} == {}
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
