"""What Sphinx does not do by itself for these pages.

- *exact*, *asymptotic* and *heuristic* at the end of a theorem's title become labels; words beside
  them in the same brackets stay in the title.
- A percent sign stays in the line of its number, a comma or a bracket in that of its formula.
- Live Code (thebe) would come from another server: its scripts are left out.
- Roles and names are set right for those who hear a page: the bibliography is a list of list items,
  and a button's name holds what is written on it and nothing that is drawn.
- The formulas' own commands, stated once for MathJax, are there in the PDF, too. The first page's
  sections, which LaTeX takes for chapters, do not count there, so that a chapter has one number.
  A proof is plain text there.
- Binder and Colab are offered where the repository has a notebook to open; a prose page with a few
  cells becomes one during the build only.
- "Edit this page" leads to the file that people edit: a chapter's ``.py``, a prose page's ``.md``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from book.tools.content import ROOT

Context = dict[str, Any]
LABELS = ("exact", "asymptotic", "heuristic")
# "(exact)", "(this project; exact)" or "(exact; the form is ours)" before the title's own bracket.
_IN_TITLE = re.compile(
    rf"[\s,;]*\((?:([^();]+);\s*)?({'|'.join(LABELS)})(?:;\s*([^();]+))?\)(?=\)?\s*$)"
)
_PERCENT = re.compile(r"(?<=\d) (?=%)")
_BEFORE, _BEHIND = re.compile(r"[(\[]+$"), re.compile(r"^[.,;:?!)\]]+")
_SEARCH_NAME = re.compile(r'(<button class="btn search-button-field[^>]*?) aria-label="Search"')
_ICON_NAME = re.compile(r'(<i class="theme-switch [^>]*?)\s+title="[^"]*"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", give_latex_the_commands)
    app.connect("doctree-read", label_titles)
    app.connect("doctree-read", keep_percents_whole)
    app.connect("doctree-read", keep_formulas_with_their_marks)
    app.connect("doctree-read", leave_first_page_uncounted)
    app.connect("doctree-resolved", set_proofs_as_text)
    app.connect("html-page-context", leave_out_thebe, priority=900)
    app.connect("html-page-context", launch_notebooks_only, priority=900)
    app.connect("html-page-context", name_the_roles)
    app.connect("html-page-context", edit_what_people_edit, priority=100)
    app.connect("build-finished", name_the_buttons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def give_latex_the_commands(app: Sphinx, config: Config) -> None:
    """Define in LaTeX what the pages tell MathJax to define."""
    commands: dict[str, str] = config["mathjax3_config"]["tex"]["macros"]
    lines = [rf"\providecommand{{\{name}}}{{{meaning}}}" for name, meaning in commands.items()]
    before = config["latex_elements"].get("preamble", "")
    config["latex_elements"]["preamble"] = "\n".join([before, *lines])


def leave_first_page_uncounted(app: Sphinx, doctree: nodes.document) -> None:
    """Keep LaTeX from counting the sections of the book's first page as chapters."""
    if app.env.docname != app.config.root_doc:
        return
    (page,) = [child for child in doctree.children if isinstance(child, nodes.section)]
    sections = [child for child in page.children if isinstance(child, nodes.section)]
    if sections:
        off, on = (rf"\setcounter{{secnumdepth}}{{{depth}}}" for depth in (-1, 2))
        page.insert(1, nodes.raw("", off, format="latex"))
        sections[-1].append(nodes.raw("", on, format="latex"))


def set_proofs_as_text(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Set a proof as plain text in LaTeX, where its box would have an empty title."""
    if app.builder.format != "latex":
        return
    for box in list(doctree.findall(nodes.admonition)):
        if "proof" in box["classes"] and not isinstance(box.next_node(), nodes.title):
            if not isinstance(box.children[-1], nodes.paragraph):
                box.append(nodes.paragraph())
            box.children[-1].append(nodes.raw("", r"\hfill$\square$", format="latex"))
            box.replace_self(box.children)


def label_titles(app: Sphinx, doctree: nodes.document) -> None:
    """Turn a trailing "(exact)" in a box's title into a label with a class of its own."""
    for box in doctree.findall(_is_proof_box):
        for title in [child for child in box.children if isinstance(child, nodes.title)]:
            last = title.children[-1] if title.children else None
            if not isinstance(last, nodes.Text):
                continue
            found = _IN_TITLE.search(last)
            if found:
                whose = "".join(f"; {words}" for words in (found[1], found[3]) if words)
                kept = nodes.Text(last[: found.start()] + whose + last[found.end() :])
                label = nodes.inline("", found[2], classes=["label", f"label-{found[2]}"])
                title.replace(last, [kept, nodes.Text(" "), label])


def keep_percents_whole(app: Sphinx, doctree: nodes.document) -> None:
    """Let no line end between a number and its percent sign, but for code and formulas."""
    fixed = (nodes.literal, nodes.math, nodes.FixedTextElement)
    for text in list(doctree.findall(nodes.Text)):
        if _PERCENT.search(text) and not isinstance(text.parent, fixed):
            text.parent.replace(text, nodes.Text(_PERCENT.sub("\u00a0", text)))


def keep_formulas_with_their_marks(app: Sphinx, doctree: nodes.document) -> None:
    """Let no line end between a formula and the comma behind it, or the bracket before it."""
    for formula in list(doctree.findall(nodes.math)):
        parent = formula.parent
        if isinstance(parent, nodes.title):  # its words are used elsewhere, too
            continue
        place = parent.index(formula)
        before, behind = _marks(_BEFORE, parent, place - 1), _marks(_BEHIND, parent, place + 1)
        if before or behind:
            whole = nodes.inline("", "", classes=["whole"])
            parent.replace(formula, whole)
            whole.extend([*before, formula, *behind])


def _marks(wanted: re.Pattern[str], parent: nodes.Element, place: int) -> list[nodes.Text]:
    """Take the marks that `wanted` finds out of the text at `place`, and return them."""
    beside = parent[place] if 0 <= place < len(parent) else None
    found = wanted.search(beside) if isinstance(beside, nodes.Text) else None
    if found is None:
        return []
    parent[place] = nodes.Text(wanted.sub("", found.string))
    return [nodes.Text(found[0])]


def leave_out_thebe(app: Sphinx, page: str, template: str, context: Context, *_: Any) -> None:
    """Drop thebe's scripts from the page."""
    context["script_files"] = [s for s in context["script_files"] if not _is_thebe(s)]


def launch_notebooks_only(app: Sphinx, page: str, template: str, context: Context, *_: Any) -> None:
    """Drop the launch buttons from a page that is no notebook in the repository."""
    if not (ROOT / f"{page}.ipynb").is_file():
        buttons = context.get("header_buttons", [])
        context["header_buttons"] = [b for b in buttons if b.get("label") != "launch-buttons"]


def name_the_roles(app: Sphinx, page: str, template: str, context: Context, *_: Any) -> None:
    """Give the bibliography's entries a role that a list may hold, and folds their own words."""
    body = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def name_the_buttons(app: Sphinx, failure: Exception | None) -> None:
    """Set the names of the theme's buttons right in the finished pages."""
    if failure or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text()
        named = _ICON_NAME.sub(r'\1 aria-hidden="true"', _SEARCH_NAME.sub(r"\1", text))
        if named != text:
            path.write_text(named)


def edit_what_people_edit(app: Sphinx, page: str, template: str, context: Context, *_: Any) -> None:
    """Name the source that is in the repository, not the one that the build made of it."""
    for suffix in (".py", ".md"):
        if (ROOT / f"{page}{suffix}").is_file():
            context["page_source_suffix"] = suffix
            return


def _is_proof_box(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and "proof" in node["classes"]


def _is_thebe(script: Any) -> bool:
    attributes = getattr(script, "attributes", {})
    return "thebe" in f"{getattr(script, 'filename', '')}{attributes.get('body', '')}"
