"""The notebooks: the pair agrees, and each chapter keeps the house rules."""

import base64
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools.agreement import tolerance_of
from book.tools.content import ROOT
from book.tools.minutes import length
from book.tools.notebooks import paired_text
from prunelimit.plots import style as plots_style
from prunelimit.widgets import base as widgets_base

PAIRS = sorted((ROOT / "notebooks").rglob("*.py"))
NOTEBOOKS = sorted(
    p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
)
CHAPTERS = [p for p in NOTEBOOKS if re.match(r"\d\d_", p.name)]
WIDGET = "application/vnd.jupyter.widget-view+json"
ASKED = re.compile(r"\bPredict\b")
PREDICT = re.compile(
    r"^(?::::|```)\{admonition\} Predict\n(?::class: tip\n)?.*?^(?::::|```)$", re.M | re.S
)
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}


def by_name(path):
    return path.stem


@pytest.fixture(params=CHAPTERS, ids=by_name)
def chapter(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_every_cell_is_numbered_as_run(path):
    # nbval compares nothing in a cell without a number: it takes it for one that was never run.
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_outputs_are_compared_but_for_two_at_most_that_say_why_not(path):
    # "Within" tags are book.tools.agreement's, the others and the comments are nbval's.
    cells = code_cells(nbformat.read(path, as_version=4))
    tags = {cell.source: " ".join(cell.metadata.get("tags", [])) for cell in cells}
    told = {source: f"{tags[source]} {source}".lower() for source in tags}
    assert not any("nbval_" in text or "nbval-skip" in text for text in told.values())
    assert not any("raises-exception" in text for text in told.values())
    ignored = [source for source, text in tags.items() if "nbval-ignore-output" in text]
    assert len(ignored) <= 2
    assert [s for s in ignored if not re.match(r"# Not compared: .{15,}\.\n", s)] == []
    within = [tag for text in tags.values() for tag in text.split() if tag.startswith("within")]
    assert all(0 < (tolerance_of([tag]) or 1) <= 0.05 for tag in within), within


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_no_compared_number_shows_the_digits_that_processors_differ_in(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    compared = [c for c in cells if "nbval-ignore-output" not in c.metadata.get("tags", [])]
    outputs = [o for c in compared for o in c.outputs]
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs]
    numbers = [n for text in texts for n in re.findall(r"\d+\.\d+", text)]
    assert [n for n in numbers if len(n.replace(".", "").lstrip("0")) > 9] == []


def prose(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def directives(text, name):
    """The bodies of the ``:::{name}`` and ````{name}`` boxes in `text`."""
    box = re.compile(rf"^(:::+|```+)\{{{name}\}}(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
    return [match[2] for match in box.finditer(text)]


@pytest.mark.parametrize("script", PAIRS, ids=by_name)
def test_script_and_notebook_say_the_same(script):
    notebook = script.with_suffix(".ipynb")
    assert notebook.exists(), f"{script.name} has no notebook: make notebooks"
    assert paired_text(notebook) == script.read_text(), "the pair came apart: make notebooks"


def test_every_notebook_has_a_script_to_review():
    assert [p for p in NOTEBOOKS if not p.with_suffix(".py").exists()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_committed_outputs_hold_no_error(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    wrong = [o for c in cells for o in c.outputs if o.output_type == "error"]
    assert wrong == []


def test_every_chapter_can_be_read_on_a_phone(chapter):
    cells = code_cells(chapter)
    shown = [c for c in cells if not HIDDEN & set(c.metadata.get("tags", []))]
    lengths = {c.source.splitlines()[0]: len(c.source.splitlines()) for c in shown if c.source}
    assert len(cells) <= 25
    assert {first: n for first, n in lengths.items() if n > 12} == {}


def visible(cell):
    return not HIDDEN & set(cell.metadata.get("tags", []))


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_open_code_fits_beside_the_bars_and_plotting_is_folded(path):
    shown = [c for c in code_cells(nbformat.read(path, as_version=4)) if visible(c)]
    assert [line for c in shown for line in c.source.splitlines() if len(line) > 88] == []
    assert [c.source for c in shown if "plt.show()" in c.source] == []


PHONE = 358  # pixels of text across on a telephone of 390
SMALLEST = 10  # points, in a figure: prunelimit.plots.style, and Matplotlib's own in a widget's


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_words_in_a_figure_are_large_enough_for_a_phone(path):
    small = []
    for cell in code_cells(nbformat.read(path, as_version=4)):
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" not in data:
                continue
            dpi = widgets_base.DPI if WIDGET in data else plots_style.DPI
            across = int.from_bytes(base64.b64decode(data["image/png"])[16:20], "big")
            # A point has dpi / 72 pixels of the picture, which is shrunk to the telephone.
            tall = SMALLEST * dpi / 72 * PHONE / across
            if tall < 9.5:
                small.append((cell.source[-60:], round(tall, 1)))
    assert small == []


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_every_figure_has_a_caption_and_a_name_of_its_own(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    drawn = [c for c in cells if "plt.show()" in c.source]
    figures = [c.metadata.get("mystnb", {}).get("figure", {}) for c in drawn]
    assert [f for f in figures if not re.match(r"[A-Z].{15,}\.$", f.get("caption", ""))] == []
    names = [f["name"] for f in figures]
    assert all(name.startswith("fig-") for name in names) and len(set(names)) == len(names)


def captioned(cell):
    return "figure" in cell.metadata.get("mystnb", {})


def given_away(notebook):
    """What is wrong with each "Predict" of `notebook`: nothing may answer it in the open.

    The box ends its cell. Then come widgets, or code with its outputs folded, and at once a fold
    that says what came out.
    """
    faults = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown" or not ASKED.search(cell.source):
            continue
        *before, last = PREDICT.split(cell.source)
        if any(map(ASKED.search, before)) or last.strip():
            faults.append(f"no box at the end of its cell: {cell.source[-80:]}")
            continue
        answers = []
        for following in notebook.cells[number + 1 :]:
            if following.cell_type == "markdown":
                break
            answers.append(following)
        open_ones = [c for c in answers if c.outputs and not (is_widget(c) or output_folded(c))]
        if not answers or open_ones:
            faults.append(f"answered in the open: {cell.source[-80:]}")
        if not following.source.startswith(":::{dropdown} What came out\n"):
            faults.append(f"no verdict in a fold: {cell.source[-80:]}")
    return faults


def is_widget(cell):
    return any(WIDGET in output.get("data", {}) for output in cell.outputs)


def output_folded(cell):
    return bool({"hide-output", "hide-cell"} & set(cell.metadata.get("tags", [])))


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_no_prediction_is_given_away(path):
    notebook = nbformat.read(path, as_version=4)
    assert ASKED.search(prose(notebook))
    assert given_away(notebook) == []


def test_a_prediction_that_is_given_away_is_noticed():
    path = next(p for p in CHAPTERS if p.stem == "06_pruning_limit")
    whole = nbformat.read(path, as_version=4)
    asked = [i for i, c in enumerate(whole.cells) if c.source.rstrip().endswith(":::")]
    place = next(i for i in asked if "{admonition} Predict" in whole.cells[i].source)

    def broken(change):
        notebook = deepcopy(whole)
        change(notebook.cells, place)
        return given_away(notebook)

    def open_output(cells, i):
        cells[i + 1].metadata["tags"] = []

    def answer_below_the_box(cells, i):
        cells[i].source += "\n\nIt is 0.931."

    def verdict_in_the_open(cells, i):
        cells[i + 2].source = cells[i + 2].source.replace(":::{dropdown} What came out\n", "", 1)

    def no_box(cells, i):
        cells[i].source = "**Predict:** what happens?"

    for change in (open_output, answer_below_the_box, verdict_in_the_open, no_box):
        assert len(broken(change)) == 1, change.__name__


def test_every_chapter_is_short(chapter):
    assert len(prose(chapter).split()) <= 3000


def test_an_hour_is_an_hour_and_stands_alone():
    chapter = nbformat.read(ROOT / "notebooks" / "00_an_hour.ipynb", as_version=4)
    found = length(chapter)
    assert found.words <= 3500
    assert 1 <= found.widgets <= 6
    assert found.reading <= 60
    assert "you need chapter" not in prose(chapter).lower()
    # Each guess is asked for before the widget that answers it, and not after.
    kinds = ["predict" if "} Predict" in c.source else c.cell_type for c in chapter.cells]
    asked = [number for number, kind in enumerate(kinds) if kind == "predict"]
    assert len(asked) >= 4
    assert {kinds[number + 1] for number in asked} == {"code"}


def test_the_table_of_contents_numbers_the_chapters(chapter):
    title = chapter.cells[0].source.splitlines()[0]
    assert re.match(r"# (?!chapter\b|\d)\w", title, re.IGNORECASE), title


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_every_chapter_says_what_it_is_for_and_how_long_it_takes(path):
    chapter = nbformat.read(path, as_version=4)
    top = prose(chapter)[:2500]
    assert "objectives" in top.lower() or "after this chapter you can" in top.lower()
    assert f"*{length(chapter).told()}" in top


def test_the_minutes_are_counted_by_the_rule():
    text = new_markdown_cell("one two three\n\n:::{admonition} Predict\nfour\n:::")
    solved = new_markdown_cell(":::{exercise}\nleft out\n:::\n\n```{solution-start} a\n```")
    end = new_markdown_cell("```{solution-end}\n```")
    folded = {"tags": ["hide-input"]}

    def picture(**others):
        return [new_output("display_data", data={"image/png": "", **others})]

    cells = [
        text,
        new_code_cell("plot()", outputs=picture()),
        new_code_cell("Widget()", metadata=folded, outputs=picture(**{WIDGET: {}})),
        new_code_cell("import this", metadata=folded),
        solved,
        new_code_cell("plot()", outputs=picture()),
        end,
    ]
    found = length(new_notebook(cells=cells))
    assert (found.widgets, found.guesses, found.figures, found.open_cells) == (1, 1, 1, 1)
    assert (found.cells, found.exercises, found.exercising) == (4, 1, 15)
    assert found.words < 15 and found.reading == 10  # 2 + 1 + 1 + 1 and the words
    assert found.told() == "Reading: 10 minutes. Exercises: 15 minutes."


def test_every_chapter_says_what_it_does_not_say(chapter):
    assert re.search(r"^#+ What this does \*not\* say", prose(chapter), re.MULTILINE)


@pytest.mark.parametrize("path", [p for p in CHAPTERS if p.stem[:2] != "00"], ids=by_name)
def test_every_chapter_has_exercises_whose_solutions_are_hidden(path):
    text = prose(nbformat.read(path, as_version=4))
    exercises = directives(text, "exercise")
    # A solution with code in it is a pair of boxes around the cells.
    solutions = directives(text, "solution") + directives(text, "solution-start")
    labels = [re.search(r":label:\s*(\S+)", e)[1] for e in exercises]
    answered = [s.split()[0] for s in solutions]
    assert len(exercises) >= 3
    assert sorted(labels) == sorted(answered)
    assert [s.split()[0] for s in solutions if ":class: dropdown" not in s] == []


def test_every_figure_has_words_for_those_who_do_not_see_it(chapter):
    # A widget's own picture carries its sentence as words.
    bare = [
        c.source
        for c in code_cells(chapter)
        if any("image/png" in o.get("data", {}) and WIDGET not in o.data for o in c.outputs)
        and not c.metadata.get("mystnb", {}).get("image", {}).get("alt")
    ]
    assert bare == []


def test_boxes_are_named_once_over_the_whole_book():
    pages = [prose(nbformat.read(p, as_version=4)) for p in CHAPTERS]
    pages += [p.read_text() for p in sorted(Path(ROOT, "book").glob("*.md"))]
    named = re.compile(r"^:label:\s*(\S+)|^ *:?name: *(fig-\S+)", re.MULTILINE)
    labels = [m[1] or m[2] for text in pages for m in named.finditer(text)]
    cells = [c for path in CHAPTERS for c in code_cells(nbformat.read(path, as_version=4))]
    labels += [c.metadata["mystnb"]["figure"]["name"] for c in cells if captioned(c)]
    assert sorted(labels) == sorted(set(labels))
