"""``make kernels``: the notebooks again, with the arithmetic of another processor.

BLAS libraries, PyTorch and NumPy pick their kernels by the processor that they find, and round
differently with each. Told to work as on an old one, they stand for all those that we do not have.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import numpy as np

from book.tools.check import notebooks, run_pytest

_OLD = {
    "x86_64": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
    },
    "aarch64": {"OPENBLAS_CORETYPE": "ARMV8", "ATEN_CPU_CAPABILITY": "default"},
}
_ASK = """
import json, numpy, scipy.linalg, threadpoolctl, torch
print(json.dumps({
    "BLAS": sorted({p.get("architecture", "") for p in threadpoolctl.threadpool_info()} - {""}),
    "PyTorch": torch.backends.cpu.get_cpu_capability(),
    "NumPy": numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
}))
"""


def main() -> int:
    """Say which kernels are used, run the notebooks with them; return pytest's exit status."""
    other = switches()
    if not other:
        print(f"no switch is known for the kernels of a {platform.machine()}")
        return 0
    print(f"this machine's kernels: {used({})}\nkernels that are used:  {used(other)}", flush=True)
    return run_pytest(notebooks(), **other)


def switches() -> dict[str, str]:
    """Return the environment variables that give this machine another one's kernels."""
    chosen = _OLD.get(platform.machine(), {})
    beyond = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return {**chosen, "NPY_DISABLE_CPU_FEATURES": " ".join(beyond)} if chosen and beyond else chosen


def used(environment: dict[str, str]) -> str:
    """Return which kernels a process takes with `environment`."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    found["NumPy"] = " ".join(found["NumPy"]) or "none beyond the baseline"
    found["BLAS"] = ", ".join(found["BLAS"])
    return "; ".join(f"{name} {kernel}" for name, kernel in found.items())


if __name__ == "__main__":
    sys.exit(main())
