"""The quizzes: three questions, three choices each, one of them right, a word on every choice."""

import re

import nbformat
import pytest

from book.tools.content import ROOT

HEADING = "## Check yourself"
CHOICE = re.compile(r"^:::\{dropdown\} ([A-C])\. (.+?)\n\n(.+?)\n:::$", re.MULTILINE | re.DOTALL)


def cells_of(path):
    return nbformat.read(path, as_version=4).cells


CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
QUIZZED = [p for p in CHAPTERS if any(c.source.startswith(HEADING) for c in cells_of(p))]


@pytest.fixture(params=QUIZZED, ids=lambda path: path.stem)
def cells(request):
    return cells_of(request.param)


def questions(cells):
    (text,) = [c.source for c in cells if c.source.startswith(HEADING)]
    return re.split(r"^\*\*\d\.\*\* ", text, flags=re.MULTILINE)[1:]


def test_every_chapter_has_a_quiz():
    assert {f"{number:02}" for number in range(1, 10)} <= {path.name[:2] for path in QUIZZED}


def test_a_quiz_stands_right_before_the_exercises(cells):
    (place,) = [i for i, c in enumerate(cells) if c.source.startswith(HEADING)]
    assert cells[place + 1].source.startswith("## Exercises")


def test_three_questions_with_three_choices_each(cells):
    asked = questions(cells)
    assert len(asked) == 3
    for text in asked:
        assert [letter for letter, _, _ in CHOICE.findall(text)] == ["A", "B", "C"]
        assert text.count(":::{dropdown}") == 3


def test_one_choice_is_right_and_every_choice_says_why(cells):
    for text in questions(cells):
        answers = [answer for _, _, answer in CHOICE.findall(text)]
        assert sum(answer.startswith("Right") for answer in answers) == 1
        assert min(len(answer.split()) for answer in answers) >= 5


def test_the_right_choice_is_not_always_the_same(cells):
    right = [
        letter
        for text in questions(cells)
        for letter, _, answer in CHOICE.findall(text)
        if answer.startswith("Right")
    ]
    assert len(set(right)) > 1
