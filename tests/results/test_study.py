"""The study's points: flat numbers out of the file, and a choice that sees half of them."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from prunelimit import PruneLimitError
from prunelimit.results import Study, study

FILE = Path(__file__).parents[2] / "book" / "results" / "study.json"


@pytest.fixture(scope="module")
def points():
    return Study.load(FILE).points()


def test_a_point_has_the_files_numbers(points):
    stored = json.loads(FILE.read_text())["networks"][0]
    row, columns = stored["rows"][0], points[0].columns()
    assert columns["real_existence"] == row["real_existence"]["value"]
    assert columns["one_shot"] == row["one_shot"]
    assert columns["paper"] == row["paper"]["value"]
    assert columns["path and gain, sharp"] == row["corrections"]["path and gain"]["sharp"]
    at = row["at_limit"]["sharp"]
    assert columns["misfit, sharp"] == at["real_rise"] / at["rise"]
    assert columns["step, sharp"] == at["step"] / stored["norm"]
    assert len(points) == 56


def point_with(point, **changes):
    return dataclasses.replace(point, **changes)


def test_errors_count_only_points_with_a_prediction(points):
    rows = [
        point_with(points[0], predicted={"a": predicted}, measured={"real_existence": real})
        for predicted, real in ((0.5, 0.505), (None, 0.9), (0.8, 0.7))
    ]
    np.testing.assert_allclose(study.errors(rows, "a", "real_existence"), [-0.005, 0.1])
    told = study.summary(rows, "a", "real_existence")
    assert (told["rows"], told["within"]) == (2, 0.5)
    assert told["largest"] == pytest.approx(0.1)
    with pytest.raises(PruneLimitError, match="no row has the prediction 'a'"):
        study.summary(rows[1:2], "a", "real_existence")


def test_the_choice_does_not_look_at_held_out_points(points):
    predicted = dict.fromkeys(study.predictions(), 0.5)
    measured = {"real_existence": 0.9}
    seen = point_with(
        points[0],
        held_out=False,
        measured=measured,
        predicted=predicted | {"bound, sharp": 0.85},
    )
    unseen = point_with(
        points[0], held_out=True, measured=measured, predicted=predicted | {"layers, paper": 0.9}
    )
    assert study.choose([seen, unseen]) == "bound, sharp"
