"""The lecture plans of ``book/teaching.md``, a part at a time, for whoever speaks from them."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book.tools.content import ROOT

GUIDE = ROOT / "book" / "teaching.md"
_ROW = re.compile(r"^\| (\d+–\d+) \| (.+) \|$", re.MULTILINE)
_LABELLED = re.compile(r":{3,}\{prf:\w+\} (.+?)\n(?:# )?:label: (\S+)")


@lru_cache
def plans() -> dict[str, str]:
    """Return the text of each plan (a section of the guide) by its heading."""
    parts = re.split(r"^#{2,3} ", GUIDE.read_text(), flags=re.MULTILINE)[1:]
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts)}


def part(reference: str) -> str:
    """Return what "PLAN: PART" names: a row of minutes, or a part with a bold heading.

    Raises
    ------
    KeyError
        The guide has no such plan, or the plan no such part.

    Examples
    --------
    >>> part("Convex cones: Open with").startswith("You stand at the pruned weights.")
    True
    """
    heading, _, name = reference.partition(": ")
    text = plans()[heading]
    rows = dict(_ROW.findall(text))
    if name in rows:
        return rows[name]
    found = re.search(
        rf"^\*\*{re.escape(name)}\.\*\*(.+?)(?=^\*\*|^\| minutes|\Z)", text, re.M | re.S
    )
    if not found:
        raise KeyError(reference)
    return found[1].strip()


def to_html(text: str, pages: str | None = None) -> str:
    r"""Return Markdown as HTML: formulas for MathJax, the book's roles as the words that they show.

    Parameters
    ----------
    text
        MyST Markdown with dollar formulas.
    pages
        Where the book's pages lie, as seen by the reader: links into the book lead there.
        None takes links to pages away and leaves their words.

    Examples
    --------
    >>> to_html(r"$\delta$ of {doc}`chapter 2 </notebooks/02_gaussian_width>`")
    '<p><span class="math inline">\\(\\delta\\)</span> of chapter 2</p>\n'
    """
    return _markdown().render(_plain_roles(text, pages))


def macros() -> Markup:
    """Return the book's own commands for formulas, as JSON for MathJax."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    return Markup(json.dumps(config["sphinx"]["config"]["mathjax3_config"]["tex"]["macros"]))


def inline_html(text: str) -> str:
    """Return a line of Markdown as HTML, without a paragraph around it."""
    return _markdown().renderInline(_plain_roles(text, None))


def _plain_roles(text: str, pages: str | None) -> str:
    text = re.sub(r"\{doc\}`([^`<]+?) *<[^>]+>`", r"\1", text)
    text = re.sub(r"\{doc\}`(?:.*/)?([^`<>]+)`", r"\1", text)
    text = re.sub(r"\{prf:ref\}`([^`]+)`", lambda m: f"*{_titles().get(m[1], m[1])}*", text)
    text = re.sub(r" ?\{cite\}`[^`]+`", "", text)
    if pages is None:
        return re.sub(r'<a href="[^"]*">(.*?)</a>', r"\1", text)
    return text.replace('href="../notebooks/', f'href="{pages}/notebooks/')


@lru_cache
def _titles() -> dict[str, str]:
    """Return the titles of the chapters' numbered boxes by their labels."""
    sources = [path.read_text() for path in sorted((ROOT / "notebooks").glob("*.py"))]
    return {
        label: re.sub(r" \((exact|asymptotic|heuristic).*\)$", "", title)
        for source in sources
        for title, label in _LABELLED.findall(source)
    }


@lru_cache
def _markdown() -> MarkdownIt:
    def formula(content: str, options: dict[str, Any]) -> str:
        left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
        return left + content.replace("&", "&amp;").replace("<", "&lt;") + right

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    return markdown.use(dollarmath_plugin, renderer=formula)
