"""What is public says what it is, and when it refuses; read from the source alone."""

from __future__ import annotations

import ast

import words_support as words


def test_every_public_name_has_a_docstring() -> None:
    assert words.undocumented() == set()


def test_whoever_raises_says_so() -> None:
    assert words.silent_about_errors() == set()


def test_no_docstring_begins_in_the_middle_of_a_sentence() -> None:
    assert words.fragments() == set()


def test_what_counts_as_public_and_as_raising() -> None:
    source = """
class Cone:
    def project(self):
        raise PruneLimitError("no")
    def _own(self): ...
def solve():
    def inner(): ...
    require_known("cone", "x", ())
def _private(): ...
def passes_on():
    raise
"""
    found = dict(words.public(ast.parse(source), "m"))
    assert list(found) == ["m.Cone", "m.Cone.project", "m.solve", "m.passes_on"]
    errors = {name: words.raised(node) for name, node in found.items()}
    assert errors["m.Cone.project"] == errors["m.solve"] == {"PruneLimitError"}
    assert errors["m.passes_on"] == set()
    assert list(words.texts(ast.parse('"""Of it."""\nx = 1\n"""Its size."""'))) == [
        "Of it.",
        "Its size.",
    ]
