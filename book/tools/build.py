"""``make book``: the main job, the chapters, the pages.

Each step is skipped when nothing that it reads has changed since it last went well.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from nbformat import NotebookNode

from book.tools.content import (
    BUILD,
    ROOT,
    digest,
    digest_of_files,
    environment,
    files_below,
    read_json,
    write_if_different,
)
from book.tools.execute import PACKAGE, NotebookFailed, execute_all, with_outputs
from book.tools.stage import STAGE, Page, pages, stage

HTML = BUILD / "html"
PDF = BUILD / "pdf" / "book.pdf"
RUNS = BUILD / "runs"
MAIN_JOB = ("reproduce", "digits-mlp", "--run-dir")
STAMPS = BUILD / "stamps"
RUN_TIMES = "book/generated/run-times.md"
PAGE_TOOLS = ("jupyter-book", "myst-nb", "sphinx", "sphinx-book-theme", "sphinx-proof")


def main(arguments: list[str] | None = None) -> int:
    """Build the book; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pdf", action="store_true", help="make the PDF instead of the pages")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        report = run_main_job()
        key = prepare(pages())
        result = build_pdf(key) if options.pdf else build_pages(key)
    except (NotebookFailed, StepFailed, FileNotFoundError) as failure:
        print(f"\nThe book was not built.\n\n{failure}", file=sys.stderr)
        return 1
    print(f"\n{report.strip()}\n")
    print(f"The book is at {result.as_uri()}  ({time.perf_counter() - started:.1f} s)")
    return 0


class StepFailed(Exception):
    """A program that the build runs failed; the message says which, and what it printed."""


def run_main_job() -> str:
    """Train, predict and measure on the embedded data; return what the command printed."""
    key = digest(digest_of_files(files_below(PACKAGE)), environment(), *MAIN_JOB)
    kept = read_json(STAMPS / "main-job.json")
    if kept.get("key") == key:
        return kept["report"]
    print("Training, predicting and measuring on the embedded data …", flush=True)
    # A directory for each state of the code: a killed run goes on, a stale one is not read.
    directory = RUNS / f"digits-mlp-{key[:12]}"
    for other in RUNS.glob("digits-mlp-*"):
        if other != directory:
            shutil.rmtree(other)
    command = [sys.executable, "-m", "prunelimit.lab.cli", *MAIN_JOB, str(directory)]
    report = _run(command, "the main job", environment={"COLUMNS": "110"})
    _stamp("main-job", key, report=report)
    return report


def prepare(book: list[Page]) -> str:
    """Run what changed and lay out what Sphinx reads; return a fingerprint of all of it."""
    notebooks = {p.source: nb for p in book if (nb := p.notebook()) is not None}
    print(f"Executing what changed among {len(notebooks)} pages with code …", flush=True)
    executed = execute_all(notebooks, workers=min(2, os.cpu_count() or 1))
    shown = {path: with_outputs(nb, executed[path]) for path, nb in notebooks.items()}
    seconds = {path: done.seconds for path, done in executed.items()}
    files = stage(book, shown, {RUN_TIMES: run_times(book, shown, seconds)})
    tools = files_below(ROOT / "book" / "tools")
    return digest(digest_of_files([*files, *tools]), *map(metadata.version, PAGE_TOOLS))


def run_times(book: list[Page], shown: dict[Path, NotebookNode], seconds: dict[Path, float]) -> str:
    """Return the table of what each chapter takes to run, in MyST Markdown.

    Parameters
    ----------
    book
        The pages.
    shown, seconds
        Those pages that have code, and how long each took to run, by source path.
    """
    rows = [
        f"| {{doc}}`/{page.name}` | {_duration(seconds[page.source])} "
        f"| {sum(c.cell_type == 'code' for c in shown[page.source].cells)} |"
        for page in book
        if page.name.startswith("notebooks/") and page.source in shown
    ]
    if not rows:
        return "No chapter has been run yet.\n"
    return "\n".join(
        [
            "| Chapter | Time to run | Code cells |",
            "|---|---:|---:|",
            *rows,
            f"| all pages with code, one after another | {_duration(sum(seconds.values()))} | |",
            "",
        ]
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def build_pages(key: str) -> Path:
    """Build the HTML with warnings as errors, unless it is that of `key`; return the first page."""
    first = HTML / "index.html"
    if read_json(STAMPS / "html.json").get("key") == key and first.is_file():
        print("The pages are up to date.")
        return first
    print("Building the pages …", flush=True)
    # --all, since a page's side bar repeats the titles of the others.
    _run(_jupyter_book("--all", "--quiet"), "jupyter-book")
    _stamp("html", key)
    return first


def build_pdf(key: str) -> Path:
    """Build the PDF, unless it is that of `key`; return its path."""
    if shutil.which("latexmk") is None or shutil.which("xelatex") is None:
        raise StepFailed(
            "The PDF needs latexmk and XeLaTeX. On Debian: apt-get install latexmk texlive-xetex "
            "texlive-latex-extra texlive-fonts-extra fonts-freefont-otf"
        )
    if read_json(STAMPS / "pdf.json").get("key") == key and PDF.is_file():
        print("The PDF is up to date.")
        return PDF
    print("Building the PDF …", flush=True)
    _run(_jupyter_book("--all", "--quiet", "--builder", "pdflatex"), "the PDF")
    made = next((BUILD / "latex").glob("*.pdf"))
    PDF.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made, PDF)
    _stamp("pdf", key)
    return PDF


def _jupyter_book(*options: str) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("jupyter-book")), "build", str(STAGE)),
        *("--config", str(STAGE / "_config.yml"), "--toc", str(STAGE / "book" / "_toc.yml")),
        *("--path-output", str(ROOT), "-W", "--keep-going", *options),
    ]


def _run(command: list[str], name: str, environment: dict[str, str] | None = None) -> str:
    """Return what `command` printed; on failure raise with the part that tells why."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = BUILD / "logs" / f"{name.replace(' ', '-')}.log"
    write_if_different(log, done.stdout)
    if done.returncode:
        lines = done.stdout.splitlines()
        told = [x for x in lines if "WARNING" in x or "ERROR" in x] or lines[-40:]
        raise StepFailed("\n".join([f"{name} failed (all it said: {log}):", *told]))
    return done.stdout


def _stamp(name: str, key: str, **more: str) -> None:
    write_if_different(STAMPS / f"{name}.json", json.dumps({"key": key, **more}))


if __name__ == "__main__":
    sys.exit(main())
