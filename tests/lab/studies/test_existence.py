"""The existence study: its plan, its records against the package's own prediction, going on."""

import json

import numpy as np
import pytest
import torch

import prunelimit as pl
from prunelimit.lab.studies import curves, existence, zoo
from prunelimit.lab.studies.plan import networks
from prunelimit.records import fields_to_plain
from prunelimit.results import ExistenceStudy
from prunelimit.results.existence import Network, Threshold

TINY = Network("mlp-tables", "iris", 96, "mlp-tanh", (6,), "adam", 0.01, 60, 1e-3, 0.2)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("existence")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks(), TINY.name, TINY)
        arguments = ["--runs", str(folder), "--networks", TINY.name]
        existence.main([*arguments, "--output", str(folder / "study.json")])
        yield folder, arguments


def test_the_plan_varies_as_it_should():
    planned = list(networks().values())
    assert len(planned) >= 200 and len({network.family for network in planned}) >= 8
    assert {network.optimizer for network in planned} == {"sgd", "adam", "adamw"}
    assert {network.seed for network in planned} == {0, 1, 2}
    assert {0.0, 3e-3} <= {network.l1 for network in planned}
    assert {network.source for network in planned} == {*zoo.IMAGES, *zoo.TABLES}
    widths = [w for n in planned if n.kind.startswith("mlp") for w in n.widths]
    assert min(widths) <= 8 and max(widths) == 128
    # Whoever stops early has every family.
    assert len({network.family for network in planned[:12]}) == 12


def test_a_record_agrees_with_the_package_s_prediction(measured):
    (record,) = json.loads((measured[0] / "study.json").read_text())["networks"]
    found = zoo.examples("iris", 96)
    model = curves.train(TINY, found)
    loader = list(zip(found.inputs.split(32), found.targets.split(32), strict=True))
    for row, given in zip(record["rows"], (None, TINY.epsilon), strict=True):
        report = pl.predict_limit(
            model, torch.nn.functional.cross_entropy, loader, given, progress=False
        )
        assert row["epsilon"] == pytest.approx(report.epsilon, rel=1e-4)
        for name in ("paper", "sharp"):
            theirs = getattr(report, name)
            assert row["ggn"][name]["sparsity"] == pytest.approx(theirs.sparsity, abs=2e-3)
        assert row["one_shot_quadratic"] == pytest.approx(report.one_shot.sparsity, abs=0.011)
        assert row["linear_rise"] == pytest.approx(report.linear_rise, abs=1e-3)
    assert record["loss"] == pytest.approx(report.loss.mean, rel=1e-4)


def test_what_is_written_is_read_as_the_book_reads_it(measured):
    study = ExistenceStudy.load(measured[0] / "study.json")
    (network,) = study.networks
    assert network.network == TINY and len(study.rows) == 2
    assert {"paper", "sharp", "paper, |H|"} <= set(study.rows[0].predicted)
    ratio = study.rows[1].epsilon / study.rows[0].epsilon
    kept = [1 - row.predicted["paper"] for row in study.rows]
    assert ratio ** -network.elasticities["k_paper"] == pytest.approx(kept[1] / kept[0])


def test_the_curves_are_in_their_order(measured):
    (record,) = json.loads((measured[0] / "study.json").read_text())["networks"]
    rows = record["rows"]
    assert rows[1]["real_existence"]["value"] >= rows[0]["real_existence"]["value"]
    for found in (row["real_existence"] for row in rows):
        assert found["lower_bound"] == (found["value"] - found["once"] > existence.SETTLED)
    for row in rows:
        assert row["quadratic_existence"] >= row["quadratic_existence_fixed_biases"]
        assert row["quadratic_existence"] >= row["one_shot_quadratic"]
        assert row["real_existence"]["lower"] >= row["one_shot"] - 0.06
    losses = [loss for _, loss, status in record["minima"] if status == "reached"]
    assert losses and max(losses) <= record["loss"] + max(row["epsilon"] for row in rows) + 1e-5


def test_the_quadratic_curves_are_those_of_dense_algebra():
    found = zoo.examples("iris", 96)
    bench = curves.Bench(curves.train(TINY, found), found)
    rises = bench.one_shot_rises()
    moved = torch.zeros(bench.dim, dtype=torch.float64)
    moved[bench.order[:20]] = bench.weights[bench.order[:20]]
    assert rises[20] == pytest.approx(0.5 * float(moved @ bench.block() @ moved))
    free = torch.ones(bench.dim, dtype=torch.bool)
    free[bench.order[:20]] = False
    inverse = torch.linalg.pinv(bench.block()[free][:, free])
    image = (bench.block() @ moved)[free]
    best = rises[20] - 0.5 * float(image @ inverse @ image)
    assert bench.refitted_rise(20, biases=False) == pytest.approx(best, rel=1e-3)
    assert bench.refitted_rise(20, biases=True) <= best * (1 + 1e-6)


def test_a_finished_network_is_only_read_again(measured, monkeypatch):
    folder, arguments = measured
    before = (folder / f"{TINY.name}.json").read_text()
    monkeypatch.setattr(existence, "measure", lambda network: pytest.fail("measured again"))
    existence.main(arguments)
    assert (folder / f"{TINY.name}.json").read_text() == before


def test_a_record_of_an_older_way_of_measuring_is_not_taken(measured, tmp_path):
    folder, _ = measured
    record = json.loads((folder / f"{TINY.name}.json").read_text())
    path = tmp_path / f"{TINY.name}.json"
    path.write_text(json.dumps(record))
    assert existence.measured(TINY.name, tmp_path) == record
    path.write_text(json.dumps(record | {"format": "prunelimit.existence/1"}))
    assert existence.measured(TINY.name, tmp_path) is None


def test_a_solution_under_a_sparser_mask_counts_for_denser_ones_and_higher_levels():
    def row(epsilon, passing, failing):
        found = fields_to_plain(Threshold.between(passing, failing, 100))
        return {"epsilon": epsilon, "real_existence": found}

    record = {
        "dim": 100,
        "loss": 1.0,
        "minima": [[50, 1.1, "ok"], [60, 1.3, "ok"], [70, 1.15, "ok"], [80, 1.9, "ok"]],
        "rows": [row(0.2, 50, 60), row(0.1, 50, 55)],
    }
    higher, lower = (r["real_existence"] for r in existence._raised(record)["rows"])
    assert lower == record["rows"][1]["real_existence"]
    assert (higher["lower"], higher["upper"], higher["raised_from"]) == pytest.approx(
        (0.7, 0.8, record["rows"][0]["real_existence"]["value"])
    )
    assert higher["value"] == pytest.approx(1 - (0.3 * 0.2) ** 0.5)
    record["minima"] = [[50, 1.1, "ok"]]
    record["rows"] = [row(0.1, 50, 55), row(0.2, 40, 45)]
    lower, higher = (r["real_existence"] for r in existence._raised(record)["rows"])
    assert (higher["lower"], higher["upper"]) == (0.5, 0.55)
    record["minima"] = [[90, 1.15, "hopeless"]]
    assert existence._raised(record)["rows"][1]["real_existence"]["value"] == 0.9


def test_a_collected_file_is_gone_on_from(measured, monkeypatch, tmp_path):
    folder, _ = measured
    monkeypatch.setattr(existence, "measure", lambda network: pytest.fail("measured again"))
    output = tmp_path / "study.json"
    output.write_bytes((folder / "study.json").read_bytes())
    arguments = ["--runs", str(tmp_path / "runs"), "--networks", TINY.name]
    existence.main([*arguments, "--output", str(output)])
    found, before = (json.loads(f.read_text()) for f in (output, folder / "study.json"))
    assert found["networks"] == before["networks"]


def test_every_kind_of_the_plan_can_be_built():
    for network in list(networks().values())[:72]:
        shape = {"digits": (1, 8, 8), "digits-4x4": (1, 4, 4), "fashion-7x7": (1, 7, 7)}
        image = shape.get(network.source, (1, 14, 14))
        model = zoo.build(network.kind, image, 3, network.widths).eval()
        assert model(torch.zeros(2, *image)).shape == (2, 3)
    with pytest.raises(pl.PruneLimitError, match="unknown"):
        zoo.examples("imagenet", 3)
    assert np.isfinite(zoo.examples("wine", 100).inputs).all()
