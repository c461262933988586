"""The official on-disk formats, on tiny archives that the tests write."""

import gzip
import io
import os
import pickle
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_support import write_fashion_archive
from PIL import Image

from prunelimit.errors import PruneLimitError
from prunelimit.lab import archives as _archives
from prunelimit.lab import data

CLASSES = {"cifar10": 10, "cifar100": 100}


@pytest.fixture
def fashion_archive(tmp_path):
    return write_fashion_archive(tmp_path / "fashion")


def cifar_batch(folder, name, first_label, count, classes, key):
    """One python batch: rows of 3072 bytes, red, green, blue; the label also in every pixel."""
    labels = [(first_label + i) % classes for i in range(count)]
    rows = np.repeat(np.array(labels, dtype=np.uint8)[:, None], 3072, axis=1)
    rows[:, 1024:2048] += 100  # green
    rows[:, 0] = 255  # the top left pixel's red
    content = {"data": rows, key: labels, "batch_label": "tiny", "filenames": ["x"] * count}
    if key == "fine_labels":
        content["coarse_labels"] = [0] * count
    (folder / name).write_bytes(pickle.dumps(content, protocol=2))


@pytest.fixture
def cifar10(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(1, 6):
        cifar_batch(folder, f"data_batch_{number}", number, 20, 10, "labels")
    cifar_batch(folder, "test_batch", 0, 10, 10, "labels")
    names = {"label_names": [str(i) for i in range(10)], "num_cases_per_batch": 20}
    (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    return tmp_path


@pytest.fixture
def cifar100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    cifar_batch(folder, "train", 0, 200, 100, "fine_labels")
    cifar_batch(folder, "test", 0, 100, 100, "fine_labels")
    names = {"fine_label_names": [str(i) for i in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
    return tmp_path


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_archives(name, request):
    splits = data.load(name, request.getfixturevalue(name))
    assert splits.input_shape == (3, 32, 32)
    assert splits.classes == CLASSES[name]
    assert splits.validation.examples == splits.classes  # a tenth of each class, one at least
    spec = data.DATASETS[name]
    for inputs, labels in splits.test:
        shown = [inputs[:, c] * spec.std[c] + spec.mean[c] for c in range(3)]
        pixels = (torch.stack(shown, 1) * 255).round().int()
        assert (pixels[:, 0, 0, 0] == 255).all(), "channel planes and rows are in order"
        assert (pixels[:, 0, 3, 5] == labels).all()
        assert (pixels[:, 1, 3, 5] == labels + 100).all()


def test_pickles_of_any_protocol_are_read(cifar10):
    for path in (cifar10 / "cifar-10-batches-py").iterdir():
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            content = pickle.loads(path.read_bytes())
            path.write_bytes(pickle.dumps(content, protocol=protocol))
            assert _archives.unpickle(path).keys() == content.keys()


def test_a_pickle_that_wants_to_run_code_is_refused(cifar10, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'owned'}",)

    path = cifar10 / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(pickle.dumps({"data": Attack(), "labels": []}))
    with pytest.raises(PruneLimitError, match=r"data_batch_3 .*system"):
        data.load("cifar10", cifar10)
    assert not (tmp_path / "owned").exists()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-500])


def replace_with(content):
    return lambda path: path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (os.remove, "missing: data_batch_3"),
        (truncate, "data_batch_3 cannot be read"),
        (replace_with([1, 2]), "holds a list"),
        (replace_with({"data": np.zeros((2, 3072))}), "no CIFAR batch"),
        (replace_with({"data": np.zeros((2, 7)), "labels": [0, 1]}), "no CIFAR batch"),
        (replace_with({"data": np.zeros((2, 3072)), "labels": [1]}), "2 images but 1 labels"),
        (replace_with({"data": np.zeros((1, 3072)), "labels": [10]}), "outside 0 … 9"),
    ],
)
def test_damaged_cifar_is_named(cifar10, damage, message):
    damage(cifar10 / "cifar-10-batches-py" / "data_batch_3")
    with pytest.raises(PruneLimitError, match=message):
        data.load("cifar10", cifar10)


def test_absent_cifar_says_how_to_get_it(tmp_path):
    with pytest.raises(PruneLimitError, match=r"cifar-100-python.tar.gz .*download=True"):
        data.load("cifar100", tmp_path)


FOLDERS = {
    "cifar10": ("cifar-10-batches-py", "cifar-10-python", "gztar"),
    "cifar100": ("cifar-100-python", "cifar-100-python", "gztar"),
    "tiny-imagenet": ("tiny-imagenet-200", "tiny-imagenet-200", "zip"),
}


@pytest.fixture(params=FOLDERS)
def packed(request):
    """A folder that holds the published archive, as it comes from the site; its data set."""
    root = request.getfixturevalue(request.param.replace("-", "_"))
    folder, archive, form = FOLDERS[request.param]
    path = shutil.make_archive(str(root / archive), form, root, folder)
    shutil.rmtree(root / folder)
    return request.param, root, Path(path)


def test_a_published_archive_is_unpacked(packed):
    name, root, archive = packed
    splits = data.load(name, root)
    assert splits.test.examples > 0
    assert {path.name for path in root.iterdir()} == {FOLDERS[name][0], archive.name}


@pytest.mark.parametrize("kept", [0, 100, 0.5])
def test_a_damaged_archive_is_named_and_leaves_nothing(packed, kept):
    name, root, archive = packed
    content = archive.read_bytes()
    archive.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(PruneLimitError, match=f"{archive.name} cannot be unpacked"):
        data.load(name, root)
    assert [path.name for path in root.iterdir()] == [archive.name]


def test_an_archive_cannot_write_elsewhere(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "evil").write_text("x")
    with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "evil", "../owned")
    with pytest.raises(PruneLimitError, match="cannot be unpacked"):
        data.load("cifar10", root)
    assert not (tmp_path / "owned").exists()


def tar_of(path, *members):
    """An archive of members: a name, a type, a size in zeros."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, kind, size in members:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, size, "/etc/passwd"
            archive.addfile(member, io.BytesIO(bytes(size)))


@pytest.fixture
def small_limits(monkeypatch):
    """The largest archives are small ones here: the test need not write gigabytes."""
    monkeypatch.setattr(_archives, "_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(_archives, "_MOST_FILES", 10)


INSIDE = "cifar-10-batches-py"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(f"{INSIDE}/a", tarfile.REGTYPE, 2 << 20)], "more than 1,048,576 bytes"),
        ([(f"{INSIDE}/{i}", tarfile.REGTYPE, 1 << 18) for i in range(5)], "more than 1,048,576"),
        ([(f"{INSIDE}/{i}", tarfile.REGTYPE, 0) for i in range(11)], "or 10 files"),
        ([(f"{INSIDE}/a", tarfile.GNUTYPE_LONGNAME, 2 << 20)], "more than 1,048,576"),
        ([(f"{INSIDE}/a", tarfile.SYMTYPE, 0)], "neither a file nor a folder"),
        ([(f"{INSIDE}/a", tarfile.LNKTYPE, 0)], "neither a file nor a folder"),
        ([(f"{INSIDE}/a", tarfile.FIFOTYPE, 0)], "neither a file nor a folder"),
        ([(f"{INSIDE}/../../owned", tarfile.REGTYPE, 1)], "leads outside"),
        ([("/tmp/owned-by-a-test", tarfile.REGTYPE, 1)], "leads outside"),
    ],
)
def test_a_hostile_tar_is_refused_before_it_is_unpacked(tmp_path, small_limits, members, message):
    archive = tmp_path / "cifar-10-python.tar.gz"
    tar_of(archive, *members)
    with pytest.raises(PruneLimitError, match=f"cannot be unpacked .*{message}"):
        data.load("cifar10", tmp_path)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize(
    ("member", "size", "message"),
    [
        ("tiny-imagenet-200/a", 2 << 20, "more than 1,048,576 bytes"),
        ("../owned", 1, "leads outside"),
        ("tiny-imagenet-200\\..\\..\\owned", 1, "leads outside"),
        ("/tmp/owned-by-a-test", 1, "leads outside"),
    ],
)
def test_a_hostile_zip_is_refused_before_it_is_unpacked(
    tmp_path, small_limits, member, size, message
):
    archive = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(member, bytes(size))
    with pytest.raises(PruneLimitError, match=f"cannot be unpacked .*{message}"):
        data.load("tiny-imagenet", tmp_path)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_failed_download_is_told(tmp_path, monkeypatch, name):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    with pytest.raises(PruneLimitError, match=r"cannot download http.*no network.* put it in"):
        data.load(name, tmp_path, download=True)


@pytest.fixture
def tiny_imagenet(tmp_path):
    """Three classes whose order in wnids.txt is not the alphabet's; grey level tells the class."""
    folder = tmp_path / "tiny-imagenet-200"
    wnids = ["n03", "n01", "n02"]
    rows = []
    for label, wnid in enumerate(wnids):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        for number in range(4):
            mode = "L" if number == 0 else "RGB"  # the real archive holds grey images too
            shade = 80 * label if mode == "L" else (80 * label,) * 3
            Image.new(mode, (64, 64), shade).save(images / f"{wnid}_{number}.JPEG")
        (folder / "val" / "images").mkdir(parents=True, exist_ok=True)
        for number in range(2):
            name = f"val_{3 * number + label}.JPEG"
            Image.new("RGB", (64, 64), (80 * label,) * 3).save(folder / "val" / "images" / name)
            rows.append(f"{name}\t{wnid}\t0\t0\t62\t62")
    (folder / "wnids.txt").write_text("\n".join(wnids) + "\n")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_tiny_imagenet_labels_follow_the_annotations(tiny_imagenet):
    splits = data.load("tiny-imagenet", tiny_imagenet)
    assert (splits.input_shape, splits.classes) == ((3, 64, 64), 3)
    counts = [p.examples for p in (splits.train, splits.validation, splits.test)]
    assert counts == [9, 3, 6]
    assert splits.test.labels.unique().tolist() == [0, 1, 2]
    spec = data.DATASETS["tiny-imagenet"]
    for part in (splits.train_eval, splits.validation, splits.test):
        for inputs, labels in part:
            shade = (inputs[:, 0].mean((1, 2)) * spec.std[0] + spec.mean[0]) * 255
            assert torch.allclose(shade, 80.0 * labels, atol=3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "wnids.txt").unlink(), "wnids.txt cannot be read"),
        (lambda f: (f / "wnids.txt").write_text(""), "wnids.txt is empty"),
        (lambda f: shutil.rmtree(f / "train" / "n01"), "holds no JPEG"),
        (lambda f: (f / "val/val_annotations.txt").write_text("val_0.JPEG n03"), "line 1"),
        (lambda f: (f / "val/val_annotations.txt").write_text("a\tn99"), "line 1"),
        (lambda f: (f / "wnids.txt").write_text("../../x\n"), "must not begin with a dot"),
        (lambda f: (f / "wnids.txt").write_text("/etc\n"), "must not have '/' in it"),
        (lambda f: (f / "wnids.txt").write_bytes(b"\xff\xfe\n"), "wnids.txt cannot be read"),
        (
            lambda f: (f / "val/val_annotations.txt").write_text("../../../secret.JPEG\tn03"),
            "must not begin with a dot",
        ),
        (lambda f: (f / "val/images/val_0.JPEG").unlink(), "val_0.JPEG is no 64"),
        (lambda f: (f / "val/images/val_0.JPEG").write_bytes(b"\xff\xd8"), "val_0.JPEG is no 64"),
        (
            lambda f: Image.new("RGB", (32, 32)).save(f / "val/images/val_0.JPEG"),
            "val_0.JPEG is no 64",
        ),
    ],
)
def test_damaged_tiny_imagenet_is_named(tiny_imagenet, damage, message):
    damage(tiny_imagenet / "tiny-imagenet-200")
    with pytest.raises(PruneLimitError, match=message):
        data.load("tiny-imagenet", tiny_imagenet)


def test_fashion_mnist_in_torchvisions_place(fashion_archive):
    splits = data.load("fashion-mnist", fashion_archive)
    assert (splits.input_shape, splits.classes) == ((1, 28, 28), 10)
    assert splits.test.labels.tolist() == list(range(10))


def packaged_in(folder, monkeypatch):
    """Where Debian's package would put Fashion-MNIST."""
    spec = replace(data.DATASETS["fashion-mnist"], packaged=(folder,))
    monkeypatch.setitem(data.DATASETS, "fashion-mnist", spec)


def test_fashion_mnist_is_read_from_debians_folder_as_it_is(tmp_path, fashion_archive, monkeypatch):
    packed = tmp_path / "usr-share"
    packed.mkdir()
    for path in (fashion_archive / "FashionMNIST" / "raw").iterdir():
        (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    monkeypatch.setenv("PRUNELIMIT_DATA", str(tmp_path / "data"))
    packaged_in(packed, monkeypatch)
    splits = data.load("fashion-mnist")
    expected = data.load("fashion-mnist", fashion_archive)
    for (ours, _), (theirs, _) in zip(splits.test, expected.test, strict=True):
        assert torch.equal(ours, theirs)
    assert not (tmp_path / "data").exists()


def test_a_truncated_fashion_mnist_archive_is_named(tmp_path, fashion_archive, monkeypatch):
    for path in (fashion_archive / "FashionMNIST" / "raw").iterdir():
        packed = gzip.compress(path.read_bytes())
        (tmp_path / f"{path.name}.gz").write_bytes(packed[: len(packed) // 2])
    monkeypatch.setenv("PRUNELIMIT_DATA", str(tmp_path / "data"))
    packaged_in(tmp_path, monkeypatch)
    with pytest.raises(PruneLimitError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        data.load("fashion-mnist")
    assert not (tmp_path / "data").exists()


def test_a_gzip_of_endless_zeros_is_not_unpacked(tmp_path, monkeypatch):
    for name in _archives.FASHION_FILES:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(bytes(200_000_000), 1))
    monkeypatch.setenv("PRUNELIMIT_DATA", str(tmp_path / "data"))
    packaged_in(tmp_path, monkeypatch)
    with pytest.raises(PruneLimitError, match="unpacks to more than 47,040,016 bytes"):
        data.load("fashion-mnist")
    assert not (tmp_path / "data").exists()


def test_absent_fashion_mnist_names_both_ways_to_get_it(tmp_path):
    with pytest.raises(PruneLimitError, match=r"apt install dataset-fashion-mnist.*download=True"):
        data.load("fashion-mnist", tmp_path)


def test_damaged_fashion_mnist_is_named(fashion_archive):
    truncate(fashion_archive / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte")
    with pytest.raises(PruneLimitError, match="t10k-images-idx3-ubyte cannot be read"):
        data.load("fashion-mnist", fashion_archive)


@pytest.mark.skipif(
    not any(folder.is_dir() for folder in _archives.DEBIAN_FASHION_MNIST),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_the_real_fashion_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNELIMIT_DATA", str(tmp_path))
    splits = data.load("fashion-mnist")
    counts = [p.examples for p in (splits.train, splits.validation, splits.test)]
    assert counts == [54_000, 6_000, 10_000]
    assert splits.validation.labels.bincount().tolist() == [600] * 10
    parts = (splits.train_eval, splits.validation)
    pixels = torch.cat([inputs for part in parts for inputs, _ in part]).double()
    assert abs(pixels.mean()) < 1e-3
    assert abs(pixels.std() - 1) < 1e-3
