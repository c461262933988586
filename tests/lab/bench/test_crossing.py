"""The threshold of a rise that is known."""

from prunelimit.lab.bench.crossing import Existence


def test_the_crossing_is_enclosed_from_the_one_shot_threshold_on() -> None:
    asked = []

    def rise(sparsity: float) -> float:
        asked.append(sparsity)
        return sparsity**2

    found = Existence(0.001, 0.99).of(rise, 0.64, one_shot=0.5, guess=0.9)
    assert found.lower <= 0.8 <= found.upper <= found.lower + 0.001
    assert asked[0] == 0.9 and min(asked) >= 0.5


def test_no_more_masks_than_allowed_and_an_end_that_passes_is_the_answer() -> None:
    asked = []
    Existence(1e-9, 0.99, measurements=5).of(lambda s: asked.append(s) or s, 0.7, 0.1, guess=0.5)
    assert len(asked) == 5
    assert Existence(0.01, 0.99).of(lambda s: 0.0, 0.1, one_shot=0.995, guess=0.5).value == 0.99
