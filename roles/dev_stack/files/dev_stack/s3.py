# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3: SeaweedFS in one process, with an administrator's and a reader's keys."""

from __future__ import annotations

import json
import secrets
import signal
from pathlib import Path
from typing import Any

from . import packages
from .processes import LOOPBACK, Record, StackError, choose_port, free_run, spawn, stop, wait_until
from .s3_request import request
from .settings import Settings

NAME, USUAL_PORT, BINARY = "s3", 8333, "weed"
GRPC = 10_000  # each part listens there too, at its port plus this
INNER_PARTS = ("master", "volume", "filer", "admin", "metrics")


def plan(settings: Settings, kept: dict[str, Any], running: bool) -> dict[str, Any]:
    server = packages.find(BINARY, settings.search) or settings.environment / "bin" / BINARY
    return {
        "port": choose_port(NAME, settings.ports[NAME], kept.get("port"), USUAL_PORT, running),
        "server": str(server),
    }


def missing(settings: Settings, spec: dict[str, Any]) -> str | None:
    return None if Path(spec["server"]).exists() else BINARY


def start(settings: Settings, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    home = settings.state / "s3"
    kept["data"] = str(home / "data")
    data, scratch, log = home / "data", home / "tmp", home / "s3.log"
    for folder in (home, data, scratch):
        folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("access_key", "reader_access_key"):
        kept.setdefault(name, "AK" + secrets.token_hex(9).upper())
        kept.setdefault(name.replace("access", "secret"), secrets.token_urlsafe(30))
    identities = home / "identities.json"
    identities.touch(mode=0o600)
    identities.write_text(json.dumps({"identities": _identities(kept)}, indent=1))
    inner = _inner_ports()
    command = [
        spec["server"],
        "mini",
        f"-dir={data}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        f"-s3.port={spec['port']}",
        f"-s3.port.grpc={inner['s3.grpc']}",
        f"-s3.config={identities}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
        *(f"-{part}.port={inner[part]}" for part in INNER_PARTS[:-1]),
        f"-metricsPort={inner['metrics']}",
        "-admin.ui=false",
        "-webdav=false",
        "-master.telemetry=false",
    ]
    # It leaves sockets in the temporary folder, whose paths may be 107 characters at most: then the common one must do.
    short = len(str(scratch)) < 70
    process = spawn(command, log, home, {"TMPDIR": str(scratch)} if short else None)
    kept = {**kept, "port": spec["port"], "process": process}
    try:
        # The port opens a second before a volume can take an object: ready means that one was written.
        wait_until(lambda: _writable(kept), "S3", process, log)
    except StackError:
        stop(process)
        raise
    return kept


def halt(process: Record) -> None:
    stop(process, signal.SIGTERM)


def environment(kept: dict[str, Any]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{kept['port']}",
        "AWS_ACCESS_KEY_ID": kept["access_key"],
        "AWS_SECRET_ACCESS_KEY": kept["secret_key"],
        "AWS_REGION": "us-east-1",
    }


def folders(kept: dict[str, Any]) -> list[Path]:
    return [Path(kept["data"]).parent] if "data" in kept else []


def absent_buckets(kept: dict[str, Any], buckets: tuple[str, ...]) -> list[str]:
    return [bucket for bucket in buckets if _call(kept, "HEAD", f"/{bucket}") != 200]


def make_bucket(kept: dict[str, Any], bucket: str) -> None:
    def made() -> bool:
        try:
            status = _call(kept, "PUT", f"/{bucket}")
        except OSError:
            return False
        if 400 <= status < 500 and status != 409:
            raise StackError(f"S3 answered {status} when the bucket {bucket} was made.")
        return status in (200, 409)  # a busy machine's first answers may be others

    wait_until(made, f"The bucket {bucket} of S3", kept["process"], Path(kept["data"]).parent / "s3.log")


def _writable(kept: dict[str, Any]) -> bool:
    probe = "/dev-stack-ready"
    try:
        if _call(kept, "PUT", probe) not in (200, 409) or _call(kept, "PUT", f"{probe}/object", b"x") != 200:
            return False
        _call(kept, "DELETE", f"{probe}/object")
        return _call(kept, "DELETE", probe) == 204
    except OSError:
        return False


def _call(kept: dict[str, Any], method: str, path: str, body: bytes = b"") -> int:
    return request(method, LOOPBACK, kept["port"], path, kept["access_key"], kept["secret_key"], body)


def _identities(kept: dict[str, Any]) -> list[dict[str, Any]]:
    def identity(name: str, prefix: str, actions: list[str]) -> dict[str, Any]:
        keys = {"accessKey": kept[f"{prefix}access_key"], "secretKey": kept[f"{prefix}secret_key"]}
        return {"name": name, "credentials": [keys], "actions": actions}

    everything = ["Admin", "Read", "List", "Tagging", "Write"]
    return [identity("admin", "", everything), identity("reader", "reader_", ["Read", "List"])]


def _inner_ports() -> dict[str, int]:
    names = (*INNER_PARTS, "s3.grpc")
    return dict(zip(names, free_run(len(names), GRPC), strict=True))
