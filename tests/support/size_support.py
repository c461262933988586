"""How much code there is, and how much of it a notebook needs: read from the source alone.

    python tests/support/size_support.py

prints the lines of code behind each chapter, and of each room.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "prunelimit"

_LAYOUT = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


@cache
def lines_of_code(source: str) -> int:
    """Lines that hold code: neither blank, nor a comment, nor a string that stands alone."""
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _LAYOUT:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - lines_of_documentation(ast.parse(source)))


def lines_of_documentation(tree: ast.AST) -> set[int]:
    """Numbers of the lines of all strings that stand alone."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
            found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


@cache
def modules() -> dict[str, Path]:
    """Name of every module of the package to its file."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(source: str) -> frozenset[str]:
    """Modules that `source` names in an import, wherever it stands but for the type checker alone.

    A package that loads its names on first use, by a table ``_PUBLIC``, adds the modules
    behind those names that `source` takes of it.
    """
    tree = _AsItRuns().visit(ast.parse(source))
    named = set(_named(tree))
    taken = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    taken |= {name.rpartition(".")[2] for name in named}
    for package in named & set(modules()):
        table = _names_on_first_use(package)
        named |= {module for name, module in table.items() if name in taken}
    return frozenset(named)


class _AsItRuns(ast.NodeTransformer):
    """Leaves out what stands under ``if TYPE_CHECKING``."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if getattr(node.test, "id", "") == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _named(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _names_on_first_use(package: str) -> dict[str, str]:
    """Name to module, of the table ``_PUBLIC`` of a package; empty where there is none."""
    for node in ast.parse(modules()[package].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PUBLIC":
            return {n: f"{package}.{m}" for n, m in ast.literal_eval(node.value).items()}
    return {}


def closure(source: str) -> set[str]:
    """Every module of the package that `source` needs, however far away."""
    known = modules()
    found: set[str] = set()
    waiting = [source]
    while waiting:
        for name in imported(waiting.pop()):
            parts = name.split(".")
            for length in range(1, len(parts) + 1):  # a package comes before its modules
                module = ".".join(parts[:length])
                if module in known and module not in found:
                    found.add(module)
                    waiting.append(known[module].read_text(encoding="utf-8"))
    return found


def lines_in(names: set[str]) -> int:
    """Lines of code of these modules."""
    return sum(lines_of_code(modules()[name].read_text(encoding="utf-8")) for name in names)


def all_lines_in(names: set[str]) -> int:
    """Lines of these modules' files, blank ones, comments and docstrings among them."""
    return sum(modules()[name].read_text(encoding="utf-8").count("\n") for name in names)


def chapters() -> dict[str, str]:
    """Name of each chapter to the source of its notebook."""
    paths = sorted((ROOT / "notebooks").glob("[01]*.py"))
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


if __name__ == "__main__":
    for chapter, text in chapters().items():
        needed = closure(text)
        total = f"{lines_in(needed):6,} lines of code, {all_lines_in(needed):6,} in all"
        print(f"{chapter:32} {len(needed):4} modules {total}")
    rooms: dict[str, set[str]] = {}
    for name in modules():
        rooms.setdefault((name.split(".") + [""])[1], set()).add(name)
    for room, names in sorted(rooms.items(), key=lambda pair: -lines_in(pair[1])):
        print(f"{room or PACKAGE:32} {len(names):4} modules {lines_in(names):6,} lines of code")
    print(f"{'all':32} {len(modules()):4} modules {lines_in(set(modules())):6,} lines of code")
