"""Where the figures come from."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tools.bench.server import Server


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def describe(server: Server, before: str, after: str) -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} cores ({cpu}), load {before} before and {after} after; Python {platform.python_version()},"
        f" ansible-core {version('ansible-core')}, psycopg2 {version('psycopg2-binary')}, Postgres {server.version} with fsync off"
    )
