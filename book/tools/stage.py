"""Lay out what Sphinx reads under ``_build/source``: the sources, with fresh outputs put in.

The committed files are never written. Page names are the same as in the repository, so links to
the source still fit.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from markupsafe import Markup
from nbformat import NotebookNode

from book.tools.address import address, configuration
from book.tools.content import BUILD, ROOT, files_below, write_if_different
from prunelimit.widgets import base

STAGE = BUILD / "source"
_NOT_STAGED = {"tools"}


@dataclass(frozen=True)
class Page:
    """A page of the book: its name in the table of contents and the file that it is made from."""

    name: str
    source: Path

    def notebook(self) -> NotebookNode | None:
        """Return the page as a notebook where it has code to run, else None."""
        if self.source.suffix == ".ipynb":
            return nbformat.read(self.source, as_version=4)
        text = self.source.read_text()
        if "```{code-cell}" not in text:
            return None
        notebook = jupytext.reads(text, fmt="md:myst")
        for number, cell in enumerate(notebook.cells):
            # jupytext draws them at random, and then the page would never be up to date.
            cell.id = f"cell-{number}"
        return notebook


def pages() -> list[Page]:
    """Return the book's pages in reading order.

    Raises
    ------
    FileNotFoundError
        The table of contents names a page that is not written.
    """
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    return [_page(name) for name in _names(toc)]


def stage(
    book: list[Page], shown: dict[Path, NotebookNode], generated: dict[str, str]
) -> list[Path]:
    """Write the tree that Sphinx reads; files that did not change keep their dates.

    Parameters
    ----------
    book
        The pages.
    shown
        Those pages that have code, with their outputs, by source path.
    generated
        Further texts by their path below the stage.

    Returns
    -------
    list of Path
        Every file of the stage.
    """
    wanted: dict[Path, bytes] = {
        Path("_config.yml"): configuration((ROOT / "_config.yml").read_text(), address()).encode(),
        **{Path(name): text.encode() for name, text in generated.items()},
        **_anywidget(),
        Path("book", "_static", "opening.js"): opening().encode(),
    }
    listed = {page.source for page in book}
    for path in files_below(ROOT / "book"):
        place = path.relative_to(ROOT)
        if place.parts[1] not in _NOT_STAGED and path not in listed:
            wanted[place] = path.read_bytes()
    wanted |= dict(_staged(page, shown) for page in book)
    for place, data in wanted.items():
        write_if_different(STAGE / place, data)
    for path in list(files_below(STAGE)):
        if path.relative_to(STAGE) not in wanted:
            path.unlink()
    for folder in sorted((p for p in STAGE.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            shutil.rmtree(folder)
    return [STAGE / place for place in wanted]


def _anywidget() -> dict[Path, bytes]:
    """Return the widgets' loader as the installed package ships it, so that the two agree."""
    vendor = Path("book", "_static", "vendor")
    files = metadata.files("anywidget") or []
    wanted = {"nbextension/index.js": "anywidget.js", "licenses/LICENSE": "LICENSE.anywidget"}
    return {
        vendor / name: file.read_binary()
        for ending, name in wanted.items()
        for file in files
        if str(file).endswith(ending)
    }


def opening() -> str:
    """Return the script of the front page's figure: chapter 0's widget, its data, and its film.

    One classic script, because a browser loads no module from a disk.
    """
    film = Path(__file__).with_name("opening.mjs").read_text()
    widget = re.sub(r"^export (?:default )?", "", base.bundle("cut_a_network"), flags=re.MULTILINE)
    network = json.loads(base.source("hour_network.json"))
    data = {name: network[name] for name in ("layers", "digits", "oneShot", "retrained")}
    given = ", ".join(json.dumps(part) for part in (data, base.source("common.css")))
    place = 'document.getElementById("opening")'
    return f"(() => {{\n{widget}\n{film}\nopen({place}, {given});\n}})();\n"


def _names(toc: dict[str, Any]) -> list[str]:
    names = [toc[key] for key in ("root", "file") if key in toc]
    for part in ("parts", "chapters", "sections"):
        for entry in toc.get(part, []):
            names += _names(entry)
    return names


def _page(name: str) -> Page:
    for source in (ROOT / f"{name}.ipynb", ROOT / f"{name}.md"):
        if source.is_file():
            return Page(name, source)
    raise FileNotFoundError(
        f"book/_toc.yml names {name}, and there is no {name}.ipynb and no {name}.md: "
        "write one of them or take the line out"
    )


def _staged(page: Page, shown: dict[Path, NotebookNode]) -> tuple[Path, bytes]:
    if page.source not in shown:
        return Path(f"{page.name}.md"), page.source.read_bytes()
    text = nbformat.writes(with_noscript(shown[page.source]))
    return Path(f"{page.name}.ipynb"), text.encode()


def with_noscript(notebook: NotebookNode) -> NotebookNode:
    """Show a widget's static figure, where its output carries one, to readers without scripts."""
    for cell in notebook.cells:
        for output in list(cell.get("outputs", [])):
            data = output.get("data", {})
            found = _static_figure(data)
            if "application/vnd.jupyter.widget-view+json" in data and found:
                # Nothing in the PDF: there the widget's picture stands already.
                text = {"text/html": f"<noscript>{found}</noscript>", "text/latex": ""}
                cell.outputs.append(nbformat.v4.new_output("display_data", data=text))
    return notebook


def _static_figure(data: dict[str, Any]) -> str:
    """Return an output's HTML, or its picture with its text for those who do not see it."""
    if "text/html" in data:
        return "".join(data["text/html"])
    if "image/png" not in data:
        return ""
    picture = "".join(data["image/png"]).replace("\n", "")
    return str(
        Markup('<img alt="{}" src="data:image/png;base64,{}" style="max-width: 100%">').format(
            "".join(data.get("text/plain", "")), picture
        )
    )
