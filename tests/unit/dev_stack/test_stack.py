"""What dev_stack does with what it finds; the servers are stood in for by a process that only listens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "dev_stack" / "files"
sys.path.insert(0, str(FILES))

from dev_stack import processes, stack
from dev_stack.settings import Settings

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"


def listener() -> tuple[socket.socket, int]:
    taken = socket.create_server(("127.0.0.1", 0))
    return taken, taken.getsockname()[1]


class Part(types.ModuleType):
    """A part whose server is a bare listener; `rival`, if set, takes the first port that is chosen before the server can."""

    def __init__(self, usual: int) -> None:
        super().__init__("part")
        self.usual = usual
        self.rival: list[socket.socket] = []
        self.interfere = 0
        self.started = 0

    def plan(self, settings: Settings, kept: dict[str, Any], running: bool) -> dict[str, Any]:
        port = processes.choose_port("nats", settings.ports["nats"], kept.get("port"), self.usual, running)
        return {"port": port, "server": "listener", "database": settings.database}

    def missing(self, settings: Settings, spec: dict[str, Any]) -> None:
        return None

    def start(self, settings: Settings, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
        if self.interfere:
            self.interfere -= 1
            self.rival.append(socket.create_server(("127.0.0.1", spec["port"])))
        log = settings.state / "log"
        if "home" not in kept:
            kept["home"] = tempfile.mkdtemp(dir=settings.state.parent)
        process = processes.spawn([sys.executable, "-c", LISTEN.format(port=spec["port"])], log, settings.state)
        processes.wait_until(
            lambda: not processes.is_free(spec["port"]) and processes.alive(process), "It", process, log
        )
        for rival in self.rival:
            if rival.getsockname()[1] == spec["port"]:
                processes.stop(process)
                raise processes.StackError("address in use")
        self.started += 1
        return {**kept, "port": spec["port"], "process": process, "data": str(settings.state / "data")}

    def halt(self, process: processes.Record) -> None:
        processes.stop(process, signal.SIGTERM)

    def environment(self, kept: dict[str, Any]) -> dict[str, str]:
        return {"NATS_URL": f"nats://127.0.0.1:{kept['port']}"}

    def folders(self, kept: dict[str, Any]) -> list[Path]:
        return [Path(kept["home"])]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Part:
    taken, port = listener()
    taken.close()
    made = Part(port)
    monkeypatch.setattr(stack, "PARTS", {"nats": made})
    return made


@pytest.fixture
def settings(tmp_path: Path, part: Part) -> Iterator[Settings]:
    made = Settings(state=tmp_path / "state", services=("nats",))
    yield made
    stack.down(made)
    for rival in part.rival:
        rival.close()


def test_a_second_run_changes_nothing_and_a_dead_server_is_started_again(settings: Settings, part: Part) -> None:
    assert stack.up(settings, check=True)["actions"] == ["start nats"]
    assert not settings.state.exists()
    first = stack.up(settings)
    assert first["actions"] == ["start nats", f"write {settings.state / 'env'}"]
    assert not stack.up(settings, check=True)["changed"]
    assert not stack.up(settings)["changed"]
    pid = json.loads((settings.state / "stack.json").read_text())["nats"]["process"]["pid"]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    again = stack.up(settings)
    assert again["actions"] == ["start nats"]
    assert again["services"]["nats"]["address"] == first["services"]["nats"]["address"]
    assert part.started == 2


def test_another_option_restarts(settings: Settings) -> None:
    stack.up(settings)
    settings.database = "other"
    assert stack.up(settings, check=True)["actions"] == ["restart nats"]
    assert stack.up(settings)["actions"] == ["restart nats"]


def test_a_port_that_was_lost_is_replaced(settings: Settings, part: Part) -> None:
    part.interfere = 2
    stack.up(settings)
    assert part.started == 1
    assert json.loads((settings.state / "stack.json").read_text())["nats"]["port"] != part.usual


def test_a_port_that_was_asked_for_is_not_replaced(settings: Settings, part: Part) -> None:
    part.interfere = 1
    settings.ports["nats"] = part.usual
    with pytest.raises(processes.StackError, match="address in use"):  # taken while the server starts
        stack.up(settings)
    with pytest.raises(processes.StackError, match=f"Port {part.usual} for nats is in use"):  # taken before
        stack.up(settings)
    assert part.started == 0


def test_what_a_failed_start_made_is_used_again_and_removed(settings: Settings, part: Part) -> None:
    part.interfere = 1
    settings.ports["nats"] = part.usual
    with pytest.raises(processes.StackError):
        stack.up(settings)
    made = set(settings.state.parent.iterdir()) - {settings.state}
    assert len(made) == 1
    settings.ports["nats"] = 0
    stack.up(settings)
    assert set(settings.state.parent.iterdir()) - {settings.state} == made
    stack.down(settings, remove=True)
    assert set(settings.state.parent.iterdir()) <= {settings.state}


def test_a_reused_pid_is_not_taken_for_the_server() -> None:
    own = processes.record(os.getpid())
    assert processes.alive(own)
    assert not processes.alive({**own, "started": "1"})
    assert not processes.alive(None)


def test_the_environment_file_is_private(settings: Settings) -> None:
    stack.up(settings)
    for name in ("env", "env.json", "stack.json"):
        assert (settings.state / name).stat().st_mode & 0o077 == 0


def test_removal_leaves_what_is_not_ours(settings: Settings) -> None:
    stack.up(settings)
    (settings.state / "mine").write_text("")
    stack.down(settings, remove=True)
    assert {path.name for path in settings.state.iterdir()} == {"mine", "log"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nats-port", "70000"], "'70000' is no port"),
        (["--services", "nats,mysql"], "unknown services mysql; known are postgres, s3, nats"),
        (["--database", 'x"; drop'], "is no name of letters"),
        (["--postgres-options", '{"fsync": "off; touch x"}'], "is no setting of Postgres with a plain value"),
    ],
)
def test_bad_arguments_change_nothing(tmp_path: Path, arguments: list[str], words: str) -> None:
    command = [sys.executable, str(FILES / "dev_stack"), "up", "--state", str(tmp_path / "state"), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert not (tmp_path / "state").exists()
