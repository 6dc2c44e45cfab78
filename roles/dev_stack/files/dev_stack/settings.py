# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

SERVICES = ("postgres", "s3", "nats")


@dataclass
class Settings:
    """Options of the stack; a port of 0 takes the usual one if it is free, else any, and then keeps it."""

    state: Path
    services: tuple[str, ...] = SERVICES
    ports: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    database: str = "mlops"
    buckets: tuple[str, ...] = ("mlops-artifacts",)
    binaries: tuple[Path, ...] = ()  # folders searched before a package is installed
    postgres_bin: str = ""  # folder of a server; empty: look for one; "package": the packaged one
    postgres_options: tuple[str, ...] = ()  # name=value
    run_as: str = ""  # Postgres' user when the caller is root

    @property
    def environment(self) -> Path:
        return self.state / "venv"

    @property
    def search(self) -> list[Path]:
        return [*self.binaries, self.environment / "bin"]
