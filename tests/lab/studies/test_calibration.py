"""Calibration: recovered where it is known, and judged on families that it never saw."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from crepes import ConformalRegressor
from existence_support import measured, provenance
from scipy.optimize import least_squares

from prunelimit.expected import Facts
from prunelimit.lab.studies import calibration
from prunelimit.lab.studies.calibration import Row
from prunelimit.results import CalibrationTable, ExistenceStudy


def synthetic(shifts: dict[str, float], noise: float = 0.02, networks: int = 12) -> list[Row]:
    """Kept = 0.7 of the paper's, times a family's own shift."""
    generator = np.random.default_rng(0)
    rows = []
    for family, shift in shifts.items():
        for number in range(networks):
            paper = float(generator.uniform(0.05, 0.3))
            facts = Facts(paper, paper / 2, 3 * paper, 0.05, 0.1, 1000, 300)
            kept = 0.7 * paper * math.exp(shift + noise * generator.standard_normal())
            nulls = {"paper": paper, "mean of the formulas": 0.75 * paper}
            rows += [Row(f"{family}-{number}", family, facts, kept, nulls)] * 2
    return rows


def test_the_law_is_found_and_the_width_is_the_worst_family_s():
    rows = synthetic({"a": 0.0, "b": 0.02, "c": 0.2})
    found, errors = calibration.calibrate(rows)
    assert set(errors) == {"paper", "formulas", "formulas and loss"}  # nobody looked at layers
    loss = errors["formulas and loss"]
    assert loss.mean_error_seen < loss.mean_error
    answer = found.predict(rows[0].facts)
    assert 1 - answer.sparsity == pytest.approx(0.7 * rows[0].facts.paper, rel=0.1)
    # "c", left out, keeps a fifth more: a tenth more in the root, which is 0.2 to 0.46.
    assert 0.02 < found.half_width < 0.06


def with_layers(rows: list[Row]) -> list[Row]:
    """Kept less where layers keep unevenly much, family by family: what `paper` cannot know."""
    shares = {family: 0.1 * (1 + i) for i, family in enumerate(calibration.families_of(rows))}
    return [
        replace(
            row,
            facts=replace(row.facts, layer_share=shares[row.family]),
            kept=row.kept * shares[row.family] ** -0.3,
        )
        for row in rows
    ]


def test_layers_are_read_where_they_help_and_another_fit_does_without_them():
    rows = with_layers(synthetic({"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}))
    found, _ = calibration.calibrate(rows)
    assert "log layer share" in found.names
    assert found.coefficients[found.names.index("log layer share") + 1] == pytest.approx(-0.3, 0.1)
    otherwise, errors = calibration.calibrate(rows, calibration.LATER)
    assert "layers" not in errors and "log layer share" not in otherwise.ranges
    assert found.half_width < 0.5 * otherwise.half_width
    facts = replace(rows[0].facts, layer_share=None)
    assert replace(found, otherwise=otherwise).predict(facts) == otherwise.predict(facts)
    partly = [replace(rows[0], facts=facts), *rows[1:]]
    assert set(calibration.calibrate(partly)[1]) == set(errors)


def test_a_deeper_network_has_a_wider_interval_by_the_root_of_its_layers():
    rows = synthetic({"a": 0.0, "b": 0.02, "c": -0.02, "deep": 0.1})
    rows = [replace(r, facts=replace(r.facts, layers=9 if r.family == "deep" else 2)) for r in rows]
    found, _ = calibration.calibrate(rows)
    assert found.by_layers and not calibration.calibrate(rows, calibration.LATER)[0].by_layers
    kept = np.sqrt([row.kept for row in rows])
    roots = np.sqrt(np.exp(calibration.left_out(rows, found.names)))
    errors = np.abs(roots - kept) / np.sqrt([row.facts.layers for row in rows])
    worst = max(
        np.sort(part)[math.ceil(0.9 * (len(part) + 1)) - 1]
        for part in (errors, *np.split(errors, len(calibration.families_of(rows))))
    )
    assert found.half_width == pytest.approx(worst)
    two, nine = (found.predict(replace(rows[0].facts, layers=n)) for n in (2, 9))
    widths = [np.sqrt(1 - f.lower) - np.sqrt(1 - f.sparsity) for f in (two, nine)]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(9 / 2))


def test_a_family_that_is_unlike_the_others_is_not_covered_and_that_is_said():
    table = calibration.judge(synthetic({"a": 0.0, "b": 0.01, "c": -0.01, "odd": 1.0}))
    by_name = {row.family: row for row in table.families}
    assert by_name["odd"].coverage == 0 == table.lowest_coverage
    assert all(by_name[name].coverage == 1 for name in "abc")
    assert table.errors["expected"].worse_than_expected_by == 0


def test_a_null_model_that_is_worse_is_seen_to_be():
    table = calibration.judge(synthetic({"a": 0.0, "b": 0.01, "c": -0.01}))
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
    rows = [replace(row, kept=kept) for row, kept in zip(synthetic({"a": 0.0}), KEPT, strict=False)]
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


def test_files_come_from_a_study(tmp_path):
    networks = [measured(row) for row in synthetic({"a": 0.0, "b": 0.01, "c": 0.02})[::2]]
    unreached = measured(synthetic({"a": 0.0})[0], status="none")
    paths = study, made, table = [tmp_path / name for name in ("s.json", "c.json", "t.json")]
    ExistenceStudy(40, (*networks, unreached), 1.0, provenance()).save(study)
    options = zip(("--study", "--output", "--table"), map(str, paths), strict=True)
    calibration.main([word for pair in options for word in pair])
    assert json.loads(made.read_text())["provenance"]["rows"] == len(networks)
    assert CalibrationTable.load(table).yardstick.moved_little == 1


# Not 9 or 19: there crepes 0.9 takes one rank more, (1 - 0.9) * 10 being less than 1 to it.
@pytest.mark.parametrize("number", [10, 12, 37, 250])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_the_quantile_is_that_of_crepes(number, coverage):
    errors = np.random.default_rng(number).standard_normal(number)
    theirs = ConformalRegressor().fit(errors).predict_int(np.zeros(1), confidence=coverage)
    assert calibration.conformal_quantile(np.abs(errors), coverage) == pytest.approx(theirs[0, 1])


def test_a_new_error_is_within_the_quantile_as_often_as_promised():
    generator = np.random.default_rng(0)
    draws = generator.standard_exponential((4000, 20))
    inside = [row[-1] <= calibration.conformal_quantile(row[:-1], 0.9) for row in draws]
    assert np.mean(inside) == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 4000))


def test_too_few_errors_promise_nothing():
    assert calibration.conformal_quantile([0.1] * 8, 0.9) == math.inf
    assert calibration.conformal_quantile([0.1] * 9, 0.9) == 0.1
