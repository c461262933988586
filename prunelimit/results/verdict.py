"""What the paper's limit says by the paper's own choices."""

from __future__ import annotations

from dataclasses import dataclass

from prunelimit.estimates import Interval
from prunelimit.results.parts import AccuracyThreshold, Provenance
from prunelimit.results.saved import Saved


@dataclass(frozen=True)
class OwnChoices:
    r"""One network: the limit by \|H\|, its variants, and the paper's "actual" sparsity.

    Attributes
    ----------
    name, seed
        Of the run, see `prunelimit.lab.studies.scales`.
    dim, loss
        Weights D, and the loss at w*.
    epsilon
        Standard deviation of the losses of minibatches of 128.
    paper
        The paper's limit by \|H\|, in the bracket of its computation.
    rounded
        The same with R rounded to an integer, at the spectrum's best value.
    gauss_newton
        The paper's limit by our curvature.
    accuracy
        Up to where the one-shot accuracy holds.
    """

    name: str
    seed: int
    dim: int
    loss: float
    epsilon: float
    paper: Interval
    rounded: float
    gauss_newton: Interval
    accuracy: AccuracyThreshold


@dataclass(frozen=True)
class Verdict(Saved):
    """The paper's limit by its own choices, a row a network."""

    rows: tuple[OwnChoices, ...]
    provenance: Provenance

    FORMAT = "prunelimit.verdict/1"
