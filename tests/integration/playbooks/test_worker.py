"""The playbook of the worker: it works until it is ended, and says what it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import until
from world import world

from .conftest import OURS, ROOT

__all__ = ("world",)


def test_it_works_until_it_is_ended(world: Any, tmp_path: Path) -> None:
    (version,) = world.model("s3://models/add_sub/1/")
    output = tmp_path / "output"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ansible-playbook")), "mlops.serving.worker", "-e", "worker_sweep=1"],
            cwd=ROOT,
            env={**kept, "DATABASE_URL": world.url, "DEPLOY_MODE": "simulate"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "looks for work every 1 s" in output.read_text(), 60, told=output.read_text)
        world.endpoint("demo", version)
        until(lambda: world.row("demo")["status"] == "READY", 60, told=output.read_text)
        until(lambda: "READY      http://isvc-" in output.read_text(), 60, told=output.read_text)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    # The module was ended too, and has given back what it had.
    asked = (
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    until(lambda: world.one(asked)["n"] == 0, 60, told=output.read_text)
    assert "what was in hand is given back" in output.read_text()
