"""``make slides``: a deck for a lecture, from the figures and widgets of the committed chapters.

``book/slides.yml`` lists the slides: each names the one cell of a chapter that it shows and the
parts of the plans in ``book/teaching.md`` that are its speaker's notes. Nothing is run.
The deck is one folder that works from a disk; reveal.js and MathJax lie beside it.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import nbformat
import numpy as np
import yaml
from markupsafe import Markup
from nbformat import NotebookNode
from PIL import Image

from book.tools.content import BUILD, ROOT, write_if_different
from book.tools.plans import inline_html, macros, part, to_html

SOURCE = ROOT / "book" / "slides.yml"
VENDOR = ROOT / "book" / "_static" / "vendor"
DECK = BUILD / "slides"
WIDGET = "application/vnd.jupyter.widget-view+json"
_STATES = "application/vnd.jupyter.widget-state+json"
_PARTS = Path(__file__).with_name("deck")
WHITE = 10
"""Pixels of white between two panels, at least."""


@dataclass(frozen=True)
class Slide:
    """One slide of ``slides.yml``; `begins` is its minute, `later` keeps its figure back."""

    title: str
    minutes: int
    begins: int
    notes: tuple[str, ...]
    text: str = ""
    show: str = ""
    state: str = ""
    later: bool = False

    @property
    def name(self) -> str:
        """Name in the address: the title's words, formulas left out."""
        words = re.sub(r"\$[^$]*\$|[^a-z0-9]", " ", self.title.lower())
        return "-".join(words.split())


class UnknownCell(Exception):
    """A slide names a cell that the chapter has not, or has more than once."""


def main(arguments: list[str] | None = None) -> int:
    """Write the deck; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", default="../html", help="the book's pages, as seen from the deck")
    options = parser.parse_args(arguments)
    print(f"The slides are at {build(options.book).as_uri()}")
    return 0


def build(book: str = "../html", folder: Path = DECK) -> Path:
    """Write the deck and what it needs into `folder`; return its page.

    Parameters
    ----------
    book
        Where the book's pages lie, as seen from `folder`: notes link to states of their widgets.
    folder
        Where to write.
    """
    shown = [_shown(slide, book) for slide in slides()]
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PARTS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = templates.get_template("deck.html").render(
        slides=shown,
        styles=sorted({s["widget"]["_css"] for s in shown if s["widget"]}),
        style=(_PARTS / "deck.css").read_text(),
        unscripted=(_PARTS / "unscripted.css").read_text(),
        script=(_PARTS / "deck.mjs").read_text(),
        macros=macros(),
    )
    for name in ("reveal", "mathjax"):
        shutil.copytree(VENDOR / name, folder / "vendor" / name, dirs_exist_ok=True)
    write_if_different(folder / "index.html", page)
    return folder / "index.html"


def slides() -> list[Slide]:
    """Return the slides in order."""
    made: list[Slide] = []
    begins = 0
    for entry in yaml.safe_load(SOURCE.read_text()):
        made.append(Slide(**{**entry, "notes": tuple(entry["notes"]), "begins": begins}))
        begins += made[-1].minutes
    return made


def cell_shown(show: str) -> tuple[NotebookNode, NotebookNode]:
    """Return the chapter and its one cell that "CHAPTER: WORDS" names.

    Raises
    ------
    UnknownCell
        No code cell of the chapter, or more than one, has the words in its source or metadata.
    """
    chapter, _, words = show.partition(": ")
    notebook = _chapter(chapter)
    cells = [c for c in notebook.cells if c.cell_type == "code" and words in _searched(c)]
    if len(cells) != 1:
        raise UnknownCell(
            f"{len(cells)} code cells of notebooks/{chapter}.ipynb hold {words!r}; "
            "book/slides.yml has to name words of just one"
        )
    return notebook, cells[0]


def widget_of(notebook: NotebookNode, data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the state of the widget that an output shows, None where it shows none."""
    if WIDGET not in data:
        return None
    state = notebook.metadata["widgets"][_STATES]["state"][data[WIDGET]["model_id"]]["state"]
    return {name: value for name, value in state.items() if not str(value).startswith("IPY_MODEL")}


@lru_cache
def _chapter(name: str) -> NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def _searched(cell: NotebookNode) -> str:
    return f"{cell.source}\n{json.dumps(cell.metadata, ensure_ascii=False)}"


def _shown(slide: Slide, book: str) -> dict[str, Any]:
    widget, figure = None, Markup("")
    if slide.show:
        notebook, cell = cell_shown(slide.show)
        (data,) = [
            o.data for o in cell.outputs if {"image/png", "text/html"} & set(o.get("data", {}))
        ]
        widget = widget_of(notebook, data)
        figure = _figure(cell, data)
    return {
        "slide": slide,
        "title": Markup(inline_html(slide.title)),
        "text": Markup(to_html(slide.text)),
        "figure": figure,
        "shape": _shape(figure, data) if slide.show else "",
        "widget": widget,
        "state": f"#w={widget['key']}:{slide.state}" if widget and slide.state else "",
        "json": Markup(json.dumps(widget).replace("<", "\\u003c")) if widget else "",
        "notes": [(name, Markup(to_html(part(name), book))) for name in slide.notes],
    }


def _figure(cell: NotebookNode, data: dict[str, Any]) -> Markup:
    """Return an output as the page shows it: a picture with its words, or a table."""
    if "image/png" not in data:
        return Markup("".join(data["text/html"]))
    shown = cell.metadata.get("mystnb", {})
    words = [shown.get(kind, {}).get("alt") for kind in ("image", "figure")]
    alt = next((w for w in words if w), "".join(data.get("text/plain", "")))
    caption = shown.get("figure", {}).get("caption")
    first, *more = side_by_side(_png(data))
    images = [_image(first, alt), *(_image(part, "") for part in more)]
    picture = Markup('<div class="parts">{}</div>').format(Markup("").join(images))
    return picture + Markup(f'<p class="caption">{inline_html(caption)}</p>' if caption else "")


def side_by_side(picture: bytes) -> list[bytes]:
    """Return a PNG in parts that a wide screen shows beside each other.

    One that is higher than wide has its panels below each other, as a phone shows them; it is cut
    between two of them, where the white is widest in its middle half.
    """
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    width, height = image.size
    white = np.asarray(image).min(axis=(1, 2)) > 250
    ends = np.flatnonzero(np.diff(np.concatenate([[0], white.astype(int), [0]]))).reshape(-1, 2)
    cuts = [
        (int(end - start), -abs(start + end - height), int(start + end) // 2)
        for start, end in ends
        if height / 4 < start and end < 3 * height / 4
    ]
    if height <= width or not cuts or max(cuts)[0] < WHITE:
        return [picture]
    cut = max(cuts)[2]
    return [_part(image, 0, cut), _part(image, cut, height)]


def _part(image: Image.Image, top: int, bottom: int) -> bytes:
    kept = io.BytesIO()
    image.crop((0, top, image.width, bottom)).save(kept, "png")
    return kept.getvalue()


def _png(data: dict[str, Any]) -> bytes:
    return base64.b64decode("".join(data["image/png"]))


def _image(picture: bytes, alt: str) -> Markup:
    coded = base64.b64encode(picture).decode()
    return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(alt, coded)


def _shape(figure: Markup, data: dict[str, Any]) -> str:
    """Say how a slide makes room for a picture: in parts, beside its words, or below them."""
    if "image/png" not in data:
        return ""
    if figure.count("<img") > 1:
        return "cut"
    width, height = Image.open(io.BytesIO(_png(data))).size
    return "beside" if height > 0.75 * width else ""


if __name__ == "__main__":
    sys.exit(main())
