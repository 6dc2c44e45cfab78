"""Virtual environments that outlive a test run, in the cache folder: what they hold takes longer to install than to test."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(
    os.environ.get("MLOPS_SERVING_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops.serving"
)


def environment(name: str, base: str, packages: Sequence[str]) -> Path:
    """The folder of an environment of the Python `base` with exactly these packages, made where it is not complete yet."""
    folder = CACHE / name
    complete = folder / "complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text().split() != list(packages):
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([base, "-m", "venv", str(folder)], check=True)
            pip = [
                str(folder / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ]
            subprocess.run([*pip, *packages], check=True)
            complete.write_text("\n".join(packages))
    return folder
