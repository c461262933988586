"""A tiny Fashion-MNIST in the official format, for the tests that need one."""

import struct
from pathlib import Path

import numpy as np


def write_fashion_archive(root: Path) -> Path:
    """100 training and 10 test images as unpacked IDX files under `root`; returns `root`."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 10)):
        pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        header = struct.pack(">IIII", 0x0803, count, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        header = struct.pack(">II", 0x0801, count)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return root
