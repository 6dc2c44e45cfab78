"""Object stores for measurements, on loopback, gone afterwards: the SeaweedFS of dev_stack, and one that keeps nothing."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.bench.server import _free_port, _run


@dataclass(frozen=True)
class S3:
    """:param environment: variables with its address and keys; :param pid: its process"""

    name: str
    environment: dict[str, str]
    pid: int


@contextlib.contextmanager
def seaweedfs(root: Path, folder: Path, buckets: tuple[str, ...]) -> Iterator[S3]:
    state = folder / "s3"
    dev_stack = [sys.executable, str(root / "roles" / "dev_stack" / "files" / "dev_stack")]
    where = ["--state", str(state)]
    options = ["--services", "s3", "--s3-port", str(_free_port()), "--buckets", ",".join(buckets)]
    try:
        _run([*dev_stack, "up", *where, *options, "--binaries", str(Path(sys.executable).parent)])
        pid = json.loads((state / "stack.json").read_text())["s3"]["process"]["pid"]
        yield S3("SeaweedFS", json.loads((state / "env.json").read_text()), pid)
    finally:
        _run([*dev_stack, "down", *where, "--remove"])


@contextlib.contextmanager
def sink(root: Path) -> Iterator[S3]:
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-m", "tools.bench.sink", str(port)], cwd=root, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()  # said when it listens
        address = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "us-east-1"}
        yield S3(
            "a server that keeps nothing",
            {**address, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"},
            process.pid,
        )
    finally:
        process.terminate()
        process.wait()
