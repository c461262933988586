"""Rows of a stage on disk: those of another key, or damaged ones, are made again."""

from pathlib import Path

import torch

from prunelimit.lab.store.measurements import Measurements


def test_rows_of_another_key_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "stage.npz"
    Measurements(path, "key").add({"sparsity": 0.5}, torch.ones(3))
    again = Measurements(path, "key")
    assert again.rows == [{"sparsity": 0.5}] and torch.equal(again.vector(), torch.ones(3))
    assert again.seconds_before > 0 and again.at(0.6) is None
    assert Measurements(path, "other").rows == []
    again.discard()
    assert not path.exists()


def test_damaged_measurements_are_made_again(tmp_path) -> None:
    path = tmp_path / "stage.npz"
    Measurements(path, "key").add({"sparsity": 0.5})
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (b"", content[:100], flipped):
        path.write_bytes(damaged)
        assert Measurements(path, "key").rows == []
    path.write_bytes(content)
    assert Measurements(path, "key").at(0.5) == {"sparsity": 0.5}
