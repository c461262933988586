"""The threshold of a rise that is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunelimit import PruneLimitError
from prunelimit.estimates import crossing_between
from prunelimit.lab.stages.crossing import existence_threshold


@given(level=st.floats(0.02, 50.0), guess=st.floats(0, 0.999))
@settings(max_examples=50, deadline=None)
def test_crossings_bracket_the_root_of_a_rising_curve(level: float, guess: float) -> None:
    found = existence_threshold(
        lambda s: s / (1 - s),
        level,
        0.0,
        guess,
        resolution=1e-3,
        sparsest=0.999,
        measurements=60,
    )
    root = level / (1 + level)
    assert found.lower <= root <= found.upper
    assert found.upper - found.lower <= 1e-3
    assert found.lower <= found.value <= found.upper
    ends = [(end, end / (1 - end)) for end in (found.lower, found.upper)]
    assert found.value == crossing_between(*ends, level)


def test_a_crossing_outside_the_ends_is_reported_as_an_end() -> None:
    ends = {"resolution": 0.01, "sparsest": 0.9}
    assert existence_threshold(lambda s: 1.0, 0.5, 0.1, 0.5, **ends).upper == 0.1
    assert existence_threshold(lambda s: 0.0, 0.5, 0.1, 0.5, **ends).lower == 0.9


def test_ends_out_of_order_are_refused() -> None:
    with pytest.raises(PruneLimitError, match="lower end"):
        existence_threshold(lambda s: s, 0.5, 0.9, 0.5, resolution=0.01, sparsest=0.1)


def test_the_crossing_is_enclosed_from_the_one_shot_threshold_on() -> None:
    asked = []

    def rise(sparsity: float) -> float:
        asked.append(sparsity)
        return sparsity**2

    found = existence_threshold(rise, 0.64, 0.5, 0.9, resolution=0.001, sparsest=0.99)
    assert found.lower <= 0.8 <= found.upper <= found.lower + 0.001
    assert asked[0] == 0.9 and min(asked) >= 0.5


def test_no_more_masks_than_allowed_and_an_end_that_passes_is_the_answer() -> None:
    asked = []
    fine = {"resolution": 1e-9, "sparsest": 0.99, "measurements": 5}
    existence_threshold(lambda s: asked.append(s) or s, 0.7, 0.1, 0.5, **fine)
    assert len(asked) == 5
    coarse = {"resolution": 0.01, "sparsest": 0.99}
    assert existence_threshold(lambda s: 0.0, 0.1, 0.995, 0.5, **coarse).value == 0.99
