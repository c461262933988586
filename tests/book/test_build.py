"""The build: what is run again and what is not, and a failure that stays a failure."""

import nbformat
import pytest

from book.tools import build, execute, stage
from book.tools.content import write_if_different
from book.tools.execute import NotebookFailed, execute_all, with_outputs

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small project: a package with a module and a script beside it, and results."""
    package = tmp_path / "tinypackage"
    package.mkdir()
    (package / "__init__.py").write_text("VALUE = 1\n")
    (package / "view.js").write_text("export default {};\n")
    (package / "unused").mkdir()
    (package / "unused" / "__init__.py").write_text("")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "PACKAGE", package)
    monkeypatch.setattr(execute, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(execute, "STORE", tmp_path / "executed")
    return tmp_path


def notebook(tree, code, prose="Words."):
    cells = [nbformat.v4.new_markdown_cell(prose)]
    path = f"import sys; sys.path.insert(0, {str(tree)!r})"
    cells += [nbformat.v4.new_code_cell(path), nbformat.v4.new_code_cell(code)]
    return nbformat.v4.new_notebook(cells=cells)


def run(tree, content):
    """Run `content` as a page; return its outputs and whether it was run just now."""
    said = []
    path = tree / "notebooks" / "page.ipynb"
    done = execute_all({path: content}, workers=1, say=said.append)
    return done[path], bool(said)


CODE = "import tinypackage; print(tinypackage.VALUE)"


def test_outputs_are_kept_until_something_that_the_page_reads_changes(tree):
    first, ran = run(tree, notebook(tree, CODE))
    assert ran
    assert first.outputs[1][0]["text"] == "1\n"
    assert not run(tree, notebook(tree, CODE))[1]
    assert not run(tree, notebook(tree, CODE, prose="Other words."))[1]

    (tree / "tinypackage" / "unused" / "__init__.py").write_text("VALUE = 3\n")
    assert not run(tree, notebook(tree, CODE))[1]

    (tree / "tinypackage" / "__init__.py").write_text("VALUE = 22\n")
    second, ran = run(tree, notebook(tree, CODE))
    assert ran
    assert second.outputs[1][0]["text"] == "22\n"


@pytest.mark.parametrize("name", ["tinypackage/view.js", "results/new.json"])
def test_a_widgets_script_and_a_committed_result_are_read_too(tree, name):
    run(tree, notebook(tree, CODE))
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("{}\n")
    assert run(tree, notebook(tree, CODE))[1]


def test_a_failing_page_fails_every_build_and_shows_the_cell(tree):
    for _ in range(2):
        with pytest.raises(NotebookFailed) as failure:
            run(tree, notebook(tree, "x = 1\nraise RuntimeError('no such thing')"))
        message = str(failure.value)
        assert "notebooks/page.ipynb: cell 3 failed" in message
        assert "x = 1" in message
        assert "RuntimeError: no such thing" in message
        assert "\x1b" not in message


def test_outputs_are_put_into_a_copy(tree):
    content = notebook(tree, "print('hello')")
    done, _ = run(tree, content)
    shown = with_outputs(content, done)
    assert shown.cells[2].outputs[0]["text"] == "hello\n"
    assert content.cells[2].outputs == []


def test_lines_that_arrive_one_by_one_are_shown_in_one_piece(tree):
    slow = "import sys\nfor word in 'ab':\n    print(word, flush=True)\nprint('!', file=sys.stderr)"
    content = notebook(tree, slow)
    done, _ = run(tree, content)
    parts = [{"output_type": "stream", "name": "stdout", "text": f"{w}\n"} for w in "ab"]
    done.outputs[1] = parts + [o for o in done.outputs[1] if o["name"] == "stderr"]
    shown = with_outputs(content, done).cells[2].outputs
    assert [(o.name, o.text) for o in shown] == [("stdout", "a\nb\n"), ("stderr", "!\n")]
    assert with_outputs(content, done).cells[2].outputs == shown


def test_every_line_of_the_contents_has_a_page():
    book = stage.pages()
    assert book[0].name == "book/intro"
    assert len({page.name for page in book}) == len(book)
    assert all(page.source.is_file() for page in book)


def test_a_contents_line_without_a_page_is_named(monkeypatch, tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "_toc.yml").write_text("root: book/nowhere\n")
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"names book/nowhere"):
        stage.pages()


def test_a_widgets_figure_is_shown_where_scripts_are_off():
    data = {WIDGET: {"model_id": "1"}, "text/html": "<img alt='a cone'>"}
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data=data)])
    shown = stage.with_noscript(nbformat.v4.new_notebook(cells=[cell]))
    html = shown.cells[0].outputs[1]["data"]["text/html"]
    assert html == "<noscript><img alt='a cone'></noscript>"


def test_a_file_that_did_not_change_keeps_its_date(tmp_path):
    path = tmp_path / "page.md"
    assert write_if_different(path, "words")
    date = path.stat().st_mtime_ns
    assert not write_if_different(path, "words")
    assert path.stat().st_mtime_ns == date
    assert write_if_different(path, "other words")


def test_run_times_are_those_measured(tmp_path):
    path = tmp_path / "01_page.ipynb"
    page = stage.Page("notebooks/01_page", path)
    shown = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    table = build.run_times([page], {path: shown}, {path: 7.4})
    assert "| {doc}`/notebooks/01_page` | 7 s | 1 |" in table
    assert build.run_times([page], {}, {}) == "No chapter has been run yet.\n"


def test_a_page_with_code_reads_the_same_twice():
    first, second = (
        {p.name: nbformat.writes(nb) for p in stage.pages() if (nb := p.notebook()) is not None}
        for _ in range(2)
    )
    assert "book/paper" in first
    assert first == second


def test_pages_run_where_a_user_may_make_no_locks_between_processes(tree, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refused)
    assert run(tree, notebook(tree, CODE))[0].outputs[1][0]["text"] == "1\n"


def test_sets_have_the_same_order_in_every_run(tree):
    code = "import os; print(os.environ['PYTHONHASHSEED'], 'PATH' in os.environ)"
    assert run(tree, notebook(tree, code))[0].outputs[1][0]["text"] == "0 True\n"
