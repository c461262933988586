"""``python -m benchmarks [section …] [--quick]``: run, print, and write results/*.json.

``python -m benchmarks verdict`` holds what was written against the targets.
"""

from __future__ import annotations

import argparse

from benchmarks import (
    accuracy,
    batched,
    common,
    coverage,
    finetuning,
    growth,
    moving,
    products,
    recipe,
    redraw,
    rule,
    verdict,
)

SECTIONS = {
    "products": lambda quick, examples: products.run(quick, examples),
    "accuracy": lambda quick, _: accuracy.run(quick=quick),
    "growth": lambda quick, _: growth.run(quick),
    "recipe": lambda quick, _: recipe.run(quick),
    "coverage": lambda quick, _: coverage.run(20 if quick else 100),
    "moving": lambda quick, _: moving.run(10, 1) if quick else moving.run(),
    "batched": lambda quick, _: batched.run(quick),
    "finetuning": lambda quick, _: finetuning.run(quick),
    "rule": lambda *_: rule.run(),
    "redraw": lambda quick, _: redraw.run(quick),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=", ".join((*SECTIONS, "verdict"))
    )
    parser.add_argument("--quick", action="store_true", help="small versions, nothing is written")
    parser.add_argument(
        "--resnet-examples", type=int, default=512, help="fewer on a slow machine (default 512)"
    )
    options = parser.parse_args()
    if options.sections == ["verdict"]:
        verdict.run()
        return
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section {sorted(unknown)[0]!r}; there are {', '.join(SECTIONS)}")
    for name in options.sections or SECTIONS:
        print(f"\n=== {name}")
        results = SECTIONS[name](options.quick, options.resnet_examples)
        if not options.quick:
            print(f"wrote {common.save(name, results)}")


if __name__ == "__main__":
    main()
