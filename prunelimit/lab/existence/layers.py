"""Every example's Jacobian from one forward and one batched backward pass.

The derivative of output c of example n in a linear layer's weight is the product of what
goes into the layer and what comes back to it, δ aᵀ, summed over the places where the weight
is used (tokens, pixels). So the N·C rows of the Jacobian cost C backward passes over all
examples together instead of one pass each.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


def is_known(model: nn.Module) -> bool:
    """Whether every free parameter belongs to a layer whose derivative is written here.

    Examples
    --------
    >>> is_known(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))), is_known(nn.PReLU())
    (True, False)
    """
    for module in model.modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if own and not (
            isinstance(module, (nn.Linear, *_NORMS))
            or (
                isinstance(module, nn.Conv2d)
                and module.groups == 1
                and module.padding_mode == "zeros"
                and not isinstance(module.padding, str)
            )
        ):
            return False
    return True


def layer_jacobian(model: nn.Module, inputs: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs, and their derivative in some of the parameters.

    Parameters
    ----------
    model
        Of known layers (see `is_known`), treating its examples apart.
    inputs
        ``(n, ...)``.
    columns
        Positions among the parameters that require a gradient, flattened in their order;
        sorted.

    Returns
    -------
    tuple
        Outputs ``(n, ...)`` and Jacobian ``(n, outputs, columns)``, entries of the outputs
        flattened.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> layer_jacobian(model, torch.eye(2), torch.arange(2))[1].tolist()
    [[[1.0, 0.0]], [[0.0, 1.0]]]
    """
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []

    def record(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((module, arguments[0].detach(), output))

    owners = [
        m for m in model.modules() if any(p.requires_grad for p in m.parameters(recurse=False))
    ]
    hooks = [module.register_forward_hook(record) for module in owners]
    try:
        with torch.enable_grad():
            outputs = model(inputs)
            flat = outputs.flatten(1)
            chosen = torch.eye(flat.shape[1], dtype=flat.dtype)[:, None].expand(-1, *flat.shape)
            slopes = torch.autograd.grad(
                flat, [entry[2] for entry in seen], chosen, is_grads_batched=True
            )
    finally:
        for hook in hooks:
            hook.remove()
    jacobian = torch.zeros(*flat.shape, len(columns), dtype=flat.dtype)
    begins = _begins(model)
    for (module, argument, _), slope in zip(seen, slopes, strict=True):
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                begin = begins[id(parameter)]
                ends = torch.tensor([begin, begin + parameter.numel()])
                low, high = torch.searchsorted(columns, ends).tolist()
                if high > low:
                    part = _derivative(module, name, argument, slope, columns[low:high] - begin)
                    jacobian[:, :, low:high] += part.transpose(0, 1)
    return outputs.detach(), jacobian


def _begins(model: nn.Module) -> dict[int, int]:
    found, begin = {}, 0
    for parameter in model.parameters():
        if parameter.requires_grad:
            found[id(parameter)] = begin
            begin += parameter.numel()
    return found


def _derivative(
    module: nn.Module, name: str, argument: Tensor, slope: Tensor, entries: Tensor
) -> Tensor:
    """``(outputs, n, entries)``: of a parameter's flattened entries, from the layer's input."""
    rule: Callable[[nn.Module, str, Tensor, Tensor, Tensor], Tensor]
    if isinstance(module, nn.Linear):
        rule = _linear
    elif isinstance(module, nn.Conv2d):
        rule = _convolution
    else:
        rule = _normalisation
    return rule(module, name, argument, slope, entries)


def _linear(
    module: nn.Module, name: str, argument: Tensor, slope: Tensor, entries: Tensor
) -> Tensor:
    n = argument.shape[0]
    slope = slope.reshape(slope.shape[0], n, -1, slope.shape[-1])
    if name == "bias":
        return slope.sum(2)[..., entries]
    return _products(argument.reshape(n, -1, argument.shape[-1]), slope, entries)


def _products(argument: Tensor, slope: Tensor, entries: Tensor) -> Tensor:
    """Σ over places of slope (outputs, n, places, out) times argument (n, places, in)."""
    width = argument.shape[-1]
    if argument.shape[1] == 1:
        return slope[:, :, 0, entries // width] * argument[:, 0, entries % width]
    whole = slope.mT @ argument
    return whole.flatten(2)[..., entries]


def _convolution(
    module: nn.Module, name: str, argument: Tensor, slope: Tensor, entries: Tensor
) -> Tensor:
    assert isinstance(module, nn.Conv2d) and not isinstance(module.padding, str)
    slope = slope.flatten(3).mT  # (outputs, n, places, channels)
    if name == "bias":
        return slope.sum(2)[..., entries]
    patches = nn.functional.unfold(
        argument, module.kernel_size, module.dilation, module.padding, module.stride
    )
    return _products(patches.mT, slope, entries)


def _normalisation(
    module: nn.Module, name: str, argument: Tensor, slope: Tensor, entries: Tensor
) -> Tensor:
    n = argument.shape[0]
    if name == "weight":
        slope = slope * _normalised(module, argument)
    if isinstance(module, nn.LayerNorm):
        width = torch.Size(module.normalized_shape).numel()
        return slope.reshape(slope.shape[0], n, -1, width).sum(2)[..., entries]
    return slope.flatten(3).sum(3)[..., entries] if slope.ndim > 3 else slope[..., entries]


def _normalised(module: nn.Module, argument: Tensor) -> Tensor:
    """The layer's input as it is before scale and shift."""
    if isinstance(module, nn.LayerNorm):
        return nn.functional.layer_norm(argument, module.normalized_shape, eps=module.eps)
    if isinstance(module, nn.GroupNorm):
        return nn.functional.group_norm(argument, module.num_groups, eps=module.eps)
    assert isinstance(module, nn.modules.batchnorm._BatchNorm)
    return nn.functional.batch_norm(
        argument, module.running_mean, module.running_var, training=False, eps=module.eps
    )
