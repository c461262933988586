"""A run on disk: what is read is what was saved last, whole, or it is refused."""

from pathlib import Path

import numpy as np
import pytest

from prunelimit import PruneLimitError
from prunelimit.checkpoint import Checkpoint

RUN = {"seed": 0, "dim": 2}
VECTORS = [b"aa", b"bb", b"cc"]


def saved(path: Path, count: int) -> Checkpoint:
    kept = Checkpoint(path)
    kept.save(RUN, {"scale": np.array(1.0 * count)}, count, VECTORS.__getitem__, force=True)
    return kept


def read(path: Path) -> tuple[float, list[bytes]]:
    kept = Checkpoint(path)
    state = kept.load(RUN)
    assert state is not None
    return float(state["scale"]), list(kept.vectors(state, width=2))


def test_vectors_are_appended_and_the_state_replaced(tmp_path: Path) -> None:
    kept = saved(tmp_path, 1)
    kept.save(RUN, {"scale": np.array(3.0)}, 3, VECTORS.__getitem__, force=True)
    assert read(tmp_path) == (3.0, VECTORS)
    assert Checkpoint(tmp_path / "new").load(RUN) is None


def test_what_a_kill_left_behind_the_state_is_overwritten(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    with (tmp_path / "basis.bin").open("ab") as file:
        file.write(b"half a vect")
    kept = Checkpoint(tmp_path)
    state = kept.load(RUN)
    assert list(kept.vectors(state, width=2)) == VECTORS[:1]
    kept.save(RUN, {"scale": np.array(2.0)}, 2, VECTORS.__getitem__, force=True)
    assert read(tmp_path) == (2.0, VECTORS[:2])


def test_not_more_than_once_a_second_unless_forced(tmp_path: Path) -> None:
    kept = saved(tmp_path, 1)
    kept.save(RUN, {"scale": np.array(2.0)}, 2, VECTORS.__getitem__)
    assert read(tmp_path) == (1.0, VECTORS[:1])


def test_another_run_is_named_by_what_differs(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    with pytest.raises(PruneLimitError, match="its dim is 2, this run's is 3"):
        Checkpoint(tmp_path).load(RUN | {"dim": 3})


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"", None]
)
def test_a_damaged_state_says_what_to_do(tmp_path: Path, damage) -> None:
    saved(tmp_path, 1)
    state = tmp_path / "state.npz"
    if damage is None:  # a file of another program
        np.savez(state, other=np.zeros(2))
    else:
        state.write_bytes(damage(state.read_bytes()))
    with pytest.raises(PruneLimitError, match="cannot be read .* delete the directory"):
        Checkpoint(tmp_path).load(RUN)
