"""A report keeps what it says: as text, as a page, as a file; and refuses what cannot be one."""

import dataclasses
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from network_support import trained
from torch import nn

import prunelimit as pl
from prunelimit.records import from_plain, to_plain
from prunelimit.report import LimitEstimate


@pytest.fixture(scope="module")
def report() -> pl.PruningLimit:
    model, batches = trained(nn.Tanh, 1e-3, 0)
    return pl.predict_limit(model, nn.functional.cross_entropy, batches)


def test_report_survives_json_and_both_spellings_of_the_ends_work(report, tmp_path) -> None:
    path = tmp_path / "report.json"
    text = report.to_json(path)
    assert json.loads(text) == json.loads(path.read_text())
    for again in (pl.PruningLimit.from_json(path), pl.PruningLimit.from_json(text)):
        assert again.summary() == report.summary()
        assert again.spectrum == report.spectrum
        assert again.distance(report.paper.kept) == pytest.approx(report.paper.distance, rel=1e-3)
    assert report.paper.sparsity.lower == report.paper.lower
    assert report.paper.sparsity.upper == report.paper.upper
    assert "paper's limit" in str(report) and "<table>" in report._repr_html_()
    assert report.plot().axes[0].get_xlabel()


def test_a_page_shows_what_a_report_says_and_runs_none_of_it(report) -> None:
    attack = "<script>alert('x')</script>"
    hostile = dataclasses.replace(report, epsilon_source=attack, warnings=(attack, "{0.__class__}"))
    shown = hostile._repr_html_()
    assert "<script" not in shown and shown.count("&lt;script&gt;") == 2
    assert "{0.__class__}" in shown and "<table>" in shown and shown.count("<li>") == 3


def test_reports_that_cannot_be_are_refused(report, tmp_path) -> None:
    data = report.to_dict()
    for name, value in (
        ("policy", "<script>"),
        ("dim", 3),
        ("epsilon", -1.0),
        ("warnings", "<script>"),
        ("paper", data["paper"] | {"sparsity": 7.0, "upper": 8.0}),
        ("loss", None),
        ("spectrum", []),
    ):
        with pytest.raises(pl.PruneLimitError):
            pl.PruningLimit.from_json(json.dumps(data | {name: value}))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{")
    for source in (tmp_path / "bytes.json", "{" * 100_000, '{"a":' * 100_000, "a\0b"):
        with pytest.raises(pl.PruneLimitError, match="cannot read a report"):
            pl.PruningLimit.from_json(source)


def test_other_json_is_refused(tmp_path) -> None:
    with pytest.raises(pl.PruneLimitError, match="no report"):
        pl.PruningLimit.from_json('{"format": "something else"}')
    with pytest.raises(pl.PruneLimitError, match="cannot read"):
        pl.PruningLimit.from_json(tmp_path / "missing.json")


def test_both_ends_of_a_limit_have_to_enclose_it() -> None:
    limit = {"sparsity": 0.5, "lower": 0.4, "upper": 0.6, "kept": 5.0, "distance": 1.0}
    limit |= {"ridge": 0.1, "status": "solved"}
    assert to_plain(from_plain(LimitEstimate, limit)) == limit
    with pytest.raises(pl.PruneLimitError, match="must be between its ends"):
        from_plain(LimitEstimate, limit | {"upper": 0.45})
    with pytest.raises(pl.PruneLimitError, match="no entry 'lower'"):
        from_plain(LimitEstimate, {k: v for k, v in limit.items() if k != "lower"})


def test_a_report_made_before_something_was_kept_is_read(report) -> None:
    data = report.to_dict()
    del data["counted"]
    again = pl.PruningLimit.from_dict(data)
    assert again.counted is None and f"D = {report.dim:,} prunable weights" in again.summary()


HOSTILE = [
    *(None, True, -1, 0, math.nan, 1e308, 10**400),
    *("<script>\x1b[2J\n" + "n" * 5000, [], {"a": [1]}),
]


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    """One of each kind of spectrum: all eigenvalues, rules with a bracket, folded rules."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 4, generator=generator)
    batches = list(zip(inputs.split(20), inputs[:, :3].argmax(1).split(20), strict=True))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
        model = nn.Sequential(nn.Linear(4, 40), nn.Tanh(), nn.Linear(40, 30), nn.Linear(30, 3))
    found = [pl.predict_limit(small, nn.functional.cross_entropy, batches)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunelimit.spectrum.engine.DENSE_DIM", 10)
        for policy in ("ggn", "abs"):
            report = pl.predict_limit(
                model, nn.functional.cross_entropy, batches, policy=policy, tolerance=0.1
            )
            found.append(report)
    assert [report.spectrum.exact for report in found] == [True, False, False]
    return [report.to_dict() for report in found]


def places(data: Any, before: tuple = ()) -> Iterator[tuple]:
    """Where each entry is; of a list the first alone."""
    yield before
    if isinstance(data, dict | list):
        entries = data.items() if isinstance(data, dict) else enumerate(data[:1])
        for name, entry in entries:
            yield from places(entry, (*before, name))


def changed(data: Any, place: tuple, value: Any) -> Any:
    if not place:
        return value
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[place[0]] = changed(data[place[0]], place[1:], value)
    return copy


# What earlier tests left to the collector (an event loop) may be found while this one runs.
@pytest.mark.filterwarnings("error", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_whatever_stands_anywhere_in_a_report_is_refused_by_name_or_harmless(reports) -> None:
    kept = 0
    for report in reports:
        for place in places(report):
            for value in HOSTILE:
                try:
                    read = pl.PruningLimit.from_dict(changed(report, place, value))
                except pl.PruneLimitError as error:
                    assert len(str(error)) < 300 and "\n" not in str(error), place
                    continue
                kept += 1
                text, page = read.summary(), read._repr_html_()
                assert "\x1b" not in text and "<script" not in page, place
                effective = read.spectrum.effective_dimension(0.1)
                assert 0 <= effective.lower <= effective.upper <= read.dim, place
                assert math.isfinite(read.spectrum.trace().value), place
    assert kept > 100, "most text is harmless"


def test_an_entry_more_or_less_is_named(reports) -> None:
    (report, *_) = reports
    for name in report:
        less = {key: value for key, value in report.items() if key != name}
        if name in ("counted", "layers", "cut", "outputs", "expected"):  # of before they were kept
            pl.PruningLimit.from_dict(less)
        else:
            with pytest.raises(pl.PruneLimitError, match=name):
                pl.PruningLimit.from_dict(less)
    with pytest.raises(pl.PruneLimitError, match="an entry 'more'"):
        pl.PruningLimit.from_dict(report | {"more": 1})
