"""A module in a Python process of its own, with its arguments as Ansible gives them, and the time that the process takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PROGRAM = """
import importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), "legacy"
importlib.import_module("ansible_collections.mlops.serving.plugins.modules." + sys.argv[1]).main()
"""


@dataclass(frozen=True)
class Run:
    """:param process: seconds from the start of Python to its end; :param cpu: those that it computed, Postgres not counted

    :param result: what the module printed; :param memory: the most that it held, MiB
    """

    process: float
    cpu: float
    result: dict[str, Any]
    memory: float


def run_module(root: Path, name: str, /, **options: Any) -> Run:
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = start_module(root, name, output, **options)
        # Its own use, and not that of all children so far.
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise SystemExit(f"module {name} failed: {printed}")
    return Run(seconds, cpu, json.loads(printed.splitlines()[-1]), used.ru_maxrss / 1024)


def start_module(root: Path, name: str, output: IO[str], /, **options: Any) -> subprocess.Popen[str]:
    """One that goes on until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, name],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment(root),
        text=True,
    )
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}})
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(given)
    return process


def environment(root: Path) -> dict[str, str]:
    """Ours, without what would change the figures; compiled files are kept, as Python does."""
    changing = ("PYTHONDONTWRITEBYTECODE", "DEPLOY_MODE", "DATABASE_URL")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in changing and not name.startswith(("PG", "ANSIBLE_"))
    }
    return {**kept, "PYTHONPATH": str(root / ".build")}
