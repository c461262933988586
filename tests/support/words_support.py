"""What the docstrings leave out: read from the source alone.

    python tests/support/words_support.py

prints the public names without a docstring, the public functions that raise and do not say so,
and docstrings that are fragments.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import size_support as size

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(tree: ast.AST, inside: str) -> Iterator[tuple[str, Documented]]:
    """Public classes, functions and methods under their full names; not those in functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield f"{inside}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{inside}.{node.name}")


def all_public() -> dict[str, Documented]:
    """Those of the whole package; a module whose name begins with _ is none of its public ones."""
    return {
        name: node
        for module, path in size.modules().items()
        for name, node in public(ast.parse(path.read_text(encoding="utf-8")), module)
    }


def undocumented() -> set[str]:
    """Public names without a docstring, and without a base class that has one for that name."""
    known = all_public()
    classes = {
        n.rpartition(".")[2]: n for n, node in known.items() if isinstance(node, ast.ClassDef)
    }

    def said(name: str) -> bool:
        if name in known and ast.get_docstring(known[name]):
            return True
        owner, _, method = name.rpartition(".")
        bases = getattr(known.get(owner), "bases", [])
        above = [classes.get(getattr(base, "id", getattr(base, "attr", ""))) for base in bases]
        return any(said(f"{base}.{method}") for base in above if base)

    return {name for name in known if not said(name)}


def raised(function: ast.AST) -> set[str]:
    """Names of the package's errors behind a ``raise`` or `require_known` of the function."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
            if name.endswith("Error"):
                found.add(name)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require_known":
            found.add("PruneLimitError")
    return found


def silent_about_errors() -> set[str]:
    """Public functions that raise and have no section ``Raises``, commands apart."""
    return {
        name
        for name, node in all_public().items()
        if not (isinstance(node, ast.ClassDef) or ".cli." in name)
        and raised(node)
        and "Raises\n" not in (ast.get_docstring(node) or "")
    }


def texts(tree: ast.AST) -> Iterator[str]:
    """All strings that stand alone: docstrings, and what is said of constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
            yield node.value.value


def fragments() -> set[str]:
    """Such strings that say whose or of what, and not what."""
    return {
        f"{module}: {text.splitlines()[0]}"
        for module, path in size.modules().items()
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if text.startswith(("Of ", "Its ", "Their "))
    }


if __name__ == "__main__":
    for title, names in (
        ("without a docstring", undocumented()),
        ("that raise and do not say so", silent_about_errors()),
        ("fragments", fragments()),
    ):
        print(f"{len(names)} {title}", *sorted(names), sep="\n  ")
