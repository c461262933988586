"""Masked networks are networks: trained, copied, averaged, saved, exported; and plain again."""

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from network_support import Mixed, Recurrent, Transformer, images
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from prunelimit import PruneLimitError
from prunelimit.network.parameters import prunable_parameters
from prunelimit.pruning import (
    apply_masks,
    attached_masks,
    change_masks,
    make_permanent,
    prune,
    random_mask,
    stored_weights,
)

TOKENS = torch.randint(17, (12, 5), generator=torch.Generator().manual_seed(2))


def every_matrix(_: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "transformer": (Transformer, images()),
    "lstm": (Recurrent, images()),
    "gru": (lambda: Recurrent(nn.GRU), images()),
    "mixed": (Mixed, TOKENS),
}


@pytest.fixture(params=sorted(NETWORKS))
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    make, inputs = NETWORKS[request.param]
    return make(), inputs


def masked(model: nn.Module) -> nn.Module:
    """Every matrix, at random: each layer loses some."""
    return apply_masks(
        copy.deepcopy(model), random_mask(model, 0.6, seed=4, parameters=every_matrix)
    )


def zeroed(model: nn.Module) -> nn.Module:
    """The same by hand: the oracle."""
    copied = copy.deepcopy(model)
    for name, keep in random_mask(model, 0.6, seed=4, parameters=every_matrix).items():
        copied.get_parameter(name).data.mul_(keep)
    return copied


def train(model: nn.Module, inputs: Tensor, steps: int = 3, project: bool = False) -> nn.Module:
    keep = {n: p.detach() != 0 for n, p in model.named_parameters()} if project else {}
    targets = torch.arange(len(inputs)) % 3
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        for name, parameter in model.named_parameters():
            if project and parameter.grad is not None and parameter.ndim > 1:
                parameter.grad.mul_(keep[name])
        optimizer.step()
    return model


@pytest.mark.parametrize("grad", [True, False])
def test_a_masked_network_computes_as_one_with_zeros(
    case: tuple[nn.Module, Tensor], grad: bool
) -> None:
    model, inputs = case
    for training in (True, False):  # without gradients, evaluation takes attention's fast path
        ours, oracle = masked(model).train(training), zeroed(model).train(training)
        with torch.set_grad_enabled(grad):
            torch.testing.assert_close(ours(inputs), oracle(inputs), rtol=0, atol=1e-6)


def test_training_is_projected_training(case: tuple[nn.Module, Tensor]) -> None:
    model, inputs = case
    ours = train(masked(model), inputs)
    oracle = train(zeroed(model), inputs, project=True)
    torch.testing.assert_close(ours(inputs), oracle(inputs), rtol=0, atol=1e-5)
    made = make_permanent(ours)
    for name, parameter in oracle.named_parameters():
        torch.testing.assert_close(made.get_parameter(name), parameter, rtol=0, atol=1e-5)
        assert torch.equal(made.get_parameter(name) == 0, parameter == 0) or parameter.ndim == 1


def test_plain_again_with_the_old_keys_parameters_and_class(
    case: tuple[nn.Module, Tensor],
) -> None:
    model, _ = case
    keys, held = list(model.state_dict()), dict(model.named_parameters())
    classes = [type(module) for module in model.modules()]
    expected = zeroed(model).state_dict()
    apply_masks(model, random_mask(model, 0.6, seed=4, parameters=every_matrix))
    assert list(model.state_dict()) != keys
    make_permanent(model)
    assert list(model.state_dict()) == keys
    assert list(dict(model.named_parameters())) == list(held)
    assert all(model.get_parameter(name) is held[name] for name in held)
    assert [type(module) for module in model.modules()] == classes
    for name, tensor in expected.items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_a_copy_lives_apart(case: tuple[nn.Module, Tensor]) -> None:
    model, inputs = case
    ours = train(masked(model), inputs, 1)
    before = ours(inputs)
    twin = copy.deepcopy(ours)  # also after a step, with graphs about
    assert torch.equal(twin(inputs), before)
    make_permanent(train(twin, inputs, 1))
    assert torch.equal(ours(inputs), before)
    assert attached_masks(ours) and not attached_masks(twin)
    train(ours, inputs, 1)


def test_state_dicts_and_safetensors_round_trip(
    case: tuple[nn.Module, Tensor], tmp_path: Path
) -> None:
    model, inputs = case
    ours = train(masked(model), inputs, 1)
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    safetensors.torch.save_model(ours, str(tmp_path / "masked.safetensors"))
    expected = ours(inputs)
    other = apply_masks(another(model), random_mask(model, 0.6, seed=9, parameters=every_matrix))
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(inputs), expected)  # the other masks went, too
    third = masked(another(model))
    safetensors.torch.load_model(third, str(tmp_path / "masked.safetensors"))
    assert torch.equal(third(inputs), expected)


def another(model: nn.Module) -> nn.Module:
    """Another network of the same kind."""
    copied = copy.deepcopy(model)
    for parameter in copied.parameters():
        parameter.data.add_(0.1)
    return copied


@pytest.mark.parametrize("buffers", [True, False])
def test_averaged_weights_keep_the_mask(case: tuple[nn.Module, Tensor], buffers: bool) -> None:
    model, inputs = case
    ours = masked(model)
    average = AveragedModel(ours, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=buffers)
    start = {name: p.detach().clone() for name, p in stored_weights(ours).items()}
    average.update_parameters(ours)
    average.update_parameters(train(ours, inputs, 1))
    masks = attached_masks(average.module)
    assert all(torch.equal(masks[name], mask) for name, mask in attached_masks(ours).items())
    name = next(iter(start))
    expected = 0.9 * start[name] + 0.1 * stored_weights(ours)[name]
    torch.testing.assert_close(stored_weights(average.module)[name], expected)
    assert not bool(make_permanent(average.module).get_parameter(name)[~masks[name]].any())


def test_an_optimiser_goes_on_when_masks_come_and_go(case: tuple[nn.Module, Tensor]) -> None:
    model, inputs = case
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), torch.arange(len(inputs)) % 3).backward()
        optimizer.step()

    step()
    masks = random_mask(model, 0.6, seed=4, parameters=every_matrix)
    apply_masks(model, masks)
    step()
    saved = copy.deepcopy(optimizer.state_dict())
    optimizer.load_state_dict(saved)
    step()
    make_permanent(model)
    for name, mask in masks.items():
        assert not bool(model.get_parameter(name)[~mask].any())
        assert model.get_parameter(name) in optimizer.state
    step()


def test_export_computes_with_the_masks(case: tuple[nn.Module, Tensor]) -> None:
    model, inputs = case
    if isinstance(model, Recurrent):
        model.cells.flatten_parameters = lambda: None  # type: ignore[method-assign]
    ours = masked(model).eval()
    exported = torch.export.export(ours, (inputs,))
    torch.testing.assert_close(exported.module()(inputs), ours(inputs), rtol=0, atol=1e-5)


def test_onnx_computes_with_the_masks(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    model = nn.Sequential(nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3))
    ours = masked(model).eval()
    path = tmp_path / "masked.onnx"
    torch.onnx.export(ours, (images(),), str(path), dynamo=True, verbose=False)
    session = reference.ReferenceEvaluator(onnx.load(str(path)))
    (found,) = session.run(None, {session.input_names[0]: images().numpy()})
    torch.testing.assert_close(torch.tensor(found), ours(images()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_masks_pass_changes_of_precision(
    case: tuple[nn.Module, Tensor], dtype: torch.dtype
) -> None:
    model, _ = case
    ours = masked(model).to(dtype)
    assert all(mask.dtype == torch.bool for mask in attached_masks(ours).values())
    name, mask = next(iter(attached_masks(ours).items()))
    assert make_permanent(ours).get_parameter(name).dtype == dtype
    assert not bool(ours.get_parameter(name)[~mask].any())


def test_tied_weights_share_one_mask_and_stay_tied() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Embedding(17, 4), nn.Linear(4, 17, bias=False)
            self.out.weight = self.table.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.out(torch.tanh(self.table(tokens).mean(1)))

    torch.manual_seed(0)
    model = Tied()
    oracle = prune(model, 0.5)
    ours = prune(model, 0.5, permanent=False)
    assert torch.equal(ours(TOKENS), oracle(TOKENS))
    assert list(attached_masks(ours)) == ["table.weight"]
    twin = copy.deepcopy(train(ours, TOKENS, 1))
    made = make_permanent(twin)
    assert made.table.weight is made.out.weight  # type: ignore[union-attr]
    assert int((made.out.weight == 0).sum()) == 34  # type: ignore[union-attr, operator]


def test_a_second_mask_on_a_copy_leaves_the_first_network_alone() -> None:
    layer = apply_masks(nn.Linear(4, 2), {"weight": torch.ones(2, 4).bool()})
    twin = copy.deepcopy(layer)
    apply_masks(twin, {"bias": torch.tensor([True, False])})
    assert float(twin.bias.detach()[1]) == 0 and isinstance(layer.bias, nn.Parameter)  # type: ignore[index]
    layer(torch.ones(1, 4))
    assert list(make_permanent(twin).state_dict()) == ["weight", "bias"]


def test_change_masks_needs_masks_to_change() -> None:
    layer = nn.Linear(2, 1)
    with pytest.raises(PruneLimitError, match="carries no mask"):
        change_masks(layer, {"weight": torch.ones(1, 2)})


def test_other_parametrisations_are_refused_with_what_undoes_them() -> None:
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    with pytest.raises(PruneLimitError, match="remove_parametrizations"):
        prune(normed, 0.5)
    nn.utils.parametrize.remove_parametrizations(normed, "weight")
    assert int((prune(normed, 0.5).weight == 0).sum()) == 2  # type: ignore[union-attr, operator]
    for wrap, undo in (
        (nn.utils.weight_norm, nn.utils.remove_weight_norm),
        (nn.utils.spectral_norm, nn.utils.remove_spectral_norm),
    ):
        layer = wrap(nn.Linear(2, 2))
        with pytest.raises(PruneLimitError, match=undo.__name__):
            prune(layer, 0.5)
        prune(undo(layer), 0.5)


def test_scripted_models_are_refused() -> None:
    scripted = torch.jit.script(nn.Linear(2, 2))
    with pytest.raises(PruneLimitError, match="TorchScript"):
        apply_masks(scripted, {"weight": torch.ones(2, 2).bool()})


def test_frozen_and_compiled_models_are_pruned_like_others() -> None:
    model = Transformer()
    expected = prune(model, 0.7).state_dict()
    frozen = copy.deepcopy(model).requires_grad_(False)
    for found in (prune(frozen, 0.7), prune(torch.compile(model), 0.7)):  # type: ignore[arg-type]
        assert all(torch.equal(t, expected[n]) for n, t in found.state_dict().items())
    assert not any(p.requires_grad for p in prune(frozen, 0.7).parameters())
    half = copy.deepcopy(model)
    half.head.requires_grad_(False)
    assert "head.weight" not in prunable_parameters(half)


class Passing(nn.Module):
    """A wrapper that answers for what it holds, as `torch.compile` and adapters wrap a layer."""

    def __init__(self, held: nn.Module) -> None:
        super().__init__()
        self.held = held

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.held(inputs)
        return outputs

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("held"), name)


@pytest.mark.parametrize("wrap", [Passing, lambda part: torch.compile(part, backend="eager")])
def test_wrappers_that_pass_attributes_on_are_pruned_like_what_they_hold(
    wrap: Callable[[nn.Module], nn.Module],
) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    wrapped = nn.Sequential(wrap(copy.deepcopy(plain[0])), plain[1], wrap(copy.deepcopy(plain[2])))
    inputs, kinds = torch.randn(5, 6), [type(part) for part in wrapped.modules()]
    wrapped(inputs)  # a compiled part has seen its dense weights
    pruned = prune(wrapped, 0.7)
    torch.testing.assert_close(pruned(inputs), prune(plain, 0.7)(inputs))
    assert [type(part) for part in pruned.modules()] == kinds
    assert list(pruned.state_dict()) == list(wrapped.state_dict())
    masked = prune(wrapped, 0.7, permanent=False)
    torch.testing.assert_close(masked(inputs), pruned(inputs))
    assert list(attached_masks(masked)) == list(prunable_parameters(wrapped))
