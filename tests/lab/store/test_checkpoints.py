"""Weights come out of the files that people have: behind wrappers, and beside other things."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from prunelimit import PruneLimitError
from prunelimit.lab.store.checkpoints import CheckpointWarning, load_checkpoint


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def with_prefix(prefix: str) -> dict[str, Any]:
    return {f"{prefix}{name}": tensor for name, tensor in network().state_dict().items()}


def load(content: Any, folder: Path) -> nn.Module:
    torch.save(content, folder / "file.pt")
    model = network(1)
    load_checkpoint(model, folder / "file.pt")
    assert all(torch.equal(t, network().state_dict()[n]) for n, t in model.state_dict().items())
    return model


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod."])
def test_a_wrappers_prefix_is_taken_off_and_said(prefix: str, tmp_path: Path) -> None:
    with pytest.warns(CheckpointWarning, match=f"'{prefix}' was taken off all 9 names"):
        load(with_prefix(prefix), tmp_path)


def test_the_prefixes_are_those_that_wrappers_leave(tmp_path: Path) -> None:
    compiled: Any = torch.compile(network())
    for wrapped in (nn.DataParallel(network()), compiled, AveragedModel(network())):
        with pytest.warns(CheckpointWarning, match="was taken off"):
            load(wrapped.state_dict(), tmp_path)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "module"])
def test_a_training_scripts_file_is_read(key: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load({"epoch": 3, key: dict(network().state_dict()), "optimizer": {}}, tmp_path)


def test_safetensors_are_read_alike(tmp_path: Path) -> None:
    safetensors.torch.save_file(with_prefix("module."), tmp_path / "file.safetensors")
    with pytest.warns(CheckpointWarning):
        load_checkpoint(network(1), tmp_path / "file.safetensors")


def test_a_prefix_that_no_wrapper_leaves_is_named(tmp_path: Path) -> None:
    with pytest.raises(PruneLimitError, match=r"fit once 'encoder\.' is taken off"):
        load(with_prefix("encoder."), tmp_path)
    with pytest.raises(PruneLimitError, match=r"fit once 'model\.' is taken off"):
        load(with_prefix("model.") | {"criterion.weight": torch.ones(2)}, tmp_path)
    model = nn.ModuleDict({"body": network(), "head": nn.Linear(2, 2)})
    torch.save(network().state_dict(), tmp_path / "file.pt")
    with pytest.raises(PruneLimitError, match="part of the model under 'body'"):
        load_checkpoint(model, tmp_path / "file.pt")


def test_a_model_with_such_names_of_its_own_is_loaded_as_ever(tmp_path: Path) -> None:
    model = nn.ModuleDict({"module": network()})
    torch.save(model.state_dict(), tmp_path / "file.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_checkpoint(model, tmp_path / "file.pt")
