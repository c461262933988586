"""Finds string keys into results, by reading code: results are objects, and have attributes.

What comes from a loader, from `run_task` or from a JSON file is followed through names, loops,
comprehensions and functions of the same file. A table made of it is followed no further.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import typing
from collections.abc import Mapping
from pathlib import Path

from prunelimit import results
from prunelimit.results import calibrated, choices, existence, methods, overview, parts, result
from prunelimit.results.saved import Saved

_MODULES = (calibrated, choices, existence, methods, overview, parts, result)
_RECORDS = {
    name: value
    for module in _MODULES
    for name, value in vars(module).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
}
SAVED = {name for name, value in _RECORDS.items() if issubclass(value, Saved)}
ENTRIES = {"prediction", "thresholds", "refit", "finetune", "finetuning", "stages", "provenance"}
"""Names that nothing but a result's file has."""

_LOADERS = {"run_task", "load_result", "provenance_of"}
_JSON = {("json", "load"), ("json", "loads")}
_TABLES = {"DataFrame", "Series", "table", "str", "print", "len", "vars", "sorted_table"}


def _mapping_fields() -> set[str]:
    """Entries of results that are mappings: a curve's or a stage's name is a key there."""
    found = set()
    for record in _RECORDS.values():
        for name, kind in typing.get_type_hints(record).items():
            origin = typing.get_origin(kind)
            if isinstance(origin, type) and issubclass(origin, Mapping):
                found.add(name)
    return found


MAPPINGS = _mapping_fields()
ONE, MANY = "one result", "several results"


class _Reader(ast.NodeVisitor):
    """One pass over a file; a second one finds what was used before it was defined."""

    def __init__(self, json_is_a_result: bool) -> None:
        self.json_is_a_result = json_is_a_result
        self.names: dict[str, str] = {}
        self.functions: set[str] = set()
        self.found: set[tuple[int, str]] = set()

    # ------------------------------------------------------------ what a value is
    def kind(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            return ONE if self.kind(node.value) == ONE else None
        if isinstance(node, ast.Subscript):
            return ONE if self.kind(node.value) else None
        if isinstance(node, ast.Call):
            return self.kind_of_call(node)
        if isinstance(node, ast.DictComp):
            return self.within(node, node.value)
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            return self.within(node, node.elt)
        if isinstance(node, ast.Dict | ast.List | ast.Tuple):
            parts = node.values if isinstance(node, ast.Dict) else node.elts
            return MANY if any(self.kind(part) for part in parts if part) else None
        if isinstance(node, ast.BinOp):
            return self.kind(node.left) or self.kind(node.right)
        if isinstance(node, ast.IfExp):
            return self.kind(node.body) or self.kind(node.orelse)
        return None

    def kind_of_call(self, node: ast.Call) -> str | None:
        function = node.func
        if isinstance(function, ast.Name):
            if function.id in _LOADERS | self.functions:
                return ONE
            if function.id in ("next", "min", "max", "reversed", "sorted", "list", "tuple"):
                return next((k for k in map(self.kind, node.args) if k), None)
            return None
        if not isinstance(function, ast.Attribute):
            return None
        owner = function.value
        name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
        if function.attr in _LOADERS or (function.attr in ("load", "from_dict") and name in SAVED):
            return ONE
        if function.attr == "load" and name == "kind":
            return ONE
        if (name, function.attr) in _JSON:
            return ONE if self.json_is_a_result else None
        if function.attr in _TABLES:
            return None
        return self.kind(owner)

    def within(self, node: ast.AST, element: ast.AST) -> str | None:
        before = dict(self.names)
        for generator in node.generators:  # type: ignore[attr-defined]
            self.bind(generator.target, self.item(generator.iter))
        kind = MANY if self.kind(element) else None
        self.names = before
        return kind

    def item(self, node: ast.AST) -> str | None:
        return ONE if self.kind(node) else None

    # ---------------------------------------------------------------- statements
    def bind(self, target: ast.AST, kind: str | None) -> None:
        if isinstance(target, ast.Name):
            if kind is None:
                self.names.pop(target.id, None)
            else:
                self.names[target.id] = kind
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.bind(part, kind)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for one, value in zip(target.elts, node.value.elts, strict=True):
                    self.bind(one, self.kind(value))
            elif isinstance(target, ast.Subscript):
                if self.kind(node.value):
                    self.bind(target.value, MANY)
            else:
                self.bind(target, self.kind(node.value))

    def visit_For(self, node: ast.For) -> None:
        self.bind(node.target, self.item(node.iter))
        self.generic_visit(node)

    def _comprehension(self, node: ast.AST) -> None:
        before = dict(self.names)
        for generator in node.generators:  # type: ignore[attr-defined]
            self.bind(generator.target, self.item(generator.iter))
        self.generic_visit(node)
        self.names = before

    visit_ListComp = visit_DictComp = visit_SetComp = visit_GeneratorExp = _comprehension

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = dict(self.names)
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            note = "" if argument.annotation is None else ast.unparse(argument.annotation)
            words = set(re.findall(r"\w+", note))
            one = words & set(_RECORDS) or (argument.arg in ("result", "run") and not note)
            several = one and words & {"Mapping", "Sequence", "list", "dict", "Iterable"}
            self.bind(argument, None)
            if one:
                self.names[argument.arg] = MANY if several else ONE
            else:
                self.names.pop(argument.arg, None)
        self.generic_visit(node)
        returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value]
        if any(self.kind(value) for value in returned):
            self.functions.add(node.name)
        self.names = before

    # ----------------------------------------------------------------- what is bad
    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, str):
            return
        if isinstance(node.value, ast.Attribute) and node.value.attr in MAPPINGS:
            return
        if self.kind(node.value) == ONE or (
            node.slice.value in ENTRIES and self.kind(node.value) != MANY
        ):
            self.found.add((node.lineno, ast.unparse(node)))

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr == "get"
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
            and (self.kind(function.value) == ONE or node.args[0].value in ENTRIES)
            and not (isinstance(function.value, ast.Attribute) and function.value.attr in MAPPINGS)
        ):
            self.found.add((node.lineno, ast.unparse(node)))


def string_keys(source: str, json_is_a_result: bool = True) -> list[str]:
    """``line: expression`` of each string key into a result.

    Parameters
    ----------
    source
        Python.
    json_is_a_result
        Whether what `json.load` gives counts as one: so it is in chapters and figures, which have
        nothing else to read.
    """
    tree = ast.parse(source)
    reader = _Reader(json_is_a_result)
    reader.visit(tree)
    reader.names, reader.found = {}, set()
    reader.visit(tree)
    return [f"{line}: {text}" for line, text in sorted(reader.found)]


def code_of_page(path: Path) -> str:
    """The code cells of a Markdown page as one program."""
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", path.read_text(), re.M | re.S)
    options = re.compile(r"\A(?:---\n.*?^---\n|(?::[^\n]*\n)+)", re.M | re.S)
    return "\n".join(options.sub("", cell) for cell in cells)


assert results.Result is _RECORDS["Result"]
