"""Records: what is written is read back, and what is wrong is named."""

import dataclasses
import json
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunelimit import PruneLimitError
from prunelimit.records import from_plain, to_plain


@dataclass(frozen=True)
class Point:
    place: float
    count: int = 0


@dataclass(frozen=True)
class Everything:
    text: str
    flag: bool
    points: tuple[Point, ...]
    pair: tuple[int, float]
    by_name: dict[str, tuple[float, ...]]
    known: Point | None
    curve: np.ndarray
    at_80: float = field(default=0.0, metadata={"name": "at 0.8"})
    note: str | None = None


number = st.floats(allow_nan=False)
point = st.builds(Point, number, st.integers(-(2**40), 2**40))
everything = st.builds(
    Everything,
    st.text(),
    st.booleans(),
    st.lists(point, max_size=3).map(tuple),
    st.tuples(st.integers(0, 9), number),
    st.dictionaries(st.text(max_size=3), st.lists(number, max_size=3).map(tuple), max_size=3),
    st.none() | point,
    st.lists(number, max_size=4).map(lambda values: np.array(values, dtype=float)),
    number,
    st.none() | st.text(),
)


@given(everything)
def test_a_record_is_read_back_from_json(record):
    again = from_plain(Everything, json.loads(json.dumps(to_plain(record), allow_nan=False)))
    for f in dataclasses.fields(Everything):
        ours, theirs = getattr(record, f.name), getattr(again, f.name)
        assert np.array_equal(ours, theirs) if f.name == "curve" else ours == theirs


def test_what_is_not_a_number_comes_back():
    again = from_plain(Point, json.loads(json.dumps(to_plain(Point(math.nan)))))
    assert math.isnan(again.place)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": None}, r"the record\.text is None; it must be text"),
        ({"flag": 1}, r"flag is 1; it must be true or false"),
        ({"points": [{"place": 1.0}, {"place": "x"}]}, r"points\[1\]\.place is 'x'"),
        ({"points": [{"place": 1.0, "count": 1.5}]}, r"count is 1\.5; it must be a whole number"),
        ({"points": [{}]}, r"points\[0\] is no Point: it has no entry 'place'"),
        ({"points": {}}, r"points is \{\}; it must be a list"),
        ({"pair": [1]}, r"pair is \[1\]; it must be a list of 2"),
        ({"pair": [True, 1.0]}, r"pair\[0\] is True"),
        ({"by_name": {"a": [None, "b"]}}, r"by_name\.a\[1\] is 'b'; it must be a number"),
        ({"curve": [1.0, "b"]}, r"curve\[1\] is 'b'; it must be a number"),
        ({"curve": ["0.1", "0.5"]}, r"curve\[0\] is '0\.1'; it must be a number"),
        ({"curve": [1.0, True]}, r"curve\[1\] is True; it must be a number"),
        ({"curve": "0.1"}, r"curve is '0\.1'; it must be a list of numbers"),
        ({"curve": [[1.0, 2.0], [3.0]]}, r"curve is .*it must be rows of one length"),
        ({"more": 1}, r"it has an entry 'more'"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    good = Everything("t", True, (), (1, 2.0), {}, None, np.zeros(2))
    with pytest.raises(PruneLimitError, match=message):
        from_plain(Everything, to_plain(good) | changes)


@given(st.integers() | st.text() | st.lists(st.integers()) | st.none())
def test_anything_else_is_refused(data):
    with pytest.raises(PruneLimitError, match="must be an object"):
        from_plain(Point, data)
