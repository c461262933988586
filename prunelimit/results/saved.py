"""Results that lie in a file of their own, with a format and a version at its head."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from prunelimit.errors import PruneLimitError, shown
from prunelimit.files import read_text, write_json
from prunelimit.records import fields_to_plain, from_plain, rounded, to_plain
from prunelimit.results.parts import Provenance

if TYPE_CHECKING:
    import pandas as pd


class Saved:
    """A frozen dataclass that is written to a JSON file and read from one.

    Attributes
    ----------
    FORMAT
        Name and version, the file's first entry.
    """

    FORMAT: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, lists and text, ready for JSON."""
        return {"format": self.FORMAT, **fields_to_plain(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises
        ------
        PruneLimitError
            If `data` is of another format, or an entry is missing, unknown or of another type;
            the message names it.
        """
        found = data.get("format") if isinstance(data, Mapping) else None
        if found != cls.FORMAT:
            raise PruneLimitError(f"this is no {cls.__name__}: its format is {shown(found)}")
        entries = {name: entry for name, entry in data.items() if name != "format"}
        return from_plain(cls, entries, f"the {cls.__name__}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path` as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        PruneLimitError
            If there is none at `path`, or it is something else.
        """
        data = _read(path, f"a {cls.__name__}")
        try:
            return cls.from_dict(data)
        except PruneLimitError as error:
            raise PruneLimitError(f"{path}: {error}") from error


def compact(plain: Any) -> Any:
    """Six digits for the numbers in long lists, but for the spectrum's: a third of the file.

    Six digits are far below the noise of the data; a spectrum has to keep what it sums to.

    Examples
    --------
    >>> compact({"loss": [1 / 3, None], "rise": 1 / 3})
    {'loss': [0.333333, None], 'rise': 0.3333333333333333}
    """
    if isinstance(plain, dict):
        return {k: v if k == "spectrum" else compact(v) for k, v in plain.items()}
    if isinstance(plain, list):
        return [rounded(v) if isinstance(v, float) else compact(v) for v in plain]
    return plain


def provenance_of(path: str | os.PathLike[str]) -> Provenance:
    """Who put the result at `path` together, whatever kind of result it is.

    Raises
    ------
    PruneLimitError
        If there is none.
    """
    data = _read(path, "a provenance")
    entry = data.get("provenance") if isinstance(data, Mapping) else None
    return from_plain(Provenance, entry, f"{path}: provenance")


def _read(path: str | os.PathLike[str], what: str) -> Any:
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise PruneLimitError(f"cannot read {what} from {path}: {error}") from error


def table(rows: Sequence[Any]) -> pd.DataFrame:
    """Rows of a result as a table, with the columns' names as in its file.

    Columns in which no row has an entry are left out.

    Examples
    --------
    >>> from prunelimit.estimates import Interval
    >>> table([Interval(0.5, 0.6, 0.7)]).columns.tolist()
    ['lower', 'value', 'upper']
    """
    import pandas as pd  # half a second, and most who read a result want no table

    return pd.DataFrame(to_plain(list(rows))).dropna(axis="columns", how="all")
