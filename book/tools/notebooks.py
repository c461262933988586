"""``make notebooks``: carry edits of ``notebooks/*.py`` into the paired ``.ipynb``, with outputs.

The ``.py`` is what people edit and review. A notebook that has changed is run, and its outputs are
written into the committed ``.ipynb``; the outputs of the others stay as they are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs
from nbformat import NotebookNode

from book.tools.address import setting, with_colab_cell
from book.tools.content import ROOT, write_if_different
from book.tools.execute import NotebookFailed, execute_all, with_outputs

FOLDER = ROOT / "notebooks"


def main() -> int:
    """Pair and run what changed; return the exit status."""
    changed = {p: nb for p in sorted(FOLDER.rglob("*.py")) if (nb := _if_changed(p)) is not None}
    targets = {p.with_suffix(".ipynb"): nb for p, nb in changed.items()}
    try:
        executed = execute_all(targets, workers=min(2, os.cpu_count() or 1))
    except NotebookFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    for path, notebook in targets.items():
        text = nbformat.writes(with_outputs(notebook, executed[path]))
        write_if_different(path, text + "\n")
        # The script in jupytext's own form, header included, so that the pair is seen to agree.
        write_if_different(path.with_suffix(".py"), paired_text(path))
        print(f"wrote {path.relative_to(ROOT)}")
    print(f"{len(targets)} of {len(list(FOLDER.rglob('*.py')))} notebooks changed")
    return 0


def paired_text(path: Path) -> str:
    """Return the percent script that the notebook at `path` is paired with."""
    return jupytext.writes(jupytext.read(path), fmt="py:percent")


def _if_changed(script: Path) -> NotebookNode | None:
    """Return the notebook that `script` describes, or None where its pair says the same."""
    target = script.with_suffix(".ipynb")
    notebook = jupytext.read(script)
    if script.parent == FOLDER:  # a chapter, which Colab opens alone
        notebook = with_colab_cell(notebook, setting())
    wanted = jupytext.writes(notebook, fmt="py:percent")
    if target.exists() and paired_text(target) == wanted == script.read_text():
        return None
    if target.exists():  # cells that did not change keep their identity, so that diffs stay small
        notebook = combine_inputs_with_outputs(notebook, jupytext.read(target))
    notebook.metadata.setdefault("jupytext", {})["formats"] = "ipynb,py:percent"
    return notebook


if __name__ == "__main__":
    sys.exit(main())
