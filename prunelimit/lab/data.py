"""From a data set's name to train, validation and test batches (chapter 7).

Images stay in memory as bytes and become normalised floats one batch at a time,
on whatever device they lie. Only the training batches are shuffled and
augmented; losses, accuracies and curvature are always measured on fixed,
un-augmented data, because every Lanczos step has to see the same matrix.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunelimit.errors import PruneLimitError, require
from prunelimit.lab import archives
from prunelimit.lab.archives import Archive
from prunelimit.lab.store.keys import digest_of, digest_of_file
from prunelimit.names import require_known

CROP_PADDING = 4
"""Pixels added on each side before the random crop, as in the paper's training."""

VALIDATION = 0.1
"""Share of each class of the training examples that is held out."""


@dataclass(frozen=True)
class DataSpec:
    """What is known of a data set before it is read.

    Attributes
    ----------
    label
        For people.
    read
        Gives its archive, of a folder, whether to download it, and the `packaged` folders if any.
    mean, std
        Per channel, of the training pixels scaled to [0, 1].
    pixel_max
        The byte that stands for 1.
    augment
        Whether random crops and flips leave the label true.
    pad_to_cifar
        Zero-pad to 32 × 32 and repeat the one channel three times.
    folder
        Where its files lie below the folder of the data sets; "" if it comes with a library.
    packaged
        Folders where a package puts them, for whoever names no folder of the data sets.
    """

    label: str
    read: Callable[..., Archive]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pixel_max: float = 255.0
    augment: bool = True
    pad_to_cifar: bool = False
    folder: str = ""
    packaged: tuple[Path, ...] = ()


_FASHION = DataSpec(
    "Fashion-MNIST",
    archives.read_fashion_mnist,
    (0.2860,),
    (0.3530,),
    folder="FashionMNIST/raw",
    packaged=archives.DEBIAN_FASHION_MNIST,
)

DATASETS: dict[str, DataSpec] = {
    # A mirrored digit is no digit any more: neither flips nor crops.
    "digits": DataSpec(
        "digits", archives.read_digits, (0.3053,), (0.3761,), pixel_max=16.0, augment=False
    ),
    "fashion-mnist": _FASHION,
    "fashion-mnist-32": replace(
        _FASHION, label="Fashion-MNIST padded to 32 × 32 × 3", pad_to_cifar=True
    ),
    "cifar10": DataSpec(
        "CIFAR-10",
        partial(archives.read_cifar, "CIFAR10", "labels"),
        (0.4914, 0.4822, 0.4465),
        (0.2470, 0.2435, 0.2616),
        folder="cifar-10-batches-py",
    ),
    "cifar100": DataSpec(
        "CIFAR-100",
        partial(archives.read_cifar, "CIFAR100", "fine_labels"),
        (0.5071, 0.4865, 0.4409),
        (0.2673, 0.2564, 0.2762),
        folder="cifar-100-python",
    ),
    "tiny-imagenet": DataSpec(
        "Tiny ImageNet",
        archives.read_tiny_imagenet,
        (0.4802, 0.4481, 0.3975),
        (0.2770, 0.2691, 0.2821),
        folder="tiny-imagenet-200",
    ),
}
"""The data sets that `load` knows."""


@dataclass(eq=False)
class Batches:
    """A re-iterable of ``(inputs, targets)`` over examples held in memory.

    Iterating twice gives the same batches twice. A shuffled or augmented object
    changes them only through `set_epoch`, so that epoch 7 of a resumed run is
    epoch 7 of the run that was killed. The random numbers are drawn on the CPU
    and do not depend on the device or on torch's global generator.

    Attributes
    ----------
    images
        ``(examples, channels, height, width)``, bytes or floats.
    labels
        ``(examples,)`` class indices, in the stored order.
    batch_size
        Examples a batch; the last one may be smaller.
    mean, std
        Per channel, in units of `images`; inputs are ``(images - mean) / std``.
    shuffle, augment
        For training only. Augmentation is a random crop after zero-padding by 4
        and a horizontal flip with probability one half.
    seed, epoch
        Of the order and the augmentation.

    Raises
    ------
    PruneLimitError
        On an empty set, unequal lengths, or a batch size below 1.

    Examples
    --------
    >>> batches = Batches(torch.zeros(5, 1, 2, 2), torch.arange(5), batch_size=2)
    >>> [targets.tolist() for _, targets in batches]
    [[0, 1], [2, 3], [4]]
    >>> len(batches), batches.examples
    (3, 5)
    """

    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    batch_size: int = 128
    _: KW_ONLY
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    shuffle: bool = False
    augment: bool = False
    seed: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no data, and work out the normalisation."""
        if self.images.dim() != 4:
            raise PruneLimitError(
                f"images have shape {tuple(self.images.shape)}; expected (examples, channels, "
                "height, width)"
            )
        if len(self.images) != len(self.labels):
            raise PruneLimitError(f"{len(self.images)} images but {len(self.labels)} labels")
        if len(self.labels) == 0:
            raise PruneLimitError("there are no examples: check the data set and the split")
        require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        # One multiply and one add a batch; made here so that iterating stays cheap.
        self._scale = (
            torch.tensor(self.std, device=self.images.device).reciprocal().view(1, -1, 1, 1)
        )
        mean = torch.tensor(self.mean, device=self.images.device)
        self._shift = -mean.view(1, -1, 1, 1) * self._scale

    def __len__(self) -> int:
        """Number of batches."""
        return -(-self.examples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ``inputs (batch, channels, height, width)`` and ``targets (batch,)``."""
        generator = _generator(self.seed, self.epoch)
        order = torch.randperm(self.examples, generator=generator) if self.shuffle else None
        for start in range(0, self.examples, self.batch_size):
            stop = min(start + self.batch_size, self.examples)
            if order is None:
                images, targets = self.images[start:stop], self.labels[start:stop]
            else:
                index = order[start:stop].to(self.labels.device)
                images, targets = self.images[index], self.labels[index]
            if self.augment:
                images = random_crop_and_flip(images, generator)
            yield torch.addcmul(self._shift, images.float(), self._scale), targets

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.labels)

    def fingerprint(self) -> str:
        """Number and digest of the examples as they are seen: pixels, labels, normalisation.

        Examples
        --------
        >>> one = Batches(torch.zeros(2, 1, 1, 1), torch.arange(2))
        >>> one.fingerprint() == one.with_batch_size(1).shuffled().fingerprint()
        True
        """
        total = hashlib.sha256(repr((self.input_shape, self.mean, self.std)).encode())
        for tensor in (self.images, self.labels):
            total.update(tensor.detach().cpu().contiguous().numpy().data)
        return f"{self.examples} examples, {total.hexdigest()[:16]}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: ``(channels, height, width)``."""
        return tuple(self.images.shape[1:])

    def set_epoch(self, epoch: int) -> None:
        """Choose the order and the augmentation of the epoch that is iterated next."""
        self.epoch = epoch

    def with_batch_size(self, batch_size: int) -> Batches:
        """The same examples in batches of another size."""
        return replace(self, batch_size=batch_size)

    def with_seed(self, seed: int) -> Batches:
        """The same examples in the order and the augmentation of another seed."""
        return replace(self, seed=seed)

    def shuffled(self) -> Batches:
        """The same examples, un-augmented as they are, in a new order each epoch."""
        return replace(self, seed=0, shuffle=True)

    def subset(self, examples: int, seed: int = 0) -> Batches:
        """A random subset without replacement, in the stored order.

        Raises
        ------
        PruneLimitError
            If there are not as many examples.
        """
        if not 1 <= examples <= self.examples:
            raise PruneLimitError(
                f"a subset of {examples} examples was asked for, out of {self.examples}"
            )
        chosen = torch.randperm(self.examples, generator=_generator(seed))[:examples]
        index = chosen.sort().values.to(self.labels.device)
        return replace(self, images=self.images[index], labels=self.labels[index])

    def to(self, device: str | torch.device) -> Batches:
        """The same batches with the data on `device`; copies only if it moves."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Splits:
    """The parts of a data set.

    Attributes
    ----------
    train
        Shuffled and, where the data set allows it, augmented.
    train_eval
        The same examples in a fixed order, un-augmented: for losses and curvature.
    validation
        Held out of the training examples: for choosing.
    test
        The official test set (for Tiny ImageNet the official validation set,
        because its test labels are not public): for reporting only.
    classes
        Number of classes.
    input_shape
        ``(channels, height, width)``.
    name, seed
        As given to `load`.
    """

    train: Batches
    train_eval: Batches
    validation: Batches
    test: Batches
    classes: int
    input_shape: tuple[int, ...]
    name: str
    seed: int = 0

    def to(self, device: str | torch.device) -> Splits:
        """The same splits with all data on `device`."""
        return self._map(lambda batches: batches.to(device))

    def limited(self, examples: int) -> Splits:
        """At most so many examples in each part, drawn at random by the splits' own seed.

        Raises
        ------
        PruneLimitError
            If `examples` is below 1.

        Examples
        --------
        >>> small = load("digits").limited(200)
        >>> small.train.examples, small.validation.examples, small.test.examples
        (200, 142, 200)
        """
        require(examples >= 1, "examples", examples, "at least 1")
        # One seed for all, so that `train` and `train_eval` stay the same examples.
        return self._map(lambda b: b.subset(min(examples, b.examples), self.seed))

    def _map(self, change: Callable[[Batches], Batches]) -> Splits:
        parts = ("train", "train_eval", "validation", "test")
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in parts}
        return replace(self, **changed)


def files_digest(name: str, root: str | os.PathLike[str] | None = None) -> str | None:
    """Digest of the files that `load` would read; None where there are none to read.

    Of more than a hundred files names and sizes count alone.

    Examples
    --------
    >>> files_digest("digits") is None
    True
    """
    files: dict[str, tuple[Path, Path]] = {}
    for place in _places(DATASETS[name], root):
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            files.setdefault(path.relative_to(place).as_posix().removesuffix(".gz"), (path, place))
    described: list[Any] = []
    for path, place in files.values():
        status = path.stat()
        size, modified = status.st_size, status.st_mtime_ns
        content = _content(path, size, modified) if len(files) <= 100 else ""
        described.append([path.relative_to(place).as_posix(), size, content])
    return digest_of(described) if described else None


def _places(spec: DataSpec, root: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    own = (data_root(root) / spec.folder,) if spec.folder else ()
    return own if root is not None else (*own, *spec.packaged)


@lru_cache(maxsize=1024)
def _content(path: Path, size: int, modified: int) -> str:
    """Read once for all jobs, unless it changes."""
    return digest_of_file(path)


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Where data sets lie: `root`, else ``$PRUNELIMIT_DATA``, else ``./data``."""
    return Path(root or os.environ.get("PRUNELIMIT_DATA") or "data")


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    seed: int = 0,
    *,
    batch_size: int = 128,
    augment: bool | None = None,
    download: bool = False,
) -> Splits:
    """Read a data set and split it.

    Parameters
    ----------
    name
        One of `DATASETS`.
    root
        Folder of the data sets; see `data_root`.
    seed
        Of the validation split and of the training order. The test set never
        depends on it.
    batch_size
        Of every part.
    augment
        False trains on the plain images; None leaves it to the data set.
    download
        Fetch what is missing from the official site (never for ``digits``).

    Raises
    ------
    PruneLimitError
        On an unknown name, or missing or damaged files.

    Examples
    --------
    >>> splits = load("digits")
    >>> splits.train.examples, splits.validation.examples, splits.test.examples
    (1295, 142, 360)
    >>> splits.input_shape, splits.classes
    ((1, 8, 8), 10)
    """
    require_known("data set", name, DATASETS)
    spec = DATASETS[name]
    packaged = {"packaged": spec.packaged} if spec.packaged and root is None else {}
    archive = spec.read(data_root(root), download, **packaged)
    train_images, test_images = archive.train_images, archive.test_images
    if spec.pad_to_cifar:
        train_images, test_images = pad_to_cifar(train_images), pad_to_cifar(test_images)
    kept, held_out = stratified_split(archive.train_labels, VALIDATION, seed)
    repeat = train_images.shape[1] // len(spec.mean)
    mean, std = (
        tuple(spec.pixel_max * value for value in values * repeat)
        for values in (spec.mean, spec.std)
    )

    def batches(images: Tensor, labels: Tensor, training: bool = False) -> Batches:
        return Batches(
            images,
            labels,
            batch_size,
            mean=mean,
            std=std,
            shuffle=training,
            augment=training and (spec.augment if augment is None else augment),
            seed=seed,
        )

    images, labels = _select(train_images, kept), archive.train_labels[kept]
    return Splits(
        train=batches(images, labels, training=True),
        train_eval=batches(images, labels),
        validation=batches(_select(train_images, held_out), archive.train_labels[held_out]),
        test=batches(test_images, archive.test_labels),
        classes=archive.classes,
        input_shape=tuple(images.shape[1:]),
        name=name,
        seed=seed,
    )


def random_crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Zero-pad by `CROP_PADDING`, cut the old size out at random, mirror every second one.

    Parameters
    ----------
    images
        ``(batch, channels, height, width)``, not changed.
    generator
        On the CPU, so that every device draws the same crops.

    Returns
    -------
    Tensor
        As `images` in shape, type and device.

    Examples
    --------
    >>> random_crop_and_flip(torch.ones(2, 3, 8, 8), torch.Generator()).shape
    torch.Size([2, 3, 8, 8])
    """
    batch, channels, height, width = images.shape
    offsets = torch.randint(2 * CROP_PADDING + 1, (2, batch, 1), generator=generator)
    mirrored = torch.rand(batch, 1, generator=generator) < 0.5
    rows = offsets[0] + torch.arange(height)
    forward = torch.arange(width)
    columns = offsets[1] + torch.where(mirrored, forward.flip(0), forward)
    padded_width = width + 2 * CROP_PADDING
    # One flat gather serves crop and flip for the whole batch.
    index = (rows.unsqueeze(2) * padded_width + columns.unsqueeze(1)).view(batch, 1, -1)
    padded = torch.nn.functional.pad(images, (CROP_PADDING,) * 4).flatten(2)
    index = index.expand(-1, channels, -1).to(images.device)
    return padded.gather(2, index).view_as(images)


def pad_to_cifar(images: Tensor) -> Tensor:
    """Grey images in the shape of CIFAR's: zero-padded to 32 × 32, one channel shown as three.

    The three channels share memory, so a large set does not grow by it.

    Raises
    ------
    PruneLimitError
        If they are not grey, or larger than 32 × 32.

    Examples
    --------
    >>> pad_to_cifar(torch.ones(5, 1, 28, 28)).shape
    torch.Size([5, 3, 32, 32])
    """
    height, width = images.shape[2:]
    if images.shape[1] != 1 or height > 32 or width > 32:
        raise PruneLimitError(
            f"cannot pad images of shape {tuple(images.shape[1:])} to (3, 32, 32)"
        )
    top, left = (32 - height) // 2, (32 - width) // 2
    margins = (left, 32 - width - left, top, 32 - height - top)
    return torch.nn.functional.pad(images, margins).expand(-1, 3, -1, -1)


def stratified_split(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of what stays and of what is held out, the latter `fraction` of each class.

    Each class gives up ``round(fraction · size)`` of its examples, at least one
    and never all. Both parts are sorted.

    Raises
    ------
    PruneLimitError
        If a class has a single example.

    Examples
    --------
    >>> kept, held_out = stratified_split(torch.tensor([0, 0, 1, 1]), 0.5, seed=0)
    >>> len(kept), len(held_out)
    (2, 2)
    """
    generator = _generator(seed)
    held_out = []
    for label in labels.unique():
        members = torch.nonzero(labels == label).squeeze(1)
        if len(members) < 2:
            raise PruneLimitError(
                f"class {int(label)} has a single training example: none can be held out"
            )
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_out.append(members[torch.randperm(len(members), generator=generator)[:count]])
    chosen = torch.cat(held_out).sort().values
    stays = torch.ones(len(labels), dtype=torch.bool)
    stays[chosen] = False
    return torch.nonzero(stays).squeeze(1), chosen


def _generator(*entropy: int) -> torch.Generator:
    # SeedSequence mixes (seed, epoch) well; seed + epoch would let two runs share orders.
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)


def _select(images: Tensor, index: Tensor) -> Tensor:
    # Channels that share memory (pad_to_cifar) keep sharing it.
    if images.stride(1) == 0 and images.shape[1] > 1:
        return images[:, :1][index].expand(-1, images.shape[1], -1, -1)
    return images[index]
