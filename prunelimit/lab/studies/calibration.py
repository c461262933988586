"""Calibrate `prunelimit.expected` on measured networks, and judge it on families left out.

Both files are made by::

    python -m prunelimit.lab.studies.calibration --study book/results/existence.json \\
        --kinds benchmarks/results/outside.json \\
        --table book/results/calibration.json --output prunelimit/calibration.json \\
        --others book/results/fashion-fc*.json book/results/small-bert.json \\
        book/results/depth/*.json

The study has many networks of few families; the kinds (`benchmarks.kinds`) are few networks of
many, on other data. A calibration on the study alone (commit 45c5fad) promised nine of ten and kept
it on its own families left out, 97 % of the rows, but not on the kinds, 30 of 44: that is why they
are here.

What is predicted: the log-odds of kept / D of converged real existence at L(w*) + ε. In the fit
and in the width each family counts alike, however many rows it has: a reader's network is of a
family of its own. The width is the quantile of errors on families left out that hierarchical
conformal prediction takes (Lee, Barber and Willett 2023), in √(kept / D) and in the root of the
number of weight tensors. The judgement is nested: for each family, fit and width come from the
other families alone; what is read was chosen on all of them.

What its author had seen. On the study, family by family: that intervals symmetric in log kept are
useless; that the width has to grow with layers (of the powers 0, ½, ¾ and 1 the root gave the
narrowest); some forty facts about the mask, of which the layers' share was the simplest of the
three that helped; that networks end where a mask leaves no path (`prunelimit.pruning.cut`). On
twelve kinds of one seed: that the fit of then erred by 7 points on them, and that the number of
answers by weight lowers that to 5 while nothing in the study, whose data sets are alike, says so;
log-odds in the place of logarithms; that every way of counting errors (powers of kept from 0 to 1,
of layers from 0 to ½) comes to ten to fifteen points. Of both seeds of all kinds: what each
candidate comes to (`compare`), by which one was chosen.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from prunelimit.errors import PruneLimitError
from prunelimit.expected import (
    COVERAGE,
    FORMAT,
    Calibration,
    Expected,
    Facts,
    facts_of,
    last_connected,
    log_odds,
)
from prunelimit.files import write_json
from prunelimit.lab.existence.threshold import SETTLED
from prunelimit.lab.store.provenance import describe_module
from prunelimit.records import from_plain, to_plain
from prunelimit.results import calibrated
from prunelimit.results.calibrated import CalibrationTable, SearchedNetwork
from prunelimit.results.existence import AtEpsilon, ExistenceStudy, MeasuredNetwork, Network
from prunelimit.results.result import Result

_MASK = ("paper", "layer share", "cut")
CANDIDATES: dict[str, tuple[str, ...]] = {
    "paper": ("paper",),
    "formulas": ("paper", "sharp"),
    "mask": _MASK,
    "answers": (*_MASK, "answers"),
    "answers and loss": (*_MASK, "answers", "loss"),
    "answers and outputs": (*_MASK, "answers", "outputs"),
    "answers and one-shot": (*_MASK, "answers", "one-shot"),
    "answers, outputs, one-shot": (*_MASK, "answers", "outputs", "one-shot"),
}
"""What a fit may read, from little to much."""

LATER = frozenset({"answers", "outputs", "layer share", "layers", "cut"})
"""What reports of earlier versions do not know, in part or at all."""

READ = CANDIDATES["answers, outputs, one-shot"]
"""What the calibration reads: of the two with the narrowest interval the one that errs less."""

BOOTSTRAPS = 2000
HUBER = 0.1
"""Errors of the log-odds beyond this count linearly."""

NULLS = ("paper", "sharp", "mean of the formulas", "paper at ε + gain", "paper at ε + decrement")
"""Predictions without a fit that `expected` is held against."""

TOGETHER = {"cnn-batch": "cnn", "cnn-group": "cnn"}
"""Families of the plan that are left out as one: they differ in the normalisation alone."""


@dataclass(frozen=True)
class Row:
    """One network at one ε.

    Attributes
    ----------
    network, family
        Of the study, or a kind.
    facts
        What a report knows.
    kept
        Share kept at converged real existence, at least half a weight.
    nulls
        Shares kept by the null models that need no fit.
    """

    network: str
    family: str
    facts: Facts
    kept: float
    nulls: dict[str, float]

    @property
    def target(self) -> float:
        """The log-odds of kept / D."""
        return log_odds(self.kept, self.facts.dim)


def rows_of(study: ExistenceStudy) -> list[Row]:
    """The study's rows that have a threshold."""
    return [
        _row(network, row)
        for network in study.networks
        for row in network.rows
        if row.real_existence.status != "none"
    ]


def _row(network: MeasuredNetwork, row: AtEpsilon) -> Row:
    predicted, family = row.predicted, network.network.family
    return Row(
        network=network.name,
        family=TOGETHER.get(family, family),
        facts=Facts(
            paper=1 - row.paper,
            sharp=1 - row.sharp,
            one_shot=1 - row.one_shot_quadratic,
            epsilon=row.epsilon,
            loss=network.loss,
            dim=network.dim,
            examples=network.examples,
            layers=network.layers,
            layer_share=network.layer_share,
            cut=_cut(network, row.epsilon),
            outputs=network.classes,
        ),
        kept=max(1 - row.real_existence.value, 0.5 / network.dim),
        nulls={name: 1 - predicted[name] for name in NULLS},
    )


def _cut(network: MeasuredNetwork, epsilon: float) -> float | None:
    """As `prunelimit.expected.facts_of` has it of a report."""
    if network.cut is None or network.constant_loss is None:
        return None
    needs_a_path = network.constant_loss > network.loss + epsilon
    return last_connected(network.cut, network.dim) if needs_a_path else 1.0


def rows_of_kinds(measured: dict[str, Any]) -> list[Row]:
    """Those networks of `benchmarks.outside` that do not judge."""
    found = []
    for name, row in measured["rows"].items():
        if row["judges"]:
            continue
        facts = from_plain(Facts, row["facts"], name)
        kept = max(1 - row["converged"]["value"], 0.5 / facts.dim)
        nulls = {"paper": facts.paper, "sharp": facts.sharp}
        mean = (facts.paper + facts.sharp) / 2
        kind = row["case"]["kind"]
        found.append(Row(name, kind, facts, kept, nulls | {"mean of the formulas": mean}))
    return found


# ---------------------------------------------------------------------- fitting
def robust_fit(
    design: NDArray[np.float64],
    target: NDArray[np.float64],
    counted: NDArray[np.float64] | float = 1.0,
) -> NDArray[np.float64]:
    """Coefficients of a linear fit under Huber's loss, by re-weighted least squares.

    Parameters
    ----------
    design
        ``(rows, coefficients)``.
    target
        ``(rows,)``.
    counted
        ``(rows,)``, how much each row counts; by default all alike.

    Returns
    -------
    ndarray
        ``(coefficients,)``; a millionth of ridge decides where the data do not.

    Examples
    --------
    >>> line = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    >>> robust_fit(line, np.array([0.0, 1.0, 90.0, 3.0])).round(1).tolist()
    [0.0, 1.0]
    """
    weights = counted = counted * np.ones(len(target))
    ridge = 1e-6 * counted.sum() * np.eye(design.shape[1])
    for _ in range(100):
        weighted = design * weights[:, None]
        found = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ target)
        errors = np.abs(target - design @ found)
        weights = counted * HUBER / np.maximum(errors, HUBER)
    return found.astype(np.float64)


def fit(rows: Sequence[Row], names: tuple[str, ...]) -> NDArray[np.float64]:
    """Coefficients of the log-odds on these features, the constant first; families alike."""
    target = np.array([row.target for row in rows])
    return robust_fit(_design(rows, names), target, _shares(rows))


def _shares(rows: Sequence[Row]) -> NDArray[np.float64]:
    """One over the rows of its family, of each row."""
    sizes = Counter(row.family for row in rows)
    return np.array([1 / sizes[row.family] for row in rows])


def _design(rows: Sequence[Row], names: tuple[str, ...]) -> NDArray[np.float64]:
    values = [row.facts.values() for row in rows]
    return np.array([[1.0, *(value[name] for name in names)] for value in values])


def predict(
    rows: Sequence[Row], names: tuple[str, ...], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shares kept."""
    return np.asarray(expit(_design(rows, names) @ coefficients))


def families_of(rows: Sequence[Row]) -> list[str]:
    """Families of the rows, in the order of their first appearance."""
    return list(dict.fromkeys(row.family for row in rows))


def _apart(rows: Sequence[Row]) -> Iterator[tuple[str, NDArray[np.bool_], list[Row], list[Row]]]:
    """Each family, where its rows are, these rows, and those of all the others."""
    for family in families_of(rows):
        inside = np.array([row.family == family for row in rows])
        held = [row for row in rows if row.family == family]
        yield family, inside, held, [row for row in rows if row.family != family]


def left_out(rows: Sequence[Row], names: tuple[str, ...]) -> NDArray[np.float64]:
    """Share kept of each row, predicted by a fit to the other families."""
    found = np.empty(len(rows))
    for _, inside, held, others in _apart(rows):
        found[inside] = predict(held, names, fit(others, names))
    return found


def calibrate(
    rows: Sequence[Row], names: tuple[str, ...] = READ, by_layers: bool = True
) -> Calibration:
    """Fit these features to all rows; the interval is as wide as a family left out needs.

    Its errors are counted in the root of the number of layers, or, for reports that do not know
    it, as they are.
    """
    values = [row.facts.values() for row in rows]
    known = [name for name in values[0] if by_layers or name not in LATER]
    ranges = {name: (min(v[name] for v in values), max(v[name] for v in values)) for name in known}
    return Calibration(
        names=names,
        coefficients=tuple(float(c) for c in fit(rows, names)),
        half_width=_half_width(rows, left_out(rows, names), by_layers),
        ranges=ranges,
        by_layers=by_layers,
    )


def _half_width(rows: Sequence[Row], found: NDArray[np.float64], by_layers: bool = True) -> float:
    """What 90 % of a family not seen need, of shares `found` for families left out."""
    kept = np.array([row.kept for row in rows])
    roots = np.array([row.facts.values()["layers"] / 2 if by_layers else 0.0 for row in rows])
    errors = np.abs(np.sqrt(found) - np.sqrt(kept)) / np.exp(roots)
    return family_quantile(errors, _shares(rows), COVERAGE)


def compare(rows: Sequence[Row]) -> dict[str, calibrated.Candidate]:
    """What each candidate comes to."""

    def mean(found: NDArray[np.float64]) -> float:
        return float(np.average(_errors(rows, found), weights=_shares(rows)))

    table = {}
    for name, names in CANDIDATES.items():
        found = left_out(rows, names)
        seen = predict(rows, names, fit(rows, names))
        table[name] = calibrated.Candidate(_half_width(rows, found), mean(found), mean(seen))
    return table


def family_quantile(
    errors: NDArray[np.float64], shares: NDArray[np.float64], coverage: float
) -> float:
    """The half width that a family not seen needs: the quantile of errors, each family alike.

    A new error of a new family, families being exchangeable, is at most this with probability
    `coverage` or more: **exact** for errors of a fixed prediction (hierarchical conformal
    prediction, Lee, Barber and Willett 2023). With one row a family it is the
    ⌈(K + 1)·coverage⌉-th smallest of K errors, split conformal prediction's (Vovk, Gammerman and
    Shafer 2005). Infinite where there are too few families for that.

    Parameters
    ----------
    errors
        ``(rows,)``.
    shares
        ``(rows,)``, one over the number of rows of the row's family.

    Examples
    --------
    >>> family_quantile(np.array([3.0, 1.0, 2.0, 4.0]), np.ones(4), 0.8)
    4.0
    >>> family_quantile(np.array([1.0]), np.ones(1), 0.9)
    inf
    """
    families = shares.sum()
    order = np.argsort(errors, kind="stable")
    reached = np.cumsum(shares[order]) / (families + 1)
    # Rounded: 0.9 of ten must not count as a little more than nine.
    enough = np.nonzero(reached >= coverage - 1e-9)[0]
    return float(errors[order][enough[0]]) if len(enough) else math.inf


# --------------------------------------------------------------------- judgement
def judge(
    study: Sequence[Row], kinds: Sequence[Row] = ()
) -> tuple[calibrated.LeftOut, calibrated.LeftOut | None]:
    """Coverage, width and error on each family by a calibration that never saw it.

    Returns
    -------
    tuple
        Of the study's families, and of the kinds if there are any.
    """
    rows = [*study, *kinds]
    expected = np.empty(len(rows))
    constant = np.empty(len(rows))
    families = {}
    for family, inside, held, others in _apart(rows):
        found = calibrate(others)
        answers = [found.predict(row.facts) for row in held]
        expected[inside] = [1 - float(answer.sparsity) for answer in answers]
        ratio = np.median([row.kept / max(row.facts.paper, 0.5 / row.facts.dim) for row in others])
        constant[inside] = [min(1.0, ratio * row.facts.paper) for row in held]
        families[family] = _family(family, held, answers)
    predictions = {"expected": expected, "constant × k_paper": constant}
    parts = [
        _left_out(part, families, {name: kept[where] for name, kept in predictions.items()})
        for part, where in ((study, slice(len(study))), (kinds, slice(len(study), None)))
        if part
    ]
    return parts[0], parts[1] if kinds else None


def _left_out(
    rows: Sequence[Row],
    families: Mapping[str, calibrated.FamilyLeftOut],
    predictions: dict[str, NDArray[np.float64]],
) -> calibrated.LeftOut:
    """What came out on these rows, which are whole families."""
    here = [families[name] for name in families_of(rows)]
    nulls = {name: np.array([row.nulls[name] for row in rows]) for name in rows[0].nulls}
    errors = {name: _errors(rows, kept) for name, kept in (predictions | nulls).items()}
    return calibrated.LeftOut(
        families=tuple(here),
        errors=_compared(rows, errors),
        rows=len(rows),
        coverage=sum(f.coverage * f.rows for f in here) / len(rows),
        lowest_coverage=min(f.coverage for f in here),
        median_half_width=float(np.median([f.median_half_width for f in here])),
    )


def _family(
    family: str, held: Sequence[Row], answers: Sequence[Expected]
) -> calibrated.FamilyLeftOut:
    # A threshold lies between two masks: it is known to half a weight.
    half = [0.5 / row.facts.dim for row in held]
    inside = [
        a.lower - slack <= 1 - row.kept <= a.upper + slack
        for row, a, slack in zip(held, answers, half, strict=True)
    ]
    widths = [(answer.upper - answer.lower) / 2 for answer in answers]
    errors = [abs(1 - row.kept - a.sparsity) for row, a in zip(held, answers, strict=True)]
    return calibrated.FamilyLeftOut(
        family=family,
        rows=len(held),
        networks=len({row.network for row in held}),
        coverage=float(np.mean(inside)),
        median_half_width=float(np.median(widths)),
        mean_error=float(np.mean(errors)),
        largest_error=float(np.max(errors)),
        extrapolated=float(np.mean([answer.extrapolated for answer in answers])),
    )


def _errors(rows: Sequence[Row], kept: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(kept - np.array([row.kept for row in rows]))


def _compared(
    rows: Sequence[Row], errors: dict[str, NDArray[np.float64]]
) -> dict[str, calibrated.ModelError]:
    """Each model's errors, and by how much `expected` is better: networks drawn again."""
    networks = list(dict.fromkeys(row.network for row in rows))
    of_network = [[i for i, row in enumerate(rows) if row.network == name] for name in networks]
    generator = np.random.default_rng(0)
    draws = generator.integers(len(networks), size=(BOOTSTRAPS, len(networks)))
    count = np.array([len(found) for found in of_network])
    table = {}
    for name, found in errors.items():
        gaps = found - errors["expected"]
        sums = np.array([gaps[index].sum() for index in of_network])
        means = sums[draws].sum(1) / count[draws].sum(1)
        low, high = np.quantile(means, [0.025, 0.975])
        table[name] = calibrated.ModelError(
            mean=float(found.mean()),
            median=float(np.median(found)),
            within_one_point=float((found <= 0.01).mean()),
            worse_than_expected_by=float(gaps.mean()),
            interval=(float(low), float(high)),
        )
    return table


def outside(paths: Sequence[Path], made: Calibration) -> tuple[calibrated.TookNoPart, ...]:
    """The prediction beside what other stored results measured: networks that took no part.

    Their real existence is that of a stated budget, a lower bound on the converged
    sparsity.
    """
    table = []
    for path in paths:
        if (known := _measured(path)) is None:
            continue
        facts, policy, measured = known
        found = made.predict(facts)
        table.append(
            calibrated.TookNoPart(
                file="/".join(path.parts[-2:]),
                policy=policy,
                measured=measured,
                sparsity=float(found.sparsity),
                lower=found.lower,
                upper=found.upper,
                coverage=found.coverage,
                why=found.why,
                inside=found.lower <= measured <= found.upper,
                paper=1 - facts.paper,
                sharp=1 - facts.sharp,
            )
        )
    return tuple(table)


def _measured(path: Path) -> tuple[Facts, str, float] | None:
    """What a report knew, its policy, and real existence; None if the file is another study's."""
    for kind in (Result, SearchedNetwork):
        try:
            stored = kind.load(path)
        except PruneLimitError:
            continue
        if isinstance(stored, SearchedNetwork):
            return stored.facts, stored.policy, stored.value
        report = stored.prediction
        return facts_of(report), report.policy, stored.thresholds.real_existence.value
    return None


def twins(study: ExistenceStudy) -> calibrated.Twins:
    """Predict each threshold by those measured on the same network from other seeds.

    What a formula in the facts of one trained network is up against: this knows the recipe and
    two measured answers, and has only the seed to err by.
    """
    alike: dict[Network, list[float]] = {}
    for network in study.networks:
        recipe = replace(network.network, seed=0)
        for row in network.rows:
            # The plan's ε; the other, of the minibatches, is each network's own.
            if row.epsilon == recipe.epsilon and row.real_existence.status != "none":
                alike.setdefault(recipe, []).append(row.real_existence.value)
    errors = [
        abs(value - (sum(found) - value) / (len(found) - 1))
        for found in alike.values()
        if len(found) > 1
        for value in found
    ]
    ninetieth = float(np.quantile(errors or [math.nan], COVERAGE))
    return calibrated.Twins(len(errors), float(np.mean(errors or [math.nan])), ninetieth)


def yardstick(study: ExistenceStudy) -> calibrated.Yardstick:
    """How far descents disagree on the thresholds, and what the baselines make of them."""
    rows = study.rows
    found = [row.real_existence for row in rows]
    moved = np.array([f.by_nested_search - f.once for f in found if f.once is not None])
    others = {
        "the dense network, trained alike": [r.real_existence_finetuned_baseline for r in rows],
        "the l1-regularised loss": [r.real_existence_l1 for r in rows],
        "L(w*) + ε by SGD": [r.real_existence_sgd for r in rows],
    }
    baselines = {}
    for name, by_other in others.items():
        pairs = zip(by_other, found, strict=True)
        gaps = [other.value - f.value for other, f in pairs if other is not None]
        mean, median = (float(of(gaps or [math.nan])) for of in (np.mean, np.median))
        baselines[name] = calibrated.BaselineShift(len(gaps), mean, median)
    twice = [r.real_existence for r in rows if r.real_existence_sgd is not None]
    gains = np.array([f.by_search - f.by_nested_search for f in twice])
    return calibrated.Yardstick(
        networks=len(study.networks),
        rows=len(rows),
        doubled=len(moved),
        moved_little=float((moved <= SETTLED).mean()),
        mean_moved=float(moved.mean()),
        largest_moved=float(moved.max()),
        started_elsewhere=len(gains),
        sparser_from_there=int((gains > SETTLED).sum()),
        largest_gain=float(gains.max(initial=0.0)),
        baselines=baselines,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the calibration that ships and the table that judges it."""
    parser = argparse.ArgumentParser(prog="python -m prunelimit.lab.studies.calibration")
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--kinds", type=Path, help="of benchmarks.outside")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--others", type=Path, nargs="*", default=[], metavar="RESULT")
    given = parser.parse_args(arguments)
    study = ExistenceStudy.load(given.study)
    families, kinds = rows_of(study), []
    if given.kinds is not None:
        kinds = rows_of_kinds(json.loads(given.kinds.read_text(encoding="utf-8")))
    rows = [*families, *kinds]
    # Reports of earlier versions know neither answers nor layers.
    found = replace(calibrate(rows), otherwise=calibrate(rows, ("paper",), by_layers=False))
    made = describe_module("prunelimit.lab.studies.calibration", arguments)
    count = {"networks": len({row.network for row in rows}), "rows": len(rows)}
    provenance = {"command": made.command, "code": made.code, **count}
    calibration = {"format": FORMAT, "calibration": to_plain(found), "provenance": provenance}
    write_json(given.output, calibration)
    left_out, kinds_left_out = judge(families, kinds)
    CalibrationTable(
        candidates=compare(rows),
        twins=twins(study),
        half_width=found.half_width,
        yardstick=yardstick(study),
        left_out=left_out,
        kinds_left_out=kinds_left_out,
        took_no_part=outside(given.others, found),
        provenance=made,
    ).save(given.table)


if __name__ == "__main__":
    main()
