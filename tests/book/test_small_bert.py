"""A small BERT outside the study: predicted, measured, and read by the calibration's table."""

import pytest

from book.tools import small_bert
from prunelimit.expected import calibration
from prunelimit.lab.studies.calibration import outside
from prunelimit.results import SearchedNetwork

pytest.importorskip("transformers")


def test_what_it_writes_stands_in_the_table_of_networks_that_took_no_part(tmp_path, monkeypatch):
    path = tmp_path / "bert.json"
    monkeypatch.setattr(small_bert, "WIDTH", 4)
    little = ["--epochs", "2", "--steps", "10"]
    small_bert.main(["--output", str(path), *little])
    stored = SearchedNetwork.load(path)
    assert stored.lower <= stored.value <= stored.upper
    passing = [s for s, loss in stored.tries if loss <= stored.facts.loss + 0.05]
    assert stored.lower == max(passing, default=0)
    (row,) = outside([path, tmp_path / "absent.json"], calibration())
    assert row.measured == stored.value and row.file.endswith("bert.json")
    assert row.lower <= row.sparsity <= row.upper
    assert row.paper == 1 - stored.facts.paper
