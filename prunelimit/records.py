"""Frozen dataclasses to plain JSON values and back, each entry checked against its type.

What a file says is not trusted: `from_plain` names the first entry that is missing, unknown or of
another type. JSON has no NaN and no infinity; `to_plain` writes them as None and as text, and
`from_plain` reads both back where a float is expected.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from prunelimit.errors import PruneLimitError, require, shown
from prunelimit.estimates import BracketedFloat

Record = TypeVar("Record")

_MOST = 2**63
_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def to_plain(value: Any) -> Any:
    """Dataclasses, mappings, sequences and arrays as dicts and lists that JSON can hold.

    An object with a `to_dict` of its own is written by that.

    Examples
    --------
    >>> to_plain({"rises": (1.0, math.nan, math.inf)})
    {'rises': [1.0, None, 'inf']}
    """
    if hasattr(value, "to_dict") and not isinstance(value, type):
        return to_plain(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return fields_to_plain(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else None if math.isnan(number) else str(number)
    return value


def fields_to_plain(record: Any) -> dict[str, Any]:
    """The entries of a dataclass by the names that they have in a file.

    That is the field's own name, or the one that its metadata gives: ``{"name": "R(k)"}``. A field
    that is `absent` and has its default is left out. Beside a bracketed number, of which a record
    has one at most, stand its ends as "lower" and "upper".
    """
    plain: dict[str, Any] = {}
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if "absent" not in f.metadata or value != f.default:
            plain[_name(f)] = to_plain(value)
        if isinstance(value, BracketedFloat):
            plain |= {"lower": value.lower, "upper": value.upper}
    return plain


def absent(default: Any = None) -> Any:
    """A field of a dataclass that is not written while it has its default: not measured, usual."""
    return dataclasses.field(default=default, metadata={"absent": True})


def _name(f: dataclasses.Field[Any]) -> str:
    return f.metadata.get("name", f.name)


def rounded(plain: Any, digits: int = 6) -> Any:
    """Plain values with their numbers to so many significant digits: more only make a file longer.

    Examples
    --------
    >>> rounded({"loss": [1 / 3, None], "epochs": 12345678})
    {'loss': [0.333333, None], 'epochs': 12345678}
    """
    if isinstance(plain, float):
        return float(f"{plain:.{digits}g}")
    if isinstance(plain, dict):
        return {key: rounded(entry, digits) for key, entry in plain.items()}
    return [rounded(entry, digits) for entry in plain] if isinstance(plain, list | tuple) else plain


def from_plain(kind: type[Record], data: Any, where: str = "the record") -> Record:
    """The dataclass `kind` that `to_plain` wrote, with every entry checked.

    `kind` is a dataclass of numbers, text, tuples, mappings, arrays, other dataclasses, and classes
    that have a `from_dict`; entries with a default may be absent. `where` is how an error calls the
    whole.

    Raises
    ------
    PruneLimitError
        If an entry is missing, unknown, or not of its type.

    Examples
    --------
    >>> from prunelimit.estimates import Interval
    >>> from_plain(Interval, {"lower": 0.5, "value": 0.6, "upper": 1})
    Interval(lower=0.5, value=0.6, upper=1.0)
    """
    return _record(kind, data, where)


def _record(kind: type[Any], data: Any, where: str) -> Any:
    require(isinstance(data, Mapping), where, data, "an object with named entries")
    known = {_name(f): f for f in dataclasses.fields(kind) if f.init}
    types_ = _types(kind)  # type: ignore[arg-type]  # a class is hashable
    ends = {"lower", "upper"} if BracketedFloat in types_.values() else set()
    unknown = sorted(set(data) - set(known) - ends)
    required = ends | {
        name
        for name, f in known.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    missing = sorted(required - set(data))
    if unknown or missing:
        problem = f"has no entry {missing[0]!r}" if missing else f"has an entry {shown(unknown[0])}"
        raise PruneLimitError(f"{where} is no {kind.__name__}: it {problem}")
    values = {}
    for name in data.keys() & known.keys():
        own, place = known[name].name, f"{where}.{name}"
        bracketed = types_[own] is BracketedFloat
        three = (data[end] for end in ("lower", name, "upper")) if bracketed else ()
        values[own] = (
            _bracketed(three, place) if bracketed else _value(types_[own], data[name], place)
        )
    return kind(**values)


@lru_cache
def _types(kind: type[Any]) -> dict[str, Any]:
    """The fields' types, or the one that a field's metadata says is in the file."""
    hints = get_type_hints(kind)
    return {f.name: f.metadata.get("stored", hints[f.name]) for f in dataclasses.fields(kind)}


def _bracketed(ends: Iterable[Any], where: str) -> BracketedFloat:
    """A sparsity with its ends."""
    lower, value, upper = (scalar(float, end, where) for end in ends)
    if not 0 <= lower <= value <= upper <= 1:
        raise PruneLimitError(
            f"{where} is {value} between {lower} and {upper}; it must be between its ends, and "
            "those between 0 and 1"
        )
    return BracketedFloat(value, lower, upper)


def _value(kind: Any, data: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return data
    if origin in (Union, types.UnionType):
        (only,) = [k for k in inner if k is not type(None)]
        return None if data is None else _value(only, data, where)
    if origin is tuple:
        require(isinstance(data, list | tuple), where, data, "a list")
        kinds = [inner[0]] * len(data) if inner[-1] is Ellipsis else inner
        require(len(kinds) == len(data), where, data, f"a list of {len(kinds)}")
        pairs = zip(kinds, data, strict=True)
        return tuple(_value(k, entry, f"{where}[{i}]") for i, (k, entry) in enumerate(pairs))
    if origin is not None and issubclass(origin, Mapping):
        require(isinstance(data, Mapping), where, data, "an object with named entries")
        return {name: _value(inner[1], entry, f"{where}.{name}") for name, entry in data.items()}
    if kind is np.ndarray:
        return _array(data, where)
    if hasattr(kind, "from_dict"):
        return kind.from_dict(data)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _record(kind, data, where)
    return scalar(kind, data, where)


def _array(data: Any, where: str) -> np.ndarray:
    require(isinstance(data, list | tuple), where, data, "a list of numbers")
    if {*map(type, data)} <= {float}:
        return np.array(data, dtype=float)
    rows = [_array(entry, where) if isinstance(entry, list | tuple) else entry for entry in data]
    if any(isinstance(entry, np.ndarray) for entry in rows):
        require(len({np.shape(entry) for entry in rows}) == 1, where, data, "rows of one length")
        return np.array(rows)
    return np.array(
        [scalar(float, entry, f"{where}[{i}]") for i, entry in enumerate(rows)], dtype=float
    )


def scalar(kind: type[Any], data: Any, where: str) -> Any:
    """A number, text or truth value of a file, refused if it is none of `kind`.

    Raises
    ------
    PruneLimitError
        Naming it by `where`.
    """
    if kind is float and (data is None or isinstance(data, str)):
        require(data in (None, "inf", "-inf"), where, data, "a number")
        return math.nan if data is None else float(data)
    good = isinstance(data, int | float) if kind is float else isinstance(data, kind)
    good = good and (kind is bool or not isinstance(data, bool))
    # JSON's whole numbers may have any number of digits.
    good = good and (not isinstance(data, int) or -_MOST <= data < _MOST)
    require(good, where, data, _NAMES.get(kind, kind.__name__))
    return kind(data)
