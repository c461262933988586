"""The calibrated prediction: its fit against scipy, and the report."""

import dataclasses
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from torch import nn

import prunelimit as pl
from prunelimit import expected
from prunelimit.expected import Calibration, Facts
from prunelimit.records import from_plain, to_plain
from prunelimit.report import PruningLimit

FACTS = Facts(0.2, 0.1, 0.5, 0.05, 0.1, 1000, 500)


def test_an_interval_is_symmetric_in_the_root_and_stays_a_sparsity():
    ranges = {name: (value - 1, value + 1) for name, value in FACTS.values().items()}
    made = Calibration(("paper",), (0.1, 1.0), 0.2, ranges)
    found = made.predict(FACTS)
    odds = 0.25 * math.exp(0.1)
    root = math.sqrt(odds / (1 + odds))
    assert 1 - found.sparsity == pytest.approx(root**2)
    assert (1 - found.lower, 1 - found.upper) == pytest.approx(
        ((root + 0.2) ** 2, (root - 0.2) ** 2)
    )
    assert not found.extrapolated
    wide = dataclasses.replace(made, coefficients=(5.0, 1.0)).predict(FACTS)
    assert wide.lower == 0.0 < wide.sparsity < 0.05 < wide.upper
    few = dataclasses.replace(made, coefficients=(-9.0, 1.0)).predict(FACTS)
    assert few.lower < few.sparsity < few.upper == 1.0


def test_a_report_that_lacks_a_feature_is_read_by_the_other_fit():
    plain = Calibration(("paper",), (0.0, 1.0), 0.2, {})
    made = Calibration(("layer share",), (0.0, 2.0), 0.1, {}, otherwise=plain)
    assert made.predict(FACTS) == plain.predict(FACTS)
    seen = made.predict(dataclasses.replace(FACTS, layer_share=0.25))
    assert 1 - seen.sparsity == pytest.approx(0.1)  # odds (1/3)², that is 1 to 9


def test_a_width_by_layers_grows_with_their_root_and_needs_them():
    plain = Calibration(("paper",), (0.0, 1.0), 0.2, {})
    made = dataclasses.replace(plain, half_width=0.1, by_layers=True, otherwise=plain)
    assert made.predict(FACTS) == plain.predict(FACTS)
    four = made.predict(dataclasses.replace(FACTS, layers=4))
    assert (four.sparsity, four.lower) == pytest.approx((0.8, 1 - (0.2**0.5 + 0.2) ** 2))
    assert four == plain.predict(dataclasses.replace(FACTS, layers=4))


def test_two_weights_of_which_a_tenth_is_none_have_an_expectation():
    layer = nn.Linear(2, 1, bias=False)
    data = [(torch.eye(2), layer.weight.detach().T.clone())]
    report = pl.predict_limit(layer, nn.functional.mse_loss, data, 0.1, progress=False)
    assert report.layers[0].kept == 0
    assert 0 <= report.expected.lower <= report.expected.upper <= 1


def test_what_lies_outside_is_named():
    ranges = {name: (value - 1, value + 1) for name, value in FACTS.values().items()}
    made = Calibration((), (math.log(1 / 9),), 0.3, ranges)
    found = made.predict(dataclasses.replace(FACTS, dim=10**6))
    assert found.extrapolated and found.sparsity == pytest.approx(0.9)
    assert found.why == ("D is 1,000,000, calibrated on 368 … 2,718",)
    found = made.predict(dataclasses.replace(FACTS, paper=0.5))
    assert found.why == (
        "the share kept by the paper's limit is 0.5, calibrated on 0.0842 … 0.405",
    )


@given(st.floats(0, 1), st.integers(1, 10**9))
def test_log_odds_are_finite_and_have_an_inverse(share, dim):
    inside = min(max(share, 0.5 / dim), 1 - 0.5 / dim)
    assert expit(expected.log_odds(share, dim)) == pytest.approx(inside, rel=1e-6)


def test_the_answers_by_weight_are_examples_times_outputs():
    values = dataclasses.replace(FACTS, outputs=10).values()
    assert values["answers"] == pytest.approx(math.log(500 * 10 / 1000))
    assert not {"answers", "outputs", "layers", "cut"} & FACTS.values().keys()


def test_a_calibration_survives_its_file():
    made = Calibration(("paper",), (0.1, 1.0), 0.3, {"dim": (1.0, 2.0)})
    assert from_plain(Calibration, json.loads(json.dumps(to_plain(made)))) == made


def test_the_shipped_calibration_is_small_and_finite():
    text = (expected.resources.files("prunelimit") / expected.CALIBRATION).read_text("utf-8")
    assert len(text) <= 100_000
    assert "command" in json.loads(text)["provenance"]
    made = expected.calibration()
    assert 0 < made.half_width < 2
    assert made.predict(FACTS).lower < made.predict(FACTS).upper


@pytest.fixture(scope="module")
def report() -> PruningLimit:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 3))
    data = [(torch.randn(64, 8), torch.randint(3, (64,))) for _ in range(4)]
    return pl.predict_limit(model, nn.functional.cross_entropy, data, progress=False)


def test_a_report_says_what_to_expect_and_keeps_it(report):
    found = report.expected
    assert found.sparsity.lower == found.lower <= found.sparsity <= found.upper
    again = PruningLimit.from_json(report.to_json())
    assert (again.expected, again.outputs) == (found, 3)
    assert again.expected.lower == found.lower
    assert "real existence" in report.summary() and "90 % prediction interval" in report.summary()
    assert "90 % prediction interval" in report._repr_html_()


def test_a_report_keeps_what_the_largest_tenth_leaves_of_each_layer():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 3))
    model[2].weight.data *= 3
    data = [(torch.randn(64, 8), torch.randint(3, (64,)))]
    report = pl.predict_limit(model, nn.functional.cross_entropy, data, 0.1, progress=False)
    parts = [model[0].weight.abs(), model[2].weight.abs()]
    bar = torch.cat([part.flatten() for part in parts]).sort().values[-13]  # 132 - round(118.8)
    kept = [int((part >= bar).sum()) for part in parts]
    assert [layer.kept for layer in report.layers] == kept
    assert [layer.name for layer in report.layers] == ["0.weight", "2.weight"]
    share = (kept[0] / 96 + kept[1] / 36) / 2
    facts = expected.facts_of(report)
    assert (facts.layers, facts.layer_share) == (2, pytest.approx(share))
    assert PruningLimit.from_json(report.to_json()).layers == report.layers
    data = report.to_dict()
    data["layers"][0]["of"] = 95
    with pytest.raises(pl.PruneLimitError, match="layers"):
        PruningLimit.from_dict(data)


def test_a_stored_expectation_is_not_made_anew(report):
    data = report.to_dict()
    data["expected"] |= {"sparsity": 0.5, "lower": 0.4, "upper": 0.6}
    assert PruningLimit.from_dict(data).expected.upper == 0.6
    del data["expected"]
    assert PruningLimit.from_dict(data).expected == report.expected


def test_a_small_network_is_extrapolated_and_another_policy_too(report):
    spectrum = dataclasses.replace(report.spectrum, policy="abs")
    other = dataclasses.replace(report, spectrum=spectrum, expected=None)
    assert other.expected.why[0] == "the policy is 'abs', calibrated on 'ggn'"
    assert not report.expected.extrapolated and "extrapolated" not in report.summary()
    assert "extrapolated" in other.summary()
    layer = nn.Linear(4, 2, bias=False)
    data = [(torch.randn(64, 4), torch.randint(2, (64,)))]
    small = pl.predict_limit(layer, nn.functional.cross_entropy, data, 0.1, progress=False)
    assert any(reason.startswith("D is 8, calibrated on 60") for reason in small.expected.why)
