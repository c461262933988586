"""``make handout``: the exercises of all chapters on paper, with their solutions and without.

They are taken from the built pages, where every formula, number and reference is set already, and
put on two pages under ``_build/handout``; Chromium, where it is installed, prints both as PDF.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from posixpath import normpath
from typing import Any

import jinja2
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from book.tools.build import HTML
from book.tools.content import BUILD, ROOT, write_if_different
from book.tools.plans import macros

HANDOUT = BUILD / "handout"
MATHJAX = ROOT / "book" / "_static" / "vendor" / "mathjax"
EDITIONS = {"exercises": "Exercises", "solutions": "Exercises with solutions"}
_PAGE = Path(__file__).with_name("handout.html")
_PRINT_TIMEOUT_S = 300


def main(arguments: list[str] | None = None) -> int:
    """Write both editions; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--book", default="../html", help="the pages, as seen from the handout")
    options = parser.parse_args(arguments)
    if not list(HTML.glob("notebooks/*.html")):
        print("The exercises come from the book's pages: make book", file=sys.stderr)
        return 1
    pages = build(options.book)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    for page in pages:
        print(f"The handout is at {page.as_uri()}")
        if chromium:
            print(f"            and at {print_pdf(page, chromium).as_uri()}")
    if not chromium:
        print("No PDF: chromium is not installed. Any browser prints the two pages.")
    return 0


def build(book: str = "../html", folder: Path = HANDOUT, html: Path = HTML) -> list[Path]:
    """Write the two editions into `folder`; return their pages.

    Parameters
    ----------
    book
        Where the book's pages lie, as seen from `folder`: references lead there.
    folder
        Where to write.
    html
        The built pages to take the exercises from.
    """
    chapters = [chapter(path) for path in sorted(html.glob("notebooks/[0-9][0-9]_*.html"))]
    chapters = [c for c in chapters if c["exercises"]]
    marks = _rubric(html)
    template = jinja2.Template(_PAGE.read_text(), autoescape=True, undefined=jinja2.StrictUndefined)
    here = {x["id"] for c in chapters for x in c["exercises"]}
    made = []
    for name, title in EDITIONS.items():
        text = template.render(
            title=title,
            chapters=chapters,
            solved=name == "solutions",
            marks=marks,
            macros=macros(),
            code_style=Markup(HtmlFormatter(style="bw").get_style_defs(".highlight")),
        )
        write_if_different(folder / f"{name}.html", _with_links(text, book, here))
        made.append(folder / f"{name}.html")
    shutil.copytree(MATHJAX, folder / "vendor" / "mathjax", dirs_exist_ok=True)
    return made


def chapter(path: Path) -> dict[str, Any]:
    """Return a built chapter's name, title and exercises, each with its solution."""
    soup = BeautifulSoup(path.read_text(), "html.parser")
    for link in soup.select("a[href]"):
        link["href"] = _from_the_top(str(link["href"]), path)
    for code in soup.select("pre"):
        code["tabindex"] = "0"  # it scrolls, so a keyboard must reach it
    heading = _first(soup, "h1")
    for link in heading.select("a"):
        link.decompose()
    solved = {
        str(_first(box, ".admonition-title a")["href"]).partition("#")[2]: box
        for box in soup.select("div.solution")
    }
    return {
        "name": path.stem,
        "number": int(path.stem[:2]),
        "title": heading.get_text(),
        "exercises": [
            {
                "id": str(box["id"]),
                "title": " ".join(_first(box, ".admonition-title").get_text().split()),
                "text": _content(box),
                "solution": _content(solved[str(box["id"])]),
            }
            for box in soup.select("div.exercise")
        ],
    }


def print_pdf(page: Path, chromium: str) -> Path:
    """Print a page as the PDF beside it; return its path."""
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--no-pdf-header-footer"),
            # Formulas are set by then: the browser's own clock runs on while it waits.
            *("--virtual-time-budget=60000", f"--print-to-pdf={target}", page.as_uri()),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=_PRINT_TIMEOUT_S)
    return target


def _rubric(html: Path) -> dict[str, Markup]:
    """Return the built rubric's tables by the chapter that the section above each links to."""
    page = html / "book" / "rubric.html"
    soup = BeautifulSoup(page.read_text() if page.is_file() else "", "html.parser")
    found = {}
    for table in soup.select("section table"):
        link = table.find_previous("a", href=re.compile("notebooks/"))
        if isinstance(link, Tag):
            del table["class"]
            found[Path(str(link["href"]).partition("#")[0]).stem] = Markup(str(table))
    return found


def _from_the_top(link: str, page: Path) -> str:
    """Return a link of a page as seen from the top of the book (``BOOK`` stands for that)."""
    if re.match(r"[a-z]+:", link):
        return link
    place, mark, fragment = link.partition("#")
    return "BOOK/" + normpath(f"{page.parent.name}/{place or page.name}") + mark + fragment


def _with_links(text: str, book: str, here: set[str]) -> str:
    """Let references lead to this page's own exercises, or to the book's pages."""

    def lead(found: re.Match[str]) -> str:
        fragment = found[1].partition("#")[2]
        return f'href="#{fragment}"' if fragment in here else f'href="{book}/{found[1]}"'

    return re.sub(r'href="BOOK/([^"]*)"', lead, text)


def _first(box: Tag, selector: str) -> Tag:
    found = box.select_one(selector)
    assert found is not None, selector
    return found


def _content(box: Tag) -> Markup:
    return Markup(_first(box, "section").decode_contents())


if __name__ == "__main__":
    sys.exit(main())
