"""Results: the committed files load as they are, and damage to one is named."""

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prunelimit import PruneLimitError, results
from prunelimit.estimates import Interval
from prunelimit.results.saved import compact

FOLDER = Path(__file__).parents[2] / "book" / "results"
KINDS = {
    "calibration": results.CalibrationTable,
    "existence": results.ExistenceStudy,
    "expansions": results.Expansions,
    "small-bert": results.SearchedNetwork,
    "heuristics-digits": results.MethodsCompared,
    "heuristics-limits": results.LimitStudy,
    "verdict": results.Verdict,
    "depth/choices": results.Choices,
    "depth/weights": results.WeightDistances,
    "depth/rounds": results.LimitsOverRounds,
    "depth/gems": results.LimitsOfGems,
}
FILES = sorted(FOLDER.rglob("*.json"))
MEASURED = sorted((FOLDER.parents[1] / "benchmarks" / "results").glob("*.json"))


def name_of(path):
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def read(path):
    return json.loads(path.read_text())


def commands(entry):
    """Every command that a result names, of whatever part of it."""
    if isinstance(entry, dict):
        said = [entry["command"]] if isinstance(entry.get("command"), str) else []
        return said + [c for value in entry.values() for c in commands(value)]
    return [c for value in entry for c in commands(value)] if isinstance(entry, list) else []


@pytest.mark.parametrize("path", [*FILES, *MEASURED], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_committed_file_names_commands_that_can_be_typed_anywhere(path):
    found = commands(read(path))
    assert found or path in MEASURED  # the oldest of these know the machine alone
    for command in found:
        assert re.match(r"python -m (prunelimit|benchmarks|book)\b|prunelimit reproduce ", command)
        assert not re.search(r"(?<![\w.…])/|~", command), command


def test_a_result_is_read_without_torch_and_without_the_other_kinds():
    path = FOLDER / "digits-mlp.json"
    code = (
        "import sys; from prunelimit.results import Result; Result.load(sys.argv[1]); "
        "sys.exit('torch' in sys.modules or 'prunelimit.results.existence' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], timeout=120).returncode == 0


@pytest.fixture(scope="module")
def digits():
    return read(FOLDER / "digits-mlp.json")


@pytest.fixture
def old():
    """Of before a report knew what counts, and a stage who made it."""
    return read(FOLDER / "depth/fc5-seed0.json")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_committed_file_loads_and_keeps_its_numbers(path):
    found = KINDS.get(name_of(path), results.Result).load(path)
    written, stored = json.loads(json.dumps(found.to_dict(), allow_nan=False)), read(path)
    if (
        "prediction" in stored and "expected" not in stored["prediction"]
    ):  # made from the rest when a report from before it is read
        assert written["prediction"].pop("expected")["sparsity"] > 0
    stored.get("prediction", {}).pop("sharpness_bound", None)  # with another R; computed anew
    for name in set(stored) - {"stages", "provenance", "measurement"}:
        assert written[name] == stored[name], name
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    for name in {"provenance", "measurement"} & set(stored):
        assert written[name].items() >= stored[name].items()
    assert results.provenance_of(path).command == stored["provenance"]["command"]
    again = type(found).from_dict(written)
    assert json.loads(json.dumps(again.to_dict())) == written


def test_what_an_old_stage_cost_is_known_and_not_who_made_it(old):
    found = results.Result.from_dict(old)
    assert found.stages["refit"].cost.seconds == old["stages"]["refit"]["cost"]["seconds"]
    assert found.stages["refit"].made_by == ()
    assert found.epsilon == old["prediction"]["epsilon"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "prunelimit.result/9", "format is 'prunelimit.result/9'"),
        (("training", "epochs"), "60", r"training\.epochs is '60'; it must be a whole number"),
        (("training", "epochs"), 0, "epochs is 0"),
        (("prediction", "paper", "sparsity"), None, "must be between its ends"),
        (("prediction", "dim"), 1.5, r"dim is 1\.5; it must be its spectrum's"),
        (("prediction", "format"), "x", "no report of predict_limit"),
        (("prediction", "one_shot_curve", "rises"), [1.0], "one_shot_curve does not fit"),
        (("thresholds", "one_shot"), {"lower": 0.1}, r"thresholds\.one_shot is no Interval"),
        (("refit",), [{"sparsity": 0.5}], r"refit\[0\] is no RefitPoint"),
        (("weights", "zeros"), "none", r"weights\.zeros is 'none'"),
        (("stages", "refit"), {}, r"stages\.refit is no Making: it has no entry 'cost'"),
    ],
)
def test_damage_to_a_result_is_named(digits, tmp_path, path, value, message):
    damaged = copy.deepcopy(digits)
    place = damaged
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    file = tmp_path / "result.json"
    file.write_text(json.dumps(damaged))
    with pytest.raises(PruneLimitError, match=message) as caught:
        results.Result.load(file)
    assert str(file) in str(caught.value)


def test_something_else_is_no_result(tmp_path):
    for content in ("{}", "[]", "1", "null"):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(PruneLimitError, match="no Result"):
            results.Result.load(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"format": ')
    for name in ("a.json", "b.json"):
        with pytest.raises(PruneLimitError, match="cannot read a Result"):
            results.Result.load(tmp_path / name)


def test_a_report_is_read_from_its_dictionary(old):
    from prunelimit import PruningLimit

    report = PruningLimit.from_dict(old["prediction"])
    written = report.to_dict()
    assert written.pop("expected")["lower"] <= written["sharp"]["sparsity"]
    stored = dict(old["prediction"])
    assert stored.pop("sharpness_bound") < report.sharpness_bound <= report.paper.sparsity
    assert written == stored
    grid = old["prediction"]["distance"]
    assert report.distance(grid["kept"][700]) == grid["distance"][700]


def test_the_comparison_has_all_four_curves_and_both_limits(digits):
    result = results.Result.from_dict(digits)
    rows = result.comparison()
    assert [row.kind for row in rows].count("measured") == 3
    fashion = results.Result.load(FOLDER / "fashion-fc5.json")  # 1.6 million weights
    assert (rows[0].kind, fashion.comparison()[0].kind) == ("predicted", "estimated")
    assert [row.sparsity for row in rows] == [
        digits["prediction"]["one_shot"]["sparsity"],
        digits["thresholds"]["one_shot"]["value"],
        digits["prediction"]["paper"]["sparsity"],
        digits["prediction"]["sharp"]["sparsity"],
        digits["thresholds"]["quadratic_existence"]["value"],
        digits["thresholds"]["real_existence"]["value"],
    ]
    assert all(row.lower <= row.sparsity <= row.upper for row in rows)


def test_an_overview_subtracts_what_it_says(digits):
    row = results.Overview.of(results.Result.from_dict(digits), "digits").columns()
    paper, real = digits["prediction"]["paper"], digits["thresholds"]["real_existence"]
    assert row["predicted_paper_lower"] == paper["lower"]
    assert row["delta_paper"] == pytest.approx(paper["sparsity"] - real["value"])
    accuracy = digits["thresholds"]["accuracy"]["sparsity"]
    assert row["delta_accuracy"] == pytest.approx(paper["sparsity"] - accuracy)
    assert row["examples"] == 1295
    assert row["compute_seconds"] == pytest.approx(
        sum(stage["cost"]["seconds"] for stage in digits["stages"].values())
    )


def test_where_no_refit_comes_down_to_epsilon_nothing_is_claimed(digits):
    high = digits | {"refit": [row | {"rise": 1.0} for row in digits["refit"]]}
    result = results.Result.from_dict(high)
    row = results.Overview.of(result, only_known=True).columns()
    assert np.isnan(row["measured_quadratic_existence"]) and np.isnan(row["delta_sharp"])
    assert not np.isnan(results.Overview.of(result).columns()["delta_sharp"])


def test_a_table_has_the_names_of_the_file():
    rows = results.LimitStudy.load(FOLDER / "heuristics-limits.json").decay
    table = results.table(rows)
    stored = read(FOLDER / "heuristics-limits.json")["decay"]
    assert table.to_dict("records") == stored


def test_compact_shortens_numbers_and_leaves_the_spectrum():
    long = 1 / 3
    found = compact({"a": [long, {"b": [long]}], "spectrum": {"nodes": [long]}, "c": long})
    assert found == {"a": [0.333333, {"b": [0.333333]}], "spectrum": {"nodes": [long]}, "c": long}


@pytest.mark.parametrize(
    ("ends", "points", "known"),
    [
        ((0.5, 0.55, 0.6), [(0.5, 0.1, True), (0.6, 3.0, True)], ("measured", 0.5, 0.55, 0.6)),
        ((0.5, 0.55, 0.6), [(0.5, 0.1, False), (0.6, 3.0, False)], ("at least", 0.5, 0.5, 1.0)),
        ((0.99, 0.99, 0.99), [(0.99, 0.1, True)], ("at least", 0.99, 0.99, 1.0)),
        ((0.3, 0.3, 0.3), [(0.3, 3.0, True)], ("at most", 0.0, 0.3, 0.3)),
        ((0.3, 0.3, 0.3), [(0.3, 3.0, False)], ("at least", 0.0, 0.0, 1.0)),
    ],
)
def test_of_a_search_that_came_to_an_end_one_side_is_known(digits, ends, points, known):
    found = results.Result.from_dict(digits)
    row = found.refit[0]
    found = replace(
        found,
        thresholds=replace(found.thresholds, quadratic_existence=Interval(*ends)),
        refit=tuple(replace(row, sparsity=s, rise=r, converged=c) for s, r, c in points),
        prediction=replace(found.prediction, epsilon=1.0),
    )
    (said,) = (one for one in found.comparison() if one.question.startswith("quadratic"))
    assert (said.kind, said.lower, said.sparsity, said.upper) == known
