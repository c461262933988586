"""What a number depends on: the code that makes it, its parameters, its data. Nothing else.

Two runs are the same if their keys are. The code of a key is that of the modules that a module
imports, and those import, inside the package: read from the sources, without comments,
docstrings and layout, so that a word in a docstring makes nothing again and a changed formula
does. A version number is no part of a key; it stands in the provenance of what was made.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2]

_MAKES_NO_NUMBERS = ("plots", "widgets", "progress", "files", "records", "results", "lab.store")
"""What shows and keeps numbers, and the types they are held in."""


@dataclass(frozen=True)
class Key:
    """What a number depends on.

    Attributes
    ----------
    code
        A digest; see `code_of`.
    parameters
        Plain values by name.
    data
        Fingerprint of the data by part; empty where `after` has it.
    after
        Digests of the keys of the stages whose numbers are read.

    Examples
    --------
    >>> one, other = Key("code", {"rate": 0.1}), Key("code", {"rate": 0.2})
    >>> one.digest == other.digest
    False
    """

    code: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits."""
        return digest_of(self.plain())

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return plain(dataclasses.asdict(self))


def digest_of(content: Any) -> str:
    """Sixteen hexadecimal digits for plain values or dataclasses; the order of names is no matter.

    Examples
    --------
    >>> digest_of({"a": 1, "b": (2,)}) == digest_of({"b": [2], "a": 1})
    True
    """
    text = json.dumps(plain(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(content: Any) -> Any:
    """As it will be when read back from JSON."""
    return json.loads(json.dumps(content, default=dataclasses.asdict))


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Dotted names of the entries in which two nested descriptions differ.

    Examples
    --------
    >>> differences({"config": {"l1": 0.1, "epochs": 3}}, {"config": {"l1": 0.2, "epochs": 3}})
    ['config.l1']
    """
    ours, theirs = leaves(one), leaves(other)
    absent = object()
    return [n for n in ours | theirs if ours.get(n, absent) != theirs.get(n, absent)]


def leaves(content: Any, prefix: str = "") -> dict[str, Any]:
    """The entries of a nested description by their dotted names."""
    if not isinstance(content, Mapping):
        return {prefix: content}
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= leaves(value, f"{prefix}.{name}" if prefix else str(name))
    return found


# ------------------------------------------------------------------------ code
def code_of(
    *modules: str,
    leave_out: Iterable[str] = (),
    package: Path | None = None,
    source: str | None = None,
) -> str:
    """Digest of the code that `modules` run: their own and what they import in the package.

    Imports inside functions count. What shows or keeps numbers does not, and neither do imports
    for type annotations only.

    Parameters
    ----------
    modules
        Full names, e.g. "prunelimit.lab.training".
    leave_out
        Modules that are not followed, because what they say is in the parameters.
    package
        Folder of the package; this one's by default.
    source
        Further code that is run (a notebook's cells), and whose imports count as well.

    Examples
    --------
    >>> code_of("prunelimit.pruning.masks") == code_of("prunelimit.pruning.masks")
    True
    >>> "prunelimit.plots.limits" in modules_of("prunelimit.predict")
    False
    """
    sources = _Sources(package or PACKAGE, leave_out)
    found = sorted(sources.reached(modules, source))
    content = {name: sources.module(name).code for name in found}
    own = None if source is None else _parsed(source).code
    return digest_of([own, content])


def modules_of(
    *modules: str,
    leave_out: Iterable[str] = (),
    package: Path | None = None,
    source: str | None = None,
) -> list[str]:
    """The modules whose code `code_of` reads, sorted."""
    return sorted(_Sources(package or PACKAGE, leave_out).reached(modules, source))


_Import = tuple[str, str, str]
"""``from module import name as known``; name and known are empty for ``import module``."""


@dataclass(frozen=True)
class _Module:
    """What keys read of a source: its code, its imports (those at its top apart), ``_PUBLIC``."""

    code: str
    imports: tuple[_Import, ...]
    handed_on: tuple[_Import, ...]
    on_use: Mapping[str, str]


@lru_cache(maxsize=1024)
def _parsed(source: str) -> _Module:
    """Read once, whoever asks: the same text is the same code."""
    tree: ast.Module = _Stripped().visit(ast.parse(source))
    return _Module(
        _normal(tree),
        tuple(_imports(ast.walk(tree))),
        tuple(_imports(node for node in tree.body if isinstance(node, ast.ImportFrom))),
        _loaded_on_use(tree),
    )


def _imports(nodes: Iterable[ast.AST]) -> Iterator[_Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", a.name, a.asname or a.name) for a in node.names)


def _loaded_on_use(tree: ast.Module) -> dict[str, str]:
    """Names that a package loads on first use (its table ``_PUBLIC``), and from which module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            return ast.literal_eval(node.value)
    return {}


class _Sources:
    """The modules of a package that imports by full names."""

    def __init__(self, package: Path, leave_out: Iterable[str]) -> None:
        self.package, self.name = package, package.name
        self.without = (*(f"{self.name}.{part}" for part in _MAKES_NO_NUMBERS), *leave_out)

    def reached(self, modules: Iterable[str], source: str | None) -> set[str]:
        """The modules, and all that are imported from them on."""
        waiting = list(modules)
        if source is not None:
            waiting += self.imported(_parsed(source))
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in found or self.is_left_out(name):
                continue
            found.add(name)
            module = self.module(name)
            waiting += self.imported(module)
            waiting += [f"{name}.{part}" for part in module.on_use.values()]
        return found

    def is_left_out(self, name: str) -> bool:
        return any(name == part or name.startswith(f"{part}.") for part in self.without)

    def module(self, name: str) -> _Module:
        path = self.path(name)
        assert path is not None, name
        return _parsed(path.read_text(encoding="utf-8"))

    def path(self, name: str) -> Path | None:
        """File of a module or of a package's ``__init__``; None if the package has none such."""
        first, *rest = name.split(".")
        if first != self.name:
            return None
        base = self.package.joinpath(*rest)
        init = base / "__init__.py"
        candidates = (init, base.with_suffix(".py")) if rest else (init,)
        return next((path for path in candidates if path.is_file()), None)

    def imported(self, module: _Module) -> Iterator[str]:
        for base, name, _ in module.imports:
            if self.path(base) is not None:
                yield self.provider(base, name) if name else base

    def provider(self, module: str, name: str) -> str:
        """The module that defines `name`, where a package's ``__init__`` only hands it on."""
        if self.path(f"{module}.{name}") is not None:
            return f"{module}.{name}"
        path = self.path(module)
        if self.is_left_out(module) or path is None or path.name != "__init__.py":
            return module
        source = self.module(module)
        if name in source.on_use:
            return self.provider(f"{module}.{source.on_use[name]}", name)
        for base, own, known in source.handed_on:
            if known == name and self.path(base) is not None:
                return self.provider(base, own)
        return module


class _Stripped(ast.NodeTransformer):
    """Without ``if TYPE_CHECKING:`` blocks, which never run, and strings that stand alone."""

    def visit_If(self, node: ast.If) -> Any:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        if name == "TYPE_CHECKING":
            return [self.visit(child) for child in node.orelse]
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)


_NO_CODE = ("kind", "type_comment", "type_ignores", "ctx")


def _normal(node: Any) -> str:
    """An abstract syntax tree as text.

    Empty fields are left out, since newer versions of Python have more of them.
    """
    if isinstance(node, ast.AST):
        parts = [
            f"{name}={_normal(value)}"
            for name, value in ast.iter_fields(node)
            if value not in (None, []) and name not in _NO_CODE
        ]
        return f"{type(node).__name__}({','.join(parts)})"
    return f"[{','.join(map(_normal, node))}]" if isinstance(node, list) else repr(node)
