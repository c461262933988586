"""``python -m book.tools.hero``: the picture of the README and the front page, from a result.

Run it after ``book/results/fashion-fc5.json`` has changed; the picture is committed.
"""

from __future__ import annotations

import matplotlib

from book.tools.content import ROOT

RESULT = ROOT / "book" / "results" / "fashion-fc5.json"
PICTURE = ROOT / "book" / "_static" / "four-curves.png"


def main() -> None:
    """Draw the four curves of FC5 on Fashion-MNIST and say where the picture is."""
    matplotlib.use("agg")
    from prunelimit import plots
    from prunelimit.results.result import Result

    plots.use_style()
    figure = plots.four_curves_of_result(Result.load(RESULT))
    figure.savefig(PICTURE, dpi=200)
    print(f"drawn from {RESULT.relative_to(ROOT)}: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
