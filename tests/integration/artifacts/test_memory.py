"""The size of a file does not show in the memory that its publication takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
RUN_MODULE = ROOT / "tests" / "integration" / "run_module.py"
MIB = 1024 * 1024
SPREAD = 24  # MiB between two runs of the same size, and some


@pytest.fixture
def sink() -> Iterator[str]:
    """URL of a server that keeps nothing, so that gigabytes take seconds."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tools.bench.sink", str(port)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline(), "it has not started"
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def peak(options: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """MiB that the module's process took at most, and its result."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".build")}
    run = subprocess.Popen(
        [sys.executable, str(RUN_MODULE), "triton_repository"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert run.stdin
    assert run.stdout
    run.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    run.stdin.close()
    said = run.stdout.read()
    run.stdout.close()
    _pid, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss // 1024, json.loads(said)


def test_a_bigger_file_takes_no_more(sink: str, models: Path) -> None:
    weights = models / "add_sub/1/weights.bin"
    options = {"src": str(models), "models": [{"name": "add_sub"}], "repository": "add_sub", "bucket": "models"}
    keys = {"endpoint_url": sink, "access_key": "a", "secret_key": "b", "region": "us-east-1"}
    peaks = []
    for size in (128 * MIB, 640 * MIB):
        with weights.open("wb") as file:
            file.truncate(size)
        used, result = peak({**options, **keys})
        assert result["changed"] is True, result
        peaks.append(used)
        again, result = peak({**options, **keys})
        assert result["changed"] is False, result
        assert again <= used
    assert abs(peaks[1] - peaks[0]) < SPREAD
    assert peaks[1] < 320
