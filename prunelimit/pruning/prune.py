"""A pruned copy of a network, in one call (chapters 7 and 9)."""

from __future__ import annotations

from torch import nn

from prunelimit.network.copies import copy_model
from prunelimit.network.parameters import Choice
from prunelimit.network.view import original, unwrapped
from prunelimit.pruning.attach import apply_masks, make_permanent
from prunelimit.pruning.masks import magnitude_mask


def prune(
    model: nn.Module, sparsity: float, permanent: bool = True, parameters: Choice | None = None
) -> nn.Module:
    """A pruned copy: the smallest weights of the whole network set to 0, nothing else changed.

    Parameters
    ----------
    model
        Left untouched; of a compiled model, the model that it was made from is copied. It may
        be frozen: no gradient is needed.
    sparsity
        Fraction removed, in [0, 1); the count is ``round(sparsity * dim)``, exactly.
    permanent
        True gives plain weights with zeros in them, ready to save. False keeps
        the masks attached (see `prunelimit.pruning.apply_masks`), so that further training
        leaves removed weights at 0; `prunelimit.pruning.make_permanent` writes them in.
    parameters
        Which weights count: names, patterns such as ``"*.in_proj_weight"``, or a predicate
        ``(name, parameter) -> bool``; by default those of linear and convolutional layers.

    Returns
    -------
    nn.Module
        The copy.

    Raises
    ------
    PruneLimitError
        If `sparsity` is not in [0, 1), nothing is prunable, or a weight is not finite.

    Examples
    --------
    >>> pruned = prune(nn.Linear(10, 10), 0.9)
    >>> int((pruned.weight == 0).sum())
    90
    """
    plain = unwrapped(original(model))
    masks = magnitude_mask(plain, sparsity, parameters)
    copied = apply_masks(copy_model(plain), masks)
    return make_permanent(copied) if permanent else copied
