"""The ten questions: their answers are computed here, and the page counts them."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from widget_support import faults, needs_browser, wait_until

from book.tools.build import HTML
from book.tools.content import ROOT
from prunelimit import cones, kinematics, limit, widgets

CHOICE = re.compile(r"^:::\{dropdown\} ([A-C])\. (.+?)\n\n(.+?)\n:::$", re.MULTILINE | re.DOTALL)
TEXT = (ROOT / "book" / "quiz.md").read_text()
PARTS = re.split(r"^\*\*\d+\.\*\* ", TEXT, flags=re.MULTILINE)[1:]
PAGE = HTML / "book" / "quiz.html"


def right(number):
    """The choice that is called right, with its reason."""
    choices = CHOICE.findall(PARTS[number - 1])
    (found,) = [f"{c} {reason}" for _, c, reason in choices if reason.startswith("Right")]
    return found


def test_ten_questions_one_a_chapter_three_choices_one_right():
    assert len(PARTS) == 10
    for number, text in enumerate(PARTS, 1):
        assert re.match(rf"\{{doc\}}`Chapter {number} </notebooks/{number:02}_\w+>`", text)
        choices = CHOICE.findall(text)
        assert [letter for letter, _, _ in choices] == ["A", "B", "C"]
        assert {reason.split()[0].rstrip(":") for *_, reason in choices} == {"Right", "No"}
        assert right(number)
    answers = CHOICE.findall(TEXT)
    letters = [letter for letter, _, reason in answers if reason.startswith("Right")]
    assert {letters.count(letter) for letter in "ABC"} <= {3, 4}


def test_cones():
    cone, polar = (cones.CircularCone(3, np.radians(angle)) for angle in (30, 60))
    x = np.random.default_rng(0).standard_normal((2000, 3))
    left = x - cone.project(x)
    turned = polar.project(-x)  # the cone of 60° that points the other way
    np.testing.assert_allclose(left, -turned, atol=1e-12)
    assert "60°" in right(1)

    assert cones.Orthant(2).statistical_dimension() == pytest.approx(1)
    assert right(2).startswith("1.")

    cone = cones.CircularCone(1000, np.radians(30))
    assert cone.statistical_dimension() == pytest.approx(250, abs=0.6)
    chances = [kinematics.intersection_probability(cone, m) for m in (250, 500, 750)]
    assert chances[0] < 1e-9 and chances[1] < 1e-9
    assert chances[2] == pytest.approx(0.5, abs=0.05)
    assert "750" in right(3)


def test_limits():
    usual = widgets.SublevelSet().numbers()
    moved = widgets.SublevelSet(epsilon=0.4, distance=6.0).numbers()
    assert moved["paper"] == pytest.approx(usual["paper"])
    assert moved["sharp"] == pytest.approx(usual["sharp"])
    assert right(4).startswith("Neither")

    eigenvalues, k, distance = 1 / np.arange(1, 201), 20, 3.0
    paper = 0.5 * distance**2 * limit.ridge_at(eigenvalues, k)
    assert limit.sharp_loss(eigenvalues, distance, k) / paper == pytest.approx(1 / 9)
    assert "1/9" in right(6)


def test_spectra():
    rng, classes, examples = np.random.default_rng(1), 10, 7
    matrix = np.zeros((200, 200))
    for _ in range(examples):
        jacobian, p = rng.standard_normal((classes, 200)), rng.dirichlet(np.ones(classes))
        matrix += jacobian.T @ (np.diag(p) - np.outer(p, p)) @ jacobian
    assert np.linalg.matrix_rank(matrix) == examples * (classes - 1)
    assert right(5).startswith(f"{100 * (classes - 1)}.")


def test_weights():
    trained = minimize_scalar(lambda w: 0.5 * (w - 0.3) ** 2 + 0.2 * abs(w)).x
    assert trained == pytest.approx(0.1, abs=1e-6)
    rise = 0.5 * 0.3**2 - 0.5 * (trained - 0.3) ** 2
    assert f"{rise:.3f}" in right(7)

    weights, curvatures = np.array([3.0, 0.5]), np.array([0.1, 40.0])
    rises = 0.5 * curvatures * weights**2
    assert np.argmin(weights) == 1 and np.argmin(rises) == 0
    assert f"{rises[1]:g} and {rises[0]:g}" in right(8)


def test_one_function_two_sharpnesses():
    def trace(a, b, step=1e-4):
        def loss(x, y):
            return 0.5 * (x * y - 1) ** 2

        along_a = loss(a + step, b) - 2 * loss(a, b) + loss(a - step, b)
        along_b = loss(a, b + step) - 2 * loss(a, b) + loss(a, b - step)
        return (along_a + along_b) / step**2

    assert trace(1, 1) == pytest.approx(2, abs=1e-4)
    assert trace(2, 0.5) == pytest.approx(4.25, abs=1e-4)
    assert "trace 2 and 4.25" in PARTS[9]


@needs_browser
@pytest.mark.skipif(not PAGE.is_file(), reason="the book is not built: make book")
def test_the_page_counts_the_first_choice_and_remembers(browser):
    score = "return document.getElementById('quiz-score').textContent"
    browser.get(PAGE.as_uri())
    wait_until(browser, f"{score} !== ''")
    assert browser.execute_script(score) == "10 questions, none answered yet."
    opened = "document.querySelectorAll('.question')[arguments[0]].querySelectorAll('summary')"
    for question, choice in ((0, 2), (0, 0), (1, 0)):  # right; counted already; wrong
        browser.execute_script(f"{opened}[arguments[1]].click()", question, choice)
    wait_until(browser, f"{score}.startsWith('1 right of 2')")
    browser.refresh()
    wait_until(browser, f"{score}.startsWith('1 right of 2 answered, of 10')")
    marks = "return [...document.querySelectorAll('.quiz-mark')].map((m) => m.textContent)"
    assert browser.execute_script(marks) == [" ✓ your answer, right", " ✗ your answer, wrong"]
    browser.execute_script("document.getElementById('quiz-again').click()")
    wait_until(browser, f"{score}.startsWith('10 questions, none')")
    assert [f for f in faults(browser) if "invalid theme mode" not in f] == []
