"""How far a chapter's printed numbers may lie from the committed ones: a cell's tag says it.

Networks are trained in single precision, and processors round differently: after some epochs the
third or fourth digits part. A cell with the tag ``within-2%`` agrees with its committed output
where the words are the same and each number with a decimal point is within 2 % of the committed
one, or within one unit of the last place that is printed. Whole numbers are counts and agree
exactly. A cell without such a tag agrees character by character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from nbformat import NotebookNode

_TAG = re.compile(r"within-(\d+(?:\.\d+)?)%")
_NUMBER = re.compile(r"[-+−]?\d+(?:,\d{3})*(?:\.\d*)?(?:e[-+]?\d+)?")


def tolerance_of(tags: Sequence[str]) -> float | None:
    """Return the share that the tag of a cell allows, or None where there is no such tag."""
    found = [match for tag in tags if (match := _TAG.fullmatch(tag))]
    return float(found[0][1]) / 100 if found else None


def agree(text: str, committed: str, tolerance: float) -> bool:
    """Say whether two printed texts have the same words, and numbers within `tolerance`."""
    words, numbers = _parts(text)
    committed_words, committed_numbers = _parts(committed)
    return words == committed_words and all(
        _close(a, b, tolerance) for a, b in zip(numbers, committed_numbers, strict=True)
    )


def settled(
    outputs: Sequence[NotebookNode],
    committed: Sequence[NotebookNode],
    agreed: Callable[[str, str], bool],
) -> list[NotebookNode]:
    """Return `outputs` with each text that agrees replaced by the committed one."""
    pairs = list(zip(outputs, committed, strict=False))
    return [_settled(a, b, agreed) for a, b in pairs] + list(outputs[len(pairs) :])


def _settled(
    output: NotebookNode, committed: NotebookNode, agreed: Callable[[str, str], bool]
) -> NotebookNode:
    def chosen(text: str, committed: str) -> str:
        return committed if agreed(text, committed) else text

    result = NotebookNode(output)
    if "text" in output and "text" in committed:
        result.text = chosen(output.text, committed.text)
    if "data" in output and "data" in committed:
        result.data = NotebookNode(output.data)
        for kind in {"text/plain", "text/html"} & set(output.data) & set(committed.data):
            result.data[kind] = chosen(output.data[kind], committed.data[kind])
    return result


def _parts(text: str) -> tuple[list[str], list[str]]:
    """Return the words, columns drawn closer or wider counting as the same, and the numbers."""
    return " ".join(_NUMBER.sub(" # ", text).split()).split(" "), _NUMBER.findall(text)


def _close(number: str, committed: str, tolerance: float) -> bool:
    if not (_is_measured(number) and _is_measured(committed)):
        return number == committed
    a, b = (Decimal(text.replace(",", "").replace("−", "-")) for text in (number, committed))
    last_place = max(10.0 ** int(x.as_tuple().exponent) for x in (a, b))
    # A little above one place: the texts are decimal, their difference is not.
    return abs(float(a) - float(b)) <= max(tolerance * abs(float(b)), 1.001 * last_place)


def _is_measured(number: str) -> bool:
    return "." in number or "e" in number
