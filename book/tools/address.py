"""Where the repository can be found by others: one setting, and nothing where there is none.

The address is ``[tool.prunelimit] address`` of ``pyproject.toml``; where that is empty, the public
host that the checkout's remote ``origin`` names. With an address the pages have buttons to edit, to
report, to launch and to go to the repository; without one they have none, for a button that leads
nowhere is worse than no button. Chapters carry the cell that Colab needs, which opens one file
alone, only where the setting itself is given, since committed files must not depend on a remote.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import yaml
from nbformat import NotebookNode, v4

from book.tools.content import ROOT

_PUBLIC_HOST = re.compile(
    r"(?:https://|ssh://git@|git@)(?P<host>github\.com|gitlab\.com|codeberg\.org)[/:]"
    r"(?P<place>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
_COLAB_MARK = 'if "google.colab" in sys.modules:'
_COLAB = """\
import os
import sys

if "google.colab" in sys.modules:  # Colab opens this file alone: fetch what belongs to it
    os.system("git clone -q --depth 1 {address} /content/book")
    os.system(f"{{sys.executable}} -m pip install -q /content/book")
    os.chdir("/content/book/notebooks")
    from google.colab import output

    output.enable_custom_widget_manager()"""


def setting() -> str | None:
    """Return the address that ``pyproject.toml`` gives, or None.

    Raises
    ------
    ValueError
        It is given and is not the address of a repository on a public host.
    """
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    given = str(tools.get("prunelimit", {}).get("address", ""))
    if given and public(given) is None:
        raise ValueError(
            f"[tool.prunelimit] address is {given!r} in pyproject.toml; expected something like "
            "https://github.com/OWNER/NAME, or nothing"
        )
    return public(given)


def address() -> str | None:
    """Return the repository's public address: the setting, else what ``origin`` is, else None."""
    return setting() or public(_origin())


def public(remote: str) -> str | None:
    """Return the https address of a remote on a public host, None for any other.

    Examples
    --------
    >>> public("git@github.com:someone/limits.git")
    'https://github.com/someone/limits'
    >>> public("/home/me/limits")
    """
    found = _PUBLIC_HOST.fullmatch(remote)
    return f"https://{found['host']}/{found['place']}" if found else None


def pages_address(repository: str) -> str | None:
    """Return where GitHub shows the pages of `repository`; None for other hosts.

    Examples
    --------
    >>> pages_address("https://github.com/someone/limits")
    'https://someone.github.io/limits/'
    """
    host, owner, name = repository.removeprefix("https://").split("/")
    return f"https://{owner.lower()}.github.io/{name}/" if host == "github.com" else None


def configuration(text: str, repository: str | None) -> str:
    """Return ``_config.yml`` with the buttons of `repository`, or with none."""
    config: dict[str, Any] = yaml.safe_load(text)
    if repository is None:
        return text
    config["repository"] = {"url": repository, "branch": "main"}
    buttons = ("use_edit_page_button", "use_repository_button", "use_issues_button")
    config["html"].update(dict.fromkeys(buttons, True))
    home = pages_address(repository)
    if home:
        config["launch_buttons"] = {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        }
        config["html"]["baseurl"] = home
        config["sphinx"]["config"]["ogp_site_url"] = home
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def with_colab_cell(notebook: NotebookNode, repository: str | None) -> NotebookNode:
    """Give a chapter the hidden cell that Colab needs before its first code, or take it out."""
    cells = [c for c in notebook.cells if _COLAB_MARK not in c.source or c.cell_type != "code"]
    if repository and repository.startswith("https://github.com/"):
        first = next((i for i, c in enumerate(cells) if c.cell_type == "code"), len(cells))
        cell = v4.new_code_cell(_COLAB.format(address=repository), id="colab")
        cell.metadata["tags"] = ["remove-cell"]
        cells.insert(first, cell)
    notebook.cells = cells
    return notebook


def _origin() -> str:
    command = ["git", "remote", "get-url", "origin"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git: an unpacked archive
        return ""
