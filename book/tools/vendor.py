"""``make vendor``: fetch the front end that the pages and the slides carry, so that they need no
network, and the accessibility checker that the tests run in them.

Only for changing a version: what it writes is committed under ``book/_static/vendor``.
``anywidget.js`` is not here, since the build takes it from the installed package.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

from book.tools.content import ROOT

VENDOR = ROOT / "book" / "_static" / "vendor"
MATHJAX = "mathjax@3.2.2"
REQUIRE = "requirejs@2.3.8"
AXE = "axe-core@4.14.1"
MANAGER = "@jupyter-widgets/html-manager@1.0.15"
REVEAL = "reveal.js@5.2.1"

# A page opened from a disk has the origin "null", and the widgets' fonts would be looked for there.
_ORIGIN = re.compile(r"\$\{(\w)\.origin\}\$\{\1\.pathname\}")
_ANY_ORIGIN = r"${\1.protocol}//${\1.host}${\1.pathname}"


def main() -> int:
    """Write the vendored files; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        mathjax, require, manager = (_unpack(p, where) for p in (MATHJAX, REQUIRE, MANAGER))
        axe, reveal = _unpack(AXE, where), _unpack(REVEAL, where)
        _copy(axe / "axe.min.js", ROOT / "tests" / "vendor")
        _copy(axe / "LICENSE", ROOT / "tests" / "vendor")
        shutil.rmtree(VENDOR / "mathjax", ignore_errors=True)
        _copy(mathjax / "es5" / "tex-chtml-full.js", VENDOR / "mathjax")
        fonts = Path("output", "chtml", "fonts", "woff-v2")
        for font in sorted((mathjax / "es5" / fonts).glob("*.woff")):
            _copy(font, VENDOR / "mathjax" / fonts)
        _copy(mathjax / "LICENSE", VENDOR / "mathjax")
        _copy(require / "require.js", VENDOR)
        for name in ("dist/reveal.js", "dist/reveal.css", "LICENSE"):
            _copy(reveal / name, VENDOR / "reveal")
        for font in sorted((manager / "dist").glob("*.woff2")):
            _copy(font, VENDOR)
        _copy(manager / "dist" / "embed.js.LICENSE.txt", VENDOR)
        _write_manager(manager / "dist" / "embed-amd.js")
    files = metadata.files("ipywidgets") or []
    licence = next(file for file in files if file.name.startswith("LICENSE"))
    shutil.copyfile(str(licence.locate()), VENDOR / "LICENSE.jupyter-widgets")
    return 0


def _unpack(package: str, where: Path) -> Path:
    command = ["npm", "pack", "--silent", package]
    name = subprocess.run(command, cwd=where, check=True, capture_output=True, text=True).stdout
    target = where / name.strip().removesuffix(".tgz")
    with tarfile.open(where / name.strip()) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / source.name)


def _write_manager(source: Path) -> None:
    text, changed = _ORIGIN.subn(_ANY_ORIGIN, source.read_text())
    if not changed:
        raise SystemExit("embed-amd.js finds its fonts in a new way: look at it before going on")
    lines = [x for x in text.splitlines() if not x.startswith("//# sourceMappingURL")]
    (VENDOR / "embed-amd.js").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
