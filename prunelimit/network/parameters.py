"""Which parameters count, and how they become one vector.

One set serves the mask, the distance and the curvature. By default these are the weights of
linear and convolutional layers, never biases or normalisation (Zhang et al. 2024); `parameters=`
of the public functions chooses others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from prunelimit.errors import PruneLimitError
from prunelimit.network.copies import copy_model
from prunelimit.network.statistics import LISTED, Counted
from prunelimit.network.view import original

PRUNABLE_LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)

Predicate = Callable[[str, nn.Parameter], bool]
"""Whether the parameter of that name counts."""

Choice = str | Iterable[str] | Mapping[str, Any] | Predicate
"""Names, patterns as a shell has them (``"*.in_proj_weight"``), or a predicate."""


def check_kind(model: nn.Module) -> None:
    """Refuse models that have no weights to be set to zero, each with its remedy.

    Raises
    ------
    PruneLimitError
        For TorchScript, exported, lazy, meta and quantised models, and what is no module.
    """
    if not isinstance(model, nn.Module):
        raise PruneLimitError(
            f"the model is a {type(model).__name__}; it has to be a torch.nn.Module"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise PruneLimitError(
            "the model is TorchScript, whose layers are not modules any more; give the torch "
            "module that it was made from, with its weights loaded"
        )
    if isinstance(model, torch.fx.GraphModule) and "eval" in vars(model):
        raise PruneLimitError(
            "the model is an exported program, which has no layers and cannot be put in eval mode; "
            "give the torch module that it was exported from"
        )
    for name, module in model.named_modules():
        if "quantized" in type(module).__module__.split("."):
            raise PruneLimitError(
                f"layer {name!r} ({type(module).__name__}) is quantised: its weights are integers, "
                "which have no curvature; give the model from before quantisation"
            )
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if isinstance(tensor, (UninitializedBuffer, UninitializedParameter)):
            raise PruneLimitError(
                f"{name} belongs to a lazy layer and has no values yet; run the model on one batch "
                "before"
            )
        if tensor.is_meta:
            raise PruneLimitError(
                f"{name} is on the meta device and has no values; call "
                "model.to_empty(device='cpu') and load the weights"
            )
        if tensor.is_quantized:
            raise PruneLimitError(
                f"{name} is quantised; give the model from before quantisation (integers have no "
                "curvature)"
            )


def prunable_parameters(
    model: nn.Module, parameters: Choice | None = None
) -> dict[str, nn.Parameter]:
    """The parameters that count, in the order of the modules.

    A parameter that two modules share appears once, under its first name that is
    chosen.

    Parameters
    ----------
    model
        Any module; it is not changed.
    parameters
        None: the weights of linear and convolutional layers; frozen ones
        (``requires_grad=False``) only where all of them are frozen. Otherwise
        names of parameters, patterns as a shell has them (``"*.in_proj_weight"``),
        one or many, or a predicate ``(name, parameter) -> bool``. A mapping
        counts by its names, in its own order.

    Returns
    -------
    dict
        Name to parameter, as in ``model.named_parameters()``.

    Raises
    ------
    PruneLimitError
        If the model has no weights (see `check_kind`), nothing is chosen, a name or pattern fits
        no parameter, or what is chosen is re-parametrised (it is then no parameter).

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    >>> {name: tuple(p.shape) for name, p in prunable_parameters(model).items()}
    {'0.weight': (4, 3), '2.weight': (2, 4)}
    >>> list(prunable_parameters(model, "2.*"))
    ['2.weight', '2.bias']
    >>> list(prunable_parameters(model, lambda name, parameter: parameter.ndim == 1))
    ['0.bias', '1.weight', '1.bias', '2.bias']
    """
    model = original(model)
    check_kind(model)
    return _default(model) if parameters is None else _chosen(model, parameters)


def _default(model: nn.Module) -> dict[str, nn.Parameter]:
    layers = [
        (f"{prefix}.weight" if prefix else "weight", module)
        for prefix, module in model.named_modules()
        if isinstance(module, PRUNABLE_LAYERS)
    ]
    for name, module in layers:
        _refuse_computed(module, "weight", name)
    distinct = _first_names((name, cast(nn.Parameter, module.weight)) for name, module in layers)
    found = {name: p for name, p in distinct.items() if p.requires_grad} or distinct
    if not found:
        held = [f"{name} {tuple(p.shape)}" for name, p in model.named_parameters() if p.ndim > 1]
        known = f": {', '.join(held[:LISTED])}" if held else ""
        raise PruneLimitError(
            f"{type(model).__name__} has no prunable parameter: none of its layers is a linear or "
            f"convolutional one. Choose what counts by parameters=, names or patterns{known}"
        )
    return found


def _chosen(model: nn.Module, parameters: Choice) -> dict[str, nn.Parameter]:
    held = dict(_all_names(model))
    if callable(parameters):
        names = [name for name, parameter in held.items() if _counts(parameters, name, parameter)]
    else:
        names = _matching([parameters] if isinstance(parameters, str) else parameters, model, held)
    found = _first_names((name, held[name]) for name in names)
    if not found:
        raise PruneLimitError(
            f"parameters chooses nothing of {type(model).__name__}, which has {_listing(held)}"
        )
    whole = [name for name, parameter in found.items() if not parameter.is_floating_point()]
    if whole:
        raise PruneLimitError(
            f"{whole[0]} holds {found[whole[0]].dtype}: only real weights count; choose them by "
            "parameters=, or keep a complex weight as its real and imaginary parts"
        )
    return found


def _counts(predicate: Predicate, name: str, parameter: nn.Parameter) -> bool:
    try:
        return bool(predicate(name, parameter))
    except Exception as error:  # the caller's own code may raise anything
        raise PruneLimitError(
            f"parameters, as a predicate, fails on {name}: {type(error).__name__}: {error}. Give a "
            "function (name, parameter) that returns True or False, or names and patterns"
        ) from error


def _all_names(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter under every name, module by module."""
    for prefix, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield f"{prefix}.{name}" if prefix else name, parameter


def _matching(
    patterns: Iterable[Any], model: nn.Module, held: Mapping[str, nn.Parameter]
) -> list[str]:
    """The names that fit: in the order of the model for a list, in its own for a mapping."""
    if not isinstance(patterns, Iterable):
        raise PruneLimitError(
            f"parameters is a {type(patterns).__name__}; give names, patterns or a predicate "
            "(name, parameter) -> bool"
        )
    fitting = {}
    for pattern in dict.fromkeys(patterns):
        if not isinstance(pattern, str):
            raise PruneLimitError(
                f"parameters holds a {type(pattern).__name__}, which is no name or pattern; give "
                "names as in model.named_parameters(), such as "
                f"{', '.join(map(repr, list(held)[:2]))}"
            )
        fitting[pattern] = (
            [pattern] if pattern in held else [n for n in held if fnmatchcase(n, pattern)]
        )
        if not fitting[pattern]:
            _refuse_computed_name(model, pattern)
            near = difflib.get_close_matches(pattern, held, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise PruneLimitError(
                f"parameters: {pattern!r} fits no parameter of {type(model).__name__}{hint} "
                f"It has {_listing(held)}"
            )
    if isinstance(patterns, Mapping):
        return [name for names in fitting.values() for name in names]
    wanted = {name for names in fitting.values() for name in names}
    return [name for name in held if name in wanted]


def _first_names(named: Iterable[tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    seen: set[int] = set()
    # `set.add` gives None: each parameter passes once.
    return {n: p for n, p in named if not (id(p) in seen or seen.add(id(p)))}  # type: ignore[func-returns-value]


def computed_attributes(module: nn.Module) -> Any:
    """What computes attributes of a module, by name: its own parametrizations, a `ModuleDict`.

    torch's `is_parametrized` asks for an attribute, which wrappers (``torch.compile`` of a layer)
    answer for the module that they hold.

    Examples
    --------
    >>> from torch.nn.utils import parametrizations
    >>> list(computed_attributes(parametrizations.weight_norm(nn.Linear(1, 1))))
    ['weight']
    >>> len(computed_attributes(nn.Linear(1, 1)))
    0
    """
    return module._modules.get("parametrizations") or {}


def _refuse_computed_name(model: nn.Module, name: str) -> None:
    prefix, _, attribute = name.rpartition(".")
    module = dict(model.named_modules(remove_duplicate=False)).get(prefix)
    if module is not None and isinstance(getattr(module, attribute, None), Tensor):
        _refuse_computed(module, attribute, name)


def _refuse_computed(module: nn.Module, attribute: str, name: str) -> None:
    """Refuse a weight that is computed when it is read, with what makes it plain again."""
    if isinstance(module._parameters.get(attribute), nn.Parameter):
        return
    if attribute in (chains := computed_attributes(module)):
        kinds = {type(step).__name__ for step in chains[attribute]}
        remedy = (
            "prunelimit.pruning.make_permanent(model)"
            if kinds == {"Mask"}
            else f"torch.nn.utils.parametrize.remove_parametrizations(module, {attribute!r})"
        )
    elif f"{attribute}_g" in module._parameters:
        remedy = f"torch.nn.utils.remove_weight_norm(module, {attribute!r})"
    elif f"{attribute}_mask" in module._buffers:
        remedy = f"torch.nn.utils.prune.remove(module, {attribute!r})"
    elif f"{attribute}_orig" in module._parameters:
        remedy = f"torch.nn.utils.remove_spectral_norm(module, {attribute!r})"
    else:
        remedy = f"keep {attribute} as a torch.nn.Parameter (quantised layers have none)"
    kind = type(module).__name__
    raise PruneLimitError(
        f"{name} is re-parametrised ({kind} holds no plain {attribute}); make it permanent first: "
        f"{remedy}"
    )


def _listing(names: Iterable[str]) -> str:
    names = list(names)
    more = " …" if len(names) > 2 * LISTED else ""
    return f"{', '.join(names[: 2 * LISTED])}{more}" if names else "no parameter"


def counted(model: nn.Module, parameters: Choice | None = None) -> Counted:
    """What counts by `parameters`, and what is left out.

    Examples
    --------
    >>> counted(nn.Linear(2, 3)).dim, counted(nn.Linear(2, 3)).total
    (6, 9)
    """
    chosen = prunable_parameters(model, parameters)
    ids = {id(parameter) for parameter in chosen.values()}
    held = _first_names(_all_names(model))  # a model may show others by parameters()
    others = {n: p.numel() for n, p in held.items() if id(p) not in ids and p.ndim > 1}
    return Counted(
        names=tuple(chosen),
        dim=sum(parameter.numel() for parameter in chosen.values()),
        total=sum(parameter.numel() for parameter in held.values()),
        left_out=others,
    )


def flatten(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate tensors into one vector ``(dim,)``, in their order.

    Examples
    --------
    >>> flatten([torch.ones(2, 2), torch.zeros(1)])
    tensor([1., 1., 1., 1., 0.])
    """
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def prunable_weights(model: nn.Module, parameters: Choice | None = None) -> Tensor:
    """The weights that count as one vector ``(dim,)``, detached.

    Examples
    --------
    >>> prunable_weights(nn.Linear(2, 3)).shape
    torch.Size([6])
    """
    return flatten(p.detach() for p in prunable_parameters(model, parameters).values())


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Split ``(dim,)`` into views shaped as the tensors of `like`; the inverse of `flatten`.

    Raises
    ------
    PruneLimitError
        If the lengths differ.

    Examples
    --------
    >>> unflatten(torch.arange(3.0), {"a": torch.zeros(2), "b": torch.zeros(1, 1)})
    {'a': tensor([0., 1.]), 'b': tensor([[2.]])}
    """
    sizes = [tensor.numel() for tensor in like.values()]
    if vector.shape != (sum(sizes),):
        raise PruneLimitError(
            f"a vector of shape {tuple(vector.shape)} does not fit parameters with "
            f"{sum(sizes)} entries in all; expected ({sum(sizes)},)"
        )
    pieces = vector.split(sizes)
    return {
        name: piece.view(tensor.shape)
        for (name, tensor), piece in zip(like.items(), pieces, strict=True)
    }


def with_weights(model: nn.Module, vector: Tensor, parameters: Choice | None = None) -> nn.Module:
    """A copy of the model whose weights that count are the entries of `vector` ``(dim,)``.

    Examples
    --------
    >>> with_weights(nn.Linear(2, 1), torch.tensor([3.0, 4.0])).weight.tolist()
    [[3.0, 4.0]]
    """
    copied = copy_model(model)
    held = prunable_parameters(copied, parameters)
    for name, values in unflatten(vector, held).items():
        held[name].data.copy_(values)
    return copied
