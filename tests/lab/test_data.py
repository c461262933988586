"""Splits, batches and augmentation."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from data_support import write_fashion_archive
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as oracle

from prunelimit.errors import PruneLimitError
from prunelimit.lab import data
from prunelimit.lab.data import Batches


@pytest.fixture
def fashion_archive(tmp_path):
    return write_fashion_archive(tmp_path / "fashion")


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", seed=3)


def everything(batches):
    inputs, targets = zip(*batches, strict=True)
    return torch.cat(inputs), torch.cat(targets)


def numbered(examples, batch_size=4, **options):
    """Images that carry their own number in every pixel, so that examples can be told apart."""
    images = torch.arange(examples, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return Batches(images, torch.arange(examples), batch_size, **options)


@given(st.integers(1, 40), st.integers(1, 50))
def test_batches_cover_every_example_once(examples, batch_size):
    batches = numbered(examples, batch_size, shuffle=True)
    sizes = [len(targets) for _, targets in batches]
    assert len(sizes) == len(batches)
    assert all(size == batch_size for size in sizes[:-1])
    inputs, targets = everything(batches)
    assert sorted(targets.tolist()) == list(range(examples))
    assert torch.equal(inputs[:, 0, 0, 0], targets.float())


def test_iterating_twice_gives_the_same_and_another_epoch_another_order():
    batches = numbered(50, shuffle=True, seed=1)
    first, again = everything(batches)[1], everything(batches)[1]
    assert torch.equal(first, again)
    batches.set_epoch(1)
    second = everything(batches)[1]
    assert not torch.equal(first, second)
    batches.set_epoch(0)
    assert torch.equal(first, everything(batches)[1])
    assert not torch.equal(first, everything(batches.with_seed(2))[1])


def test_seed_plus_epoch_is_not_all_that_counts():
    early, late = numbered(50, shuffle=True, seed=1), numbered(50, shuffle=True, seed=0)
    late.set_epoch(1)
    assert not torch.equal(everything(early)[1], everything(late)[1])


def test_nothing_touches_the_global_generator(digits):
    before = torch.get_rng_state()
    everything(digits.train)
    data.load("digits").train.subset(10)
    assert torch.equal(before, torch.get_rng_state())


def test_normalisation_is_applied_per_channel():
    images = torch.randint(256, (5, 3, 4, 4), dtype=torch.uint8)
    mean, std = (100.0, 120.0, 140.0), (50.0, 60.0, 70.0)
    inputs, _ = everything(Batches(images, torch.zeros(5), 2, mean=mean, std=std))
    expected = oracle.normalize(images.float(), mean, std)
    torch.testing.assert_close(inputs, expected)


def test_subset_has_distinct_examples_in_stored_order_and_depends_on_the_seed():
    batches = numbered(30)
    chosen = batches.subset(12, seed=5).labels
    assert len(chosen.unique()) == 12
    assert torch.equal(chosen, chosen.sort().values)
    assert torch.equal(chosen, batches.subset(12, seed=5).labels)
    assert not torch.equal(chosen, batches.subset(12, seed=6).labels)


def test_other_batch_size_keeps_everything_else():
    batches = numbered(10, 4, shuffle=True, seed=9)
    batches.set_epoch(2)
    assert torch.equal(everything(batches)[1], everything(batches.with_batch_size(3))[1])
    assert [len(t) for _, t in batches.with_batch_size(3)] == [3, 3, 3, 1]
    assert batches.to("cpu").epoch == 2


def test_augmentation_is_one_of_the_162_crops_and_flips():
    images = torch.randint(1, 256, (40, 3, 5, 6), dtype=torch.uint8)
    augmented = data.random_crop_and_flip(images, torch.Generator().manual_seed(0))
    assert augmented.dtype == images.dtype
    seen = set()
    for image, result in zip(images, augmented, strict=True):
        padded = oracle.pad(image, [4, 4, 4, 4])
        candidates = {
            (top, left, flip): oracle.horizontal_flip(crop) if flip else crop
            for top in range(9)
            for left in range(9)
            for crop in [oracle.crop(padded, top, left, 5, 6)]
            for flip in (False, True)
        }
        matches = [key for key, value in candidates.items() if torch.equal(value, result)]
        assert matches
        seen.add(matches[0])
    assert {flip for *_, flip in seen} == {False, True}
    assert len({top for top, *_ in seen}) > 5
    assert len({left for _, left, _ in seen}) > 5


def test_only_training_batches_shuffle_and_augment(tmp_path, fashion_archive):
    splits = data.load("fashion-mnist", fashion_archive)
    assert splits.train.augment and splits.train.shuffle
    for part in (splits.train_eval, splits.validation, splits.test):
        assert not part.augment and not part.shuffle
        part.set_epoch(7)
        assert torch.equal(everything(part)[1], part.labels)
    plain = data.load("fashion-mnist", fashion_archive, augment=False)
    ordered, fixed = everything(plain.train), everything(plain.train_eval)
    key = ordered[0].flatten(1).sum(1).argsort(), fixed[0].flatten(1).sum(1).argsort()
    assert torch.equal(ordered[0][key[0]], fixed[0][key[1]])
    assert not data.load("digits").train.augment, "a mirrored digit is no digit"


def test_splits_are_disjoint_stratified_and_the_test_set_is_fixed(digits):
    other = data.load("digits", seed=4)
    assert torch.equal(digits.test.labels, other.test.labels)
    assert not torch.equal(everything(digits.validation)[0], everything(other.validation)[0])
    total = sum(part.examples for part in (digits.train, digits.validation, digits.test))
    assert total == 1797
    classes = torch.cat([digits.train.labels, digits.validation.labels]).bincount()
    shares = digits.validation.labels.bincount() / classes
    assert ((shares - 0.1).abs() < 0.01).all()
    # With the labels' own images, rows of all parts together are the whole data set again.
    parts = (digits.train_eval, digits.validation, digits.test)
    rows = torch.cat([everything(part)[0] for part in parts]).flatten(1)
    again = torch.cat([everything(p)[0] for p in (other.train_eval, other.validation, other.test)])
    assert sorted(rows.sum(1).tolist()) == pytest.approx(sorted(again.flatten(1).sum(1).tolist()))


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=5), st.floats(0.01, 0.99), st.integers(0, 9)
)
def test_stratified_split_takes_its_share_of_each_class(sizes, fraction, seed):
    labels = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    kept, held_out = data.stratified_split(labels, fraction, seed)
    assert sorted(torch.cat([kept, held_out]).tolist()) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        taken = int((labels[held_out] == label).sum())
        assert 1 <= taken < size
        assert abs(taken - fraction * size) <= 1


def test_normalisation_constants_of_digits(digits):
    inputs, _ = everything(digits.train_eval)
    assert abs(inputs.mean()) < 0.02
    assert abs(inputs.std() - 1) < 0.02


def test_padding_to_the_shape_of_cifar_adds_zeros_and_no_memory():
    images = torch.randint(1, 256, (4, 1, 28, 28), dtype=torch.uint8)
    padded = data.pad_to_cifar(images)
    assert padded.shape == (4, 3, 32, 32)
    assert padded.stride(1) == 0
    assert torch.equal(padded, oracle.pad(images, [2, 2, 2, 2]).repeat(1, 3, 1, 1))
    with pytest.raises(PruneLimitError, match=r"\(3, 28, 28\)"):
        data.pad_to_cifar(images.repeat(1, 3, 1, 1))


def test_padded_fashion_mnist_is_labelled_as_such(fashion_archive):
    splits = data.load("fashion-mnist-32", fashion_archive)
    plain = data.load("fashion-mnist", fashion_archive)
    assert "padded" in data.DATASETS["fashion-mnist-32"].label
    assert splits.input_shape == (3, 32, 32)
    inside = everything(splits.test)[0][:, 1, 2:30, 2:30]
    torch.testing.assert_close(inside, everything(plain.test)[0][:, 0])


def test_the_environment_names_the_root(monkeypatch, fashion_archive):
    monkeypatch.setenv("PRUNELIMIT_DATA", str(fashion_archive))
    assert data.load("fashion-mnist").test.examples == 10
    monkeypatch.delenv("PRUNELIMIT_DATA")
    assert data.data_root() == data.Path("data")
    assert data.data_root("elsewhere") == data.Path("elsewhere")


def test_importing_draws_no_random_numbers_and_makes_no_files(tmp_path):
    check = (
        "import torch; before = torch.get_rng_state();"
        "import prunelimit.lab.tasks, os;"
        "assert torch.equal(before, torch.get_rng_state()); assert not os.listdir('.')"
    )
    environment = os.environ | {"PYTHONPATH": str(data.Path(data.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", check], cwd=tmp_path, env=environment, check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.load("fashion_mnist"), "did you mean 'fashion-mnist'"),
        (lambda: data.load("digits", batch_size=0), "batch_size is 0"),
        (lambda: data.load("digits").train.with_batch_size(-3), "batch_size is -3"),
        (lambda: data.load("digits").train.subset(5000), "5000 examples"),
        (lambda: Batches(torch.zeros(0, 1, 2, 2), torch.zeros(0)), "no examples"),
        (lambda: Batches(torch.zeros(2, 1, 2, 2), torch.zeros(3)), "2 images but 3 labels"),
        (lambda: Batches(torch.zeros(2, 4), torch.zeros(2)), "expected"),
        (lambda: data.stratified_split(torch.tensor([0, 0, 7]), 0.5, 0), "class 7"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(PruneLimitError, match=message):
        call()


def test_a_folder_that_is_named_and_lacks_the_data_is_no_other_folder(tmp_path) -> None:
    with pytest.raises(PruneLimitError, match="Fashion-MNIST is not in .*FashionMNIST/raw"):
        data.load("fashion-mnist", tmp_path)


def test_files_that_are_read_from_several_folders_count_all(tmp_path, monkeypatch) -> None:
    own, packaged = tmp_path / "data" / "FashionMNIST" / "raw", tmp_path / "packaged"
    for folder in (own, packaged):
        folder.mkdir(parents=True)
    (own / "README").write_text("nothing yet")
    monkeypatch.setenv("PRUNELIMIT_DATA", str(tmp_path / "data"))
    spec = replace(data.DATASETS["fashion-mnist"], packaged=(packaged,))
    monkeypatch.setitem(data.DATASETS, "fashion-mnist", spec)
    found = []
    for content in (b"a", b"b"):
        (packaged / "train-images-idx3-ubyte.gz").write_bytes(content)
        found.append(data.files_digest("fashion-mnist"))
    (own / "train-images-idx3-ubyte").write_bytes(b"own")
    found.append(data.files_digest("fashion-mnist"))
    (packaged / "train-images-idx3-ubyte.gz").write_bytes(b"c")
    assert len(set(found)) == 3 and data.files_digest("fashion-mnist") == found[-1]
    with pytest.raises(PruneLimitError, match="Fashion-MNIST is not in"):
        data.load("fashion-mnist", tmp_path / "data")
