"""Readers of the official on-disk formats, each returning bytes and labels.

Nothing here normalises, shuffles or splits; `prunelimit.lab.data` does.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError
from prunelimit.lab.store.paths import path_part

DEBIAN_FASHION_MNIST = (
    Path("/usr/share/datasets/fashion-mnist"),
    Path("/usr/share/dataset-fashion-mnist"),
)
"""Where Debian's package ``dataset-fashion-mnist`` puts its gzipped files."""

FASHION_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_FASHION_BYTES = 16 + 60_000 * 28 * 28
"""Bytes of the largest of them."""
_MOST_BYTES, _MOST_FILES = 1 << 30, 200_000
"""What an archive may unpack to: Tiny ImageNet is 0.3 GB in 120,206 files, CIFAR 0.2 GB in 8."""

_UNREADABLE = (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
"""What damaged and hostile archives raise."""

_TINY_IMAGENET = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


@dataclass(frozen=True)
class Archive:
    """A data set as it was published.

    Images are ``(examples, channels, height, width)`` bytes, labels
    ``(examples,)`` int64.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int


def read_digits(root: Path, download: bool) -> Archive:
    """The 1,797 8 × 8 digits that scikit-learn carries; a fixed fifth is the test set."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = torch.from_numpy(digits.images.astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    # There is no official test set; a constant seed keeps ours the same in every run.
    train, test = train_test_split(
        np.arange(len(labels)), test_size=0.2, random_state=0, stratify=digits.target
    )
    train, test = np.sort(train), np.sort(test)
    return Archive(images[train], labels[train], images[test], labels[test], classes=10)


def read_fashion_mnist(root: Path, download: bool, packaged: Sequence[Path] = ()) -> Archive:
    """Fashion-MNIST from where torchvision keeps it, or from other folders, packed as it is.

    Raises
    ------
    PruneLimitError
        If the files are absent or damaged.
    """
    raw = root / "FashionMNIST" / "raw"
    if download:
        from torchvision.datasets import FashionMNIST

        try:
            FashionMNIST(str(root), download=True)
        except (RuntimeError, OSError) as error:
            raise PruneLimitError(f"cannot download Fashion-MNIST to {raw} ({error})") from error
    files = [_fashion_file((raw, *packaged), name) for name in FASHION_FILES]
    train, labels, test, test_labels = map(_read_idx, files)
    return Archive(train[:, None], labels.long(), test[:, None], test_labels.long(), classes=10)


def _fashion_file(folders: Sequence[Path], name: str) -> Path:
    packed = [folder / f"{name}.gz" for folder in folders]
    found = next((path for path in (folders[0] / name, *packed) if path.is_file()), None)
    if found is None:
        root = folders[0].parents[1]
        raise PruneLimitError(
            f"Fashion-MNIST is not in {folders[0]} (missing: {name}). Name the folder of data sets "
            "that has it, or none for Debian's copy (apt install dataset-fashion-mnist), or "
            f"download it once with prunelimit.lab.data.load('fashion-mnist', {str(root)!r}, "
            "download=True)"
        )
    return found


def _read_idx(path: Path) -> Tensor:
    """The bytes of a file in MNIST's format: after the header, a shape and what it holds."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read(_FASHION_BYTES + 1)
        if len(content) > _FASHION_BYTES:
            raise ValueError(f"it unpacks to more than {_FASHION_BYTES:,} bytes")
        axes = content[3]
        shape = np.frombuffer(content, ">i4", axes, offset=4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (*_UNREADABLE, IndexError) as error:
        raise PruneLimitError(
            f"{path} cannot be read: {error}; delete it and load the data again"
        ) from error
    return torch.from_numpy(values.copy())


def _provide(folder: Path, url: str, download: bool, md5: str | None = None) -> None:
    """Have `folder`, if need be from the published archive beside it, which may be downloaded."""
    if folder.is_dir():
        return
    archive = folder.parent / url.rpartition("/")[2]
    if download and not archive.is_file():
        from torchvision.datasets.utils import download_url

        try:
            download_url(url, str(archive.parent), md5=md5)
        except (OSError, RuntimeError) as error:
            raise PruneLimitError(
                f"cannot download {url} ({error}); put it in {archive.parent} by other means"
            ) from error
    if archive.is_file():
        _unpack(archive, folder)


def _unpack(archive: Path, folder: Path) -> None:
    """Make `folder` of the archive beside it, whole or not at all."""
    extract = _unzip if archive.suffix == ".zip" else _untar
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpacking-") as scratch:
            extract(archive, scratch)
            os.replace(Path(scratch, folder.name), folder)
    except _UNREADABLE as error:
        if folder.is_dir():  # another process was faster
            return
        raise PruneLimitError(
            f"{archive} cannot be unpacked to {folder} ({error}); if it is damaged, get it anew"
        ) from error


def _unzip(archive: Path, folder: str) -> None:
    with zipfile.ZipFile(archive) as packed:
        tally = _Tally()
        for member in packed.infolist():
            tally.add(member.filename, member.file_size)  # it never gives more than that
        packed.extractall(folder)


def _untar(archive: Path, folder: str) -> None:
    # As streams: a size is known before the bytes behind it are unpacked.
    with gzip.open(archive, "rb") as plain:
        bounded: Any = _Bounded(plain)  # all that tarfile wants of a stream is `read`
        with tarfile.open(fileobj=bounded, mode="r|") as packed:
            tally = _Tally()
            for member in packed:
                tally.add(member.name, member.size)
                if not (member.isreg() or member.isdir()):
                    raise ValueError(f"{member.name!r} is neither a file nor a folder")
                packed.extract(member, folder, filter="data")


@dataclass
class _Tally:
    """Files and bytes of an archive so far; refuses what is too much, or leads outside."""

    files: int = 0
    total: int = 0

    def add(self, name: str, size: int) -> None:
        self.files += 1
        self.total += size
        if self.total > _MOST_BYTES or self.files > _MOST_FILES:
            raise ValueError(
                f"it unpacks to more than {_MOST_BYTES:,} bytes or {_MOST_FILES:,} files"
            )
        parts = name.replace("\\", "/").split("/")
        if parts[0] == "" or ".." in parts:
            raise ValueError(f"its member {name!r} leads outside")


@dataclass
class _Bounded:
    """A stream that ends in an error after `_MOST_BYTES`: a tar's headers may be large too."""

    stream: gzip.GzipFile
    read_so_far: int = 0

    def read(self, size: int) -> bytes:
        self.read_so_far += size
        if self.read_so_far > _MOST_BYTES + (_MOST_BYTES >> 3):  # headers and padding
            raise ValueError(f"it unpacks to more than {_MOST_BYTES:,} bytes")
        return self.stream.read(size)


def read_cifar(name: str, label_key: str, root: Path, download: bool) -> Archive:
    """CIFAR in its python format: the files that torchvision's class lists, without its checksums.

    The checksums are the only thing that makes torchvision's ``pickle.load``
    safe. The reader below cannot run code from a file, so it may also read a
    copy whose bytes differ (a subset, another pickle protocol).

    Raises
    ------
    PruneLimitError
        If the files are absent or damaged.
    """
    from torchvision import datasets

    layout: Any = getattr(datasets, name)
    folder = root / layout.base_folder
    _provide(folder, layout.url, download, md5=layout.tgz_md5)
    names = [layout.meta["filename"], *(f for f, _ in layout.train_list + layout.test_list)]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise PruneLimitError(
            f"{layout.__name__} is not in {folder} (missing: {', '.join(missing)}). Put "
            f"{layout.url} or what it holds in {root}, or download it once with download=True"
        )
    classes = len(unpickle(folder / layout.meta["filename"])[layout.meta["key"]])

    def read(files: list[list[str]]) -> tuple[Tensor, Tensor]:
        batches = [_cifar_batch(folder / name, label_key) for name, _ in files]
        images, labels = zip(*batches, strict=True)
        return torch.cat(images), torch.cat(labels)

    archive = Archive(*read(layout.train_list), *read(layout.test_list), classes=classes)
    labels = torch.cat([archive.train_labels, archive.test_labels])
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
        raise PruneLimitError(f"{folder} holds labels outside 0 … {classes - 1}")
    return archive


def _cifar_batch(path: Path, label_key: str) -> tuple[Tensor, Tensor]:
    entry = unpickle(path)
    try:
        data = np.ascontiguousarray(entry["data"], dtype=np.uint8)
        images = torch.from_numpy(data.reshape(len(data), 3, 32, 32).copy())
        labels = torch.tensor(entry[label_key], dtype=torch.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise PruneLimitError(
            f"{path} is no CIFAR batch: it should hold 'data' (n, 3072) and {label_key!r} ({error})"
        ) from error
    if len(images) != len(labels):
        raise PruneLimitError(f"{path} holds {len(images)} images but {len(labels)} labels")
    return images, labels


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds dictionaries, lists, strings and numpy arrays; refuses everything else."""

    _ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def unpickle(path: Path) -> dict[str, Any]:
    """The dictionary of a CIFAR file, by a reader that cannot run code from it.

    Raises
    ------
    PruneLimitError
        If the file is damaged, or asks for anything else.
    """
    try:
        # The official files were written by Python 2; latin1 keeps its byte strings whole.
        content = _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise PruneLimitError(f"{path} cannot be read: {error}; unpack the archive anew") from error
    if not isinstance(content, dict):
        raise PruneLimitError(f"{path} is no CIFAR file: it holds a {type(content).__name__}")
    return content


def read_tiny_imagenet(root: Path, download: bool) -> Archive:
    """Tiny ImageNet as published; its labelled validation images are the test set.

    Labels follow the order of ``wnids.txt``. The validation images of all
    classes lie in one folder, and only ``val_annotations.txt`` says which is
    which: reading the folder as one class each gives 0.5 % accuracy.

    Raises
    ------
    PruneLimitError
        If the archive is absent or incomplete.
    """
    folder = root / "tiny-imagenet-200"
    _provide(folder, _TINY_IMAGENET, download)
    index = {
        path_part(f"a class of {folder / 'wnids.txt'}", wnid): label
        for label, wnid in enumerate(_lines(folder / "wnids.txt"))
    }
    train: list[tuple[Path, int]] = []
    for wnid, label in index.items():
        images = sorted((folder / "train" / wnid / "images").glob("*.JPEG"))
        if not images:
            raise PruneLimitError(f"{folder / 'train' / wnid / 'images'} holds no JPEG images")
        train.extend((path, label) for path in images)
    test = _tiny_imagenet_validation(folder / "val", index)
    return Archive(*_decode(train), *_decode(test), classes=len(index))


def _tiny_imagenet_validation(folder: Path, index: dict[str, int]) -> list[tuple[Path, int]]:
    table = folder / "val_annotations.txt"
    entries = []
    for number, line in enumerate(_lines(table), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in index:
            raise PruneLimitError(
                f"{table}, line {number}: expected a file name and a class of wnids.txt, "
                f"separated by a tab, got {line!r}"
            )
        name = path_part(f"a file of {table}, line {number},", fields[0])
        entries.append((folder / "images" / name, index[fields[1]]))
    return entries


def _lines(path: Path) -> list[str]:
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise PruneLimitError(
            f"Tiny ImageNet is incomplete: {path} cannot be read ({error}). Put {_TINY_IMAGENET} "
            "or what it holds in the folder of the data sets, or load it with download=True"
        ) from error
    if not lines:
        raise PruneLimitError(f"{path} is empty; unpack tiny-imagenet-200.zip anew")
    return lines


def _decode(entries: list[tuple[Path, int]]) -> tuple[Tensor, Tensor]:
    from PIL import Image

    images = np.empty((len(entries), 64, 64, 3), dtype=np.uint8)
    for row, (path, _) in enumerate(entries):
        try:
            with Image.open(path) as image:
                if image.size != images.shape[1:3]:  # before the pixels are decoded
                    raise ValueError(f"it is {image.width} × {image.height}")
                images[row] = np.asarray(image.convert("RGB"))  # some are grey
        except (OSError, ValueError) as error:
            raise PruneLimitError(f"{path} is no 64 × 64 JPEG image ({error})") from error
    labels = torch.tensor([label for _, label in entries], dtype=torch.int64)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), labels
