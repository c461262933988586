"""A Slurm of three shell scripts: a job is a process group of this machine."""

import os
import signal
from pathlib import Path

SBATCH = """\
#!/bin/bash
number=$(( $(cat "$FAKE_SLURM/last" 2>/dev/null || echo 100) + 1 ))
echo $number > "$FAKE_SLURM/last"
cp "${@: -1}" "$FAKE_SLURM/$number.sh"
export SLURM_JOB_ID=$number script="$FAKE_SLURM/$number.sh"
setsid bash -c 'while [ -e "$FAKE_SLURM/full" ]; do sleep 0.1; done; exec bash "$script"' \
    > /dev/null 2>&1 < /dev/null &
echo $! > "$FAKE_SLURM/$number.pid"
echo "Submitted batch job $number"
"""
SCANCEL = """\
#!/bin/bash
kill -KILL -- -$(cat "$FAKE_SLURM/$1.pid") 2>/dev/null
rm -f "$FAKE_SLURM/$1.pid"
"""
REFUSING = """\
#!/bin/bash
echo "sbatch: error: invalid partition specified: gpu" >&2
exit 1
"""


class FakeSlurm:
    """Its jobs, which wait while there is a file `full`, and the walltime that ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.install("sbatch", SBATCH)
        self.install("scancel", SCANCEL)

    def install(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(script)
        path.chmod(0o755)

    @property
    def jobs(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.sh"))

    def end(self, number: int) -> None:
        """The walltime is over: everything of the job is killed."""
        os.killpg(int((self.folder / f"{number}.pid").read_text()), signal.SIGKILL)
