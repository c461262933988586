"""Calibration: recovered where it is known, and judged on families that it never saw."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from crepes import ConformalRegressor
from existence_support import measured, provenance
from scipy.optimize import least_squares
from scipy.special import expit

from prunelimit.expected import Facts
from prunelimit.lab.studies import calibration
from prunelimit.lab.studies.calibration import Row
from prunelimit.records import to_plain
from prunelimit.results import CalibrationTable, ExistenceStudy

ALIKE = dict.fromkeys("abcdefghijkl", 0.0)


def synthetic(
    shifts: Mapping[str, float], noise: float = 0.02, networks: int = 6, layers: int = 2
) -> list[Row]:
    """Odds 0.7 of those of the paper's limit, times a family's own shift."""
    generator = np.random.default_rng(0)
    rows = []
    for family, shift in shifts.items():
        for number in range(networks):
            paper, share = generator.uniform(0.05, 0.3, 2)
            cut, one_shot = generator.uniform(0.97, 0.99), generator.uniform(0.5, 0.9)
            examples, outputs = (int(n) for n in generator.integers([100, 2], [900, 9]))
            facts = Facts(paper, paper / 2, one_shot, 0.05, 0.1, 1000, examples, layers, share, cut)
            facts = replace(facts, outputs=outputs)
            odds = 0.7 * paper / (1 - paper) * math.exp(shift + noise * generator.standard_normal())
            nulls = {"paper": paper, "mean of the formulas": 0.75 * paper}
            row = Row(f"{family}-{number}", family, facts, odds / (1 + odds), nulls)
            rows += [row] * 2
    return rows


def test_the_law_is_found():
    rows = synthetic(ALIKE)
    found = calibration.calibrate(rows)
    slope = dict(zip(found.names, found.coefficients[1:], strict=True))
    assert slope.pop("paper") == pytest.approx(1, abs=0.1)
    assert all(abs(value) < 0.1 for value in slope.values())
    odds = 0.7 / (1 / rows[0].facts.paper - 1)
    kept = 1 - found.predict(rows[0].facts).sparsity
    assert kept == pytest.approx(odds / (1 + odds), rel=0.05)


def test_the_answers_by_weight_are_read():
    rows = [
        replace(row, kept=expit(row.target + 0.3 * row.facts.values()["answers"]))
        for row in synthetic(ALIKE)
    ]
    found = calibration.calibrate(rows)
    slope = dict(zip(found.names, found.coefficients[1:], strict=True))
    assert slope["answers"] == pytest.approx(0.3, abs=0.05)
    compared = calibration.compare(rows)
    assert set(compared) == set(calibration.CANDIDATES)
    assert compared["answers"].mean_error < 0.5 * compared["mask"].mean_error
    assert compared["answers"].mean_error_seen < compared["answers"].mean_error


def test_a_report_that_knows_no_layers_has_a_fit_of_its_own():
    rows = synthetic(ALIKE)
    found = calibration.calibrate(rows, ("paper",), by_layers=False)
    assert not found.by_layers and not calibration.LATER & found.ranges.keys()
    assert found.reads == {"paper"}


def test_a_family_counts_no_more_for_having_more_rows():
    rows = synthetic({**ALIKE, "odd": 0.5})
    more = rows + [row for row in rows if row.family == "odd"] * 5
    one, other = calibration.calibrate(rows), calibration.calibrate(more)
    assert one.coefficients == pytest.approx(other.coefficients, rel=1e-6)
    assert one.half_width == pytest.approx(other.half_width)


def test_a_deeper_network_has_a_wider_interval_by_the_root_of_its_layers():
    rows = synthetic({**ALIKE, "deep": 0.4})
    rows = [replace(r, facts=replace(r.facts, layers=9 if r.family == "deep" else 2)) for r in rows]
    found = calibration.calibrate(rows)
    kept = np.sqrt([row.kept for row in rows])
    roots = np.sqrt(calibration.left_out(rows, found.names))
    errors = np.abs(roots - kept) / np.sqrt([row.facts.layers for row in rows])
    # Thirteen families of twelve rows, and one more that has none of them.
    rank = math.ceil(0.9 * 14 * 12)
    assert found.half_width == pytest.approx(np.sort(errors)[rank - 1])
    two, nine = (found.predict(replace(rows[0].facts, layers=n, cut=1.0)) for n in (2, 9))
    widths = [np.sqrt(1 - f.lower) - np.sqrt(1 - f.sparsity) for f in (two, nine)]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(9 / 2))


def test_a_family_that_is_unlike_the_others_is_not_covered_and_that_is_said():
    table, none = calibration.judge(synthetic({**ALIKE, "odd": 2.0}))
    by_name = {row.family: row for row in table.families}
    assert none is None
    assert by_name["odd"].coverage == 0 == table.lowest_coverage
    assert np.mean([by_name[name].coverage for name in ALIKE]) >= 0.9
    assert table.errors["expected"].worse_than_expected_by == 0


def test_kinds_are_judged_apart():
    study, kinds = synthetic(ALIKE), synthetic({"one": 0.0, "other": 2.0})
    kinds = [replace(row, nulls={"paper": row.facts.paper}) for row in kinds]
    table, apart = calibration.judge(study, kinds)
    assert [row.family for row in table.families] == list(ALIKE)
    assert [row.family for row in apart.families] == ["one", "other"]
    assert (apart.lowest_coverage, apart.rows) == (0, len(kinds))
    assert set(apart.errors) == {"expected", "constant × k_paper", "paper"}


def test_a_null_model_that_is_worse_is_seen_to_be():
    table, _ = calibration.judge(synthetic(ALIKE))
    gap = table.errors["paper"]
    assert 0 < gap.interval[0] < gap.worse_than_expected_by < gap.interval[1]
    assert abs(table.errors["constant × k_paper"].worse_than_expected_by) < 0.01


def test_the_robust_fit_is_huber_s():
    generator = np.random.default_rng(1)
    design = np.column_stack([np.ones(60), generator.standard_normal((60, 2))])
    target = design @ [1.0, -2.0, 0.5] + 0.05 * generator.standard_normal(60)
    target[:6] += 5
    theirs = least_squares(
        lambda c: target - design @ c, np.zeros(3), loss="huber", f_scale=0.1, xtol=1e-12
    ).x
    assert calibration.robust_fit(design, target) == pytest.approx(theirs, abs=1e-3)
    twice = calibration.robust_fit(design, target, np.where(np.arange(60) < 6, 2.0, 1.0))
    again = calibration.robust_fit(np.vstack([design, design[:6]]), np.append(target, target[:6]))
    assert twice == pytest.approx(again, abs=1e-6)


def test_the_yardstick_tells_budgets_starts_and_baselines_apart():
    plain = measured(synthetic({"a": 0.0})[0])
    found = replace(plain.rows[0].real_existence, value=0.8, once=0.75, nested=0.752)
    tuned, by_sgd = (replace(found, value=value, nested=None) for value in (0.79, 0.7))
    row = replace(
        plain.rows[0],
        real_existence=found,
        real_existence_finetuned_baseline=tuned,
        real_existence_sgd=by_sgd,
    )
    study = ExistenceStudy(2, (plain, replace(plain, rows=(row,))), 1.0, provenance())
    told = calibration.yardstick(study)
    assert (told.doubled, told.moved_little) == (2, 1.0)  # 0.2 points
    assert told.largest_moved == pytest.approx(0.002)
    assert (told.started_elsewhere, told.sparser_from_there) == (1, 1)
    assert told.largest_gain == pytest.approx(0.048)
    shifts = {name: (shift.rows, shift.mean_shift) for name, shift in told.baselines.items()}
    assert shifts["L(w*) + ε by SGD"] == (1, pytest.approx(-0.1))
    assert shifts["the dense network, trained alike"] == (1, pytest.approx(-0.01))
    assert shifts["the l1-regularised loss"][0] == 0


def test_a_network_is_predicted_by_its_twins_of_other_seeds_alone():
    rows = [replace(synthetic({"a": 0.0})[0], kept=kept) for kept in KEPT]
    networks = [measured(row) for row in rows]
    networks = [
        replace(n, network=replace(n.network, seed=i, epsilon=0.05, widths=(8 + (i == 3),)))
        for i, n in enumerate(networks)
    ]
    own = replace(networks[0].rows[0], epsilon=0.01)
    networks[0] = replace(networks[0], rows=(own, *networks[0].rows))
    found = calibration.twins(ExistenceStudy(40, tuple(networks), 1.0, provenance()))
    # 0.1 by 0.35, 0.3 by 0.25, 0.4 by 0.2; the fourth is another network, as is another ε.
    assert found.rows == 3
    assert found.mean_error == pytest.approx((0.25 + 0.05 + 0.2) / 3)
    assert found.ninetieth_percentile == pytest.approx(0.24)


KEPT = (0.1, 0.3, 0.4, 0.9)


def test_files_come_from_a_study_and_kinds(tmp_path):
    networks = [measured(row) for row in synthetic(dict.fromkeys("abcdefgh", 0.0))[::2]]
    unreached = measured(synthetic({"a": 0.0})[0], status="none")
    kinds = {
        f"{row.network} {judges}": {
            "case": {"kind": row.family},
            "judges": judges,
            "facts": to_plain(row.facts),
            "converged": {"value": 1 - row.kept},
        }
        for row in synthetic({"gru": 0.1, "set": -0.1}, networks=1)[::2]
        for judges in (False, True)
    }
    names = ("s.json", "k.json", "c.json", "t.json")
    paths = study, stored, made, table = [tmp_path / name for name in names]
    ExistenceStudy(40, (*networks, unreached), 1.0, provenance()).save(study)
    stored.write_text(json.dumps({"rows": kinds}))
    options = zip(("--study", "--kinds", "--output", "--table"), map(str, paths), strict=True)
    calibration.main([word for pair in options for word in pair])
    assert json.loads(made.read_text())["provenance"]["rows"] == len(networks) + 2
    loaded = CalibrationTable.load(table)
    assert loaded.yardstick.moved_little == 1
    assert [row.family for row in loaded.kinds_left_out.families] == ["gru", "set"]


# Not 9 or 19: there crepes 0.9 takes one rank more, (1 - 0.9) * 10 being less than 1 to it.
@pytest.mark.parametrize("number", [10, 12, 37, 250])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_with_one_row_a_family_the_quantile_is_that_of_crepes(number, coverage):
    errors = np.random.default_rng(number).standard_normal(number)
    theirs = ConformalRegressor().fit(errors).predict_int(np.zeros(1), confidence=coverage)
    ours = calibration.family_quantile(np.abs(errors), np.ones(number), coverage)
    assert ours == pytest.approx(theirs[0, 1])


def test_an_error_of_a_new_family_is_within_the_quantile_as_often_as_promised():
    generator = np.random.default_rng(0)
    sizes = np.array([1, 2, 3, 30] * 5)
    family, shares = np.repeat(np.arange(20), sizes), np.repeat(1 / sizes, sizes)
    inside = []
    for _ in range(2000):
        scale = generator.standard_exponential(21)  # errors of one family are alike
        errors = scale[family] * generator.uniform(0.5, 1, len(family))
        new = scale[20] * generator.uniform(0.5, 1)
        inside.append(new <= calibration.family_quantile(errors, shares, 0.9))
        # Every row alike, it would be the four large families' affair.
    assert 0.9 - 4 * math.sqrt(0.09 / 2000) <= np.mean(inside) <= 0.97


def test_too_few_families_promise_nothing():
    assert calibration.family_quantile(np.full(8, 0.1), np.ones(8), 0.9) == math.inf
    assert calibration.family_quantile(np.full(9, 0.1), np.ones(9), 0.9) == 0.1
    assert calibration.family_quantile(np.full(99, 0.1), np.full(99, 1 / 33), 0.9) == math.inf
