# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NATS with JetStream, a generated password in a private configuration file."""

from __future__ import annotations

import json
import secrets
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from . import packages
from .processes import LOOPBACK, Record, StackError, choose_port, free_run, spawn, stop, wait_until
from .settings import Settings

NAME, USUAL_PORT, USER, BINARY = "nats", 4222, "mlops", "nats-server"


def plan(settings: Settings, kept: dict[str, Any], running: bool) -> dict[str, Any]:
    server = packages.find(BINARY, settings.search) or settings.environment / "bin" / BINARY
    return {
        "port": choose_port(NAME, settings.ports[NAME], kept.get("port"), USUAL_PORT, running),
        "server": str(server),
    }


def missing(settings: Settings, spec: dict[str, Any]) -> str | None:
    return None if Path(spec["server"]).exists() else BINARY


def start(settings: Settings, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    home = settings.state / "nats"
    kept["data"] = str(home / "data")
    home.mkdir(mode=0o700, exist_ok=True)
    kept.setdefault("password", secrets.token_urlsafe(24))
    kept["monitor"] = free_run(1)[0]
    configuration, log = home / "nats.conf", home / "nats.log"
    configuration.touch(mode=0o600)
    # The server's own format is a superset of JSON.
    configuration.write_text(
        json.dumps(
            {
                "host": LOOPBACK,
                "port": spec["port"],
                "http": f"{LOOPBACK}:{kept['monitor']}",
                "jetstream": {"store_dir": str(home / "data")},
                "authorization": {"user": USER, "password": kept["password"]},
            },
            indent=1,
        )
    )
    process = spawn([spec["server"], "-c", str(configuration)], log, home)
    try:
        wait_until(lambda: _healthy(kept["monitor"]), "NATS", process, log)
    except StackError:
        stop(process)
        raise
    return {**kept, "port": spec["port"], "process": process}


def halt(process: Record) -> None:
    stop(process, signal.SIGTERM)


def environment(kept: dict[str, Any]) -> dict[str, str]:
    return {"NATS_URL": f"nats://{USER}:{kept['password']}@{LOOPBACK}:{kept['port']}"}


def folders(kept: dict[str, Any]) -> list[Path]:
    return [Path(kept["data"]).parent] if "data" in kept else []


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
