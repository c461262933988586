"""Which kept weights lie on a path from an input to an output, and which layers are empty."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunelimit.errors import PruneLimitError
from prunelimit.network.copies import copy_model
from prunelimit.network.parameters import PRUNABLE_LAYERS, prunable_parameters
from prunelimit.pruning.attach import Masks, make_permanent

_POOLS = (
    *((f"MaxPool{n}d", f"AvgPool{n}d") for n in (1, 2, 3)),
    *((f"AdaptiveMaxPool{n}d", f"AdaptiveAvgPool{n}d") for n in (1, 2, 3)),
)
_ACTIVATIONS = (
    *("ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Softplus"),
    *("Hardswish", "Hardtanh", "Tanh", "Sigmoid", "Softmax", "LogSoftmax"),
)
_TRANSPARENT = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.dropout._DropoutNd,
    *(getattr(nn, name) for name in _ACTIVATIONS),
)
_UNSUPPORTED = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.Embedding,
    nn.Bilinear,
)


def layer_collapse(masks: Masks) -> tuple[str, ...]:
    """Names of the parameters of which a mask keeps no weight at all.

    Where layers form a chain, one such layer makes the outputs constant.

    Examples
    --------
    >>> layer_collapse({"0.weight": torch.tensor([True]), "2.weight": torch.tensor([False])})
    ('2.weight',)
    """
    return tuple(name for name, mask in masks.items() if not bool(mask.any()))


def effective_sparsity(
    model: nn.Module, masks: Masks | None = None, inputs: Tensor | None = None
) -> float:
    """Fraction of weights that are removed, or kept on no path from an input to an output.

    At least the plain sparsity (Vysogorets and Kempe 2023 compare methods by
    it). A bias is no path: a unit that only its bias feeds is a constant.

    Parameters
    ----------
    model, masks, inputs
        As in `used_weights`.

    Returns
    -------
    float
        In [0, 1]. **exact** for the supported networks.

    Raises
    ------
    PruneLimitError
        As in `used_weights`.

    Examples
    --------
    The second unit hears no input, so its outgoing weight does not count.

    >>> model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> masks = {"0.weight": torch.tensor([[True], [False]]),
    ...          "2.weight": torch.tensor([[True, True]])}
    >>> effective_sparsity(model, masks)
    0.5
    """
    used = used_weights(model, masks, inputs)
    return 1.0 - sum(int(u.sum()) for u in used.values()) / sum(u.numel() for u in used.values())


def used_weights(
    model: nn.Module, masks: Masks | None = None, inputs: Tensor | None = None
) -> dict[str, Tensor]:
    """The weights that some path from an input to an output uses.

    Every kept weight is replaced by one positive number and every layer by its
    linear skeleton; then a weight is on a path exactly if the derivative of the
    summed outputs with respect to it is positive.

    Supported: any wiring (chains, residual sums, concatenations) of linear and
    convolutional layers, pooling, batch normalisation, dropout, reshaping, and
    activations that are modules. Not supported: attention, recurrent layers,
    layer, group and instance normalisation, and max pooling that is called as a
    function (the module is replaced by an average over the same window, a call
    inside `forward` cannot be).

    Parameters
    ----------
    model
        Left untouched.
    masks
        From a mask function; by default the weights that are not 0.
    inputs
        ``(1, …)``, only its shape matters. Not needed if the first layer is
        linear.

    Returns
    -------
    dict
        Name to a boolean tensor.

    Raises
    ------
    PruneLimitError
        On an unsupported layer, or if the shape of the inputs is needed.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[0.0, -3.0]]))
    >>> used_weights(layer)
    {'weight': tensor([[False,  True]])}
    """
    plain = make_permanent(copy_model(model))
    parameters = prunable_parameters(plain)
    kept = {n: p.detach() != 0 for n, p in parameters.items()} if masks is None else masks
    place = next(iter(parameters.values())).device
    kept = {name: mask.to(place) for name, mask in kept.items()}
    shape = _example(plain, inputs).to(place, torch.float64)
    skeleton = _skeleton(plain.double(), "").eval()
    weights = _set_to_indicators(skeleton, kept)
    with torch.enable_grad():
        total = skeleton(torch.ones_like(shape)).sum()
        gradients = torch.autograd.grad(
            total, list(weights.values()), allow_unused=True, materialize_grads=True
        )
    if not all(bool(torch.isfinite(g).all()) for g in gradients):
        raise PruneLimitError("the number of paths overflows float64; the network is too deep")
    return {n: kept[n] & (g > 0) for n, g in zip(weights, gradients, strict=True)}


def _example(model: nn.Module, inputs: Tensor | None) -> Tensor:
    if inputs is not None:
        return inputs
    first = next(module for module in model.modules() if isinstance(module, PRUNABLE_LAYERS))
    if isinstance(first, nn.Linear):
        return torch.ones(1, first.in_features)
    raise PruneLimitError(
        f"the first layer is a {type(first).__name__}; give inputs, one example of the right "
        "shape, e.g. torch.ones(1, 3, 32, 32)"
    )


def _skeleton(module: nn.Module, name: str) -> nn.Module:
    """The module with everything but its linear maps made transparent, in place."""
    if isinstance(module, _TRANSPARENT):
        return nn.Identity()
    if isinstance(module, _UNSUPPORTED):
        raise PruneLimitError(
            f"layer {name or 'of the model'!r} is a {type(module).__name__}: "
            "paths through it are not supported"
        )
    for maximum, average in _POOLS:
        if isinstance(module, getattr(nn, maximum)):
            return _averaging(module, getattr(nn, average), name)
    known = isinstance(module, PRUNABLE_LAYERS)
    if not known and next(module.parameters(recurse=False), None) is not None:
        raise PruneLimitError(
            f"layer {name or 'of the model'!r} ({type(module).__name__}) has parameters of its "
            "own: paths through it are not supported"
        )
    for child, submodule in module.named_children():
        setattr(module, child, _skeleton(submodule, f"{name}.{child}" if name else child))
    return module


def _averaging(pool: nn.Module, average: type[nn.Module], name: str) -> nn.Module:
    if hasattr(pool, "output_size"):  # an adaptive one
        return average(pool.output_size)
    if pool.dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        raise PruneLimitError(f"layer {name!r} pools with dilation: not supported")
    return average(pool.kernel_size, pool.stride, pool.padding, ceil_mode=pool.ceil_mode)


def _set_to_indicators(skeleton: nn.Module, kept: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    """Kept weights become one positive number a layer, biases 0; the prunable weights."""
    for module in skeleton.modules():
        if isinstance(module, PRUNABLE_LAYERS):
            weight = module.weight
            # Between 1 and 1/fan-in, so that products neither overflow nor underflow when deep.
            weight.data = (weight.detach() != 0).to(weight) / weight[0].numel() ** 0.5
            if module.bias is not None:
                module.bias.data.zero_()
    weights = prunable_parameters(skeleton)
    for name, mask in kept.items():
        if name not in weights:
            raise PruneLimitError(f"mask {name!r} names no prunable parameter of the model")
        weight = weights[name]
        weight.data = mask.to(weight) / weight[0].numel() ** 0.5
    return {name: weights[name] for name in kept}
