# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates and hooks of the user's own: addresses, commands, and requests whose answers are known."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.probes import (
    GoldenRequests,
    command_answer,
    http_answer,
    http_hook,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused, Unavailable
from ansible_collections.mlops.serving.tests.unit.adapters.web_stub import Asked, Told, WebStub

SECRET = "pa55-w0rd"
NOBODY = "http://127.0.0.1:1"


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.mark.parametrize(
    ("told", "ok", "why"),
    [
        (Told(200, b"fine\nand more"), True, "HTTP 200: fine"),
        (Told(204), True, "HTTP 204"),
        (Told(400, b"accuracy 0.71 is below 0.8"), False, "HTTP 400: accuracy 0.71 is below 0.8"),
        (Told(500, b"<html>oops"), False, "HTTP 500"),
        (Told(503, b"not yet"), None, "HTTP 503: not yet"),
        (Told(302, b"", (("Location", "/login"),)), None, "HTTP 302"),
    ],
)
def test_what_an_address_says(told: Told, ok: bool | None, why: str) -> None:
    with WebStub(lambda asked: told) as stub:
        answer = http_answer(f"{stub.host}/gate?token={SECRET}")
        assert (answer.ok, answer.why) == (ok, why)
        assert (stub.asked[0].method, stub.asked[0].path, stub.asked[0].query) == ("GET", "/gate", {"token": SECRET})


@pytest.mark.parametrize("url", [f"{NOBODY}/x?token={SECRET}", f"http://u:{SECRET}@127.0.0.1:1/", "nonsense"])
def test_an_address_that_does_not_answer_is_no_answer(url: str) -> None:
    answer = http_answer(url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=2)
    assert answer.ok is None
    assert answer.why
    assert SECRET not in answer.why


def test_an_address_gets_the_samples_as_json() -> None:
    with WebStub(lambda asked: Told(200)) as stub:
        http_answer(stub.host, body={"candidate": {"requests": 3}}, headers={"X-Key": "k"})
        (asked,) = stub.asked
        assert (asked.method, json.loads(asked.body), asked.headers["X-Key"]) == (
            "POST",
            {"candidate": {"requests": 3}},
            "k",
        )
        assert asked.headers["Content-Type"] == "application/json"


def test_a_hook_is_called() -> None:
    with WebStub(lambda asked: Told(202, b"queued")) as stub:
        assert http_hook("PUT", f"{stub.host}/hook", body={"step": 5}) == "HTTP 202: queued"
        assert (stub.asked[0].method, stub.asked[0].path) == ("PUT", "/hook")


def test_a_hook_that_refuses_or_is_not_there_is_an_error_without_secrets() -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    frozen = WebStub(lambda asked: Told(409, b"change freeze"))
    with frozen as stub, pytest.raises(Refused, match="change freeze") as refused:
        http_hook("POST", f"{stub.host}/hook?key={SECRET}", headers=headers)
    with pytest.raises(Unavailable) as missing:
        http_hook("POST", f"{NOBODY}/hook?key={SECRET}", headers=headers)
    for raised in (refused, missing):
        assert SECRET not in str(raised.value)
        assert "/hook" in str(raised.value)


@pytest.mark.parametrize(
    ("program", "ok", "why"),
    [
        ("print('first'); print('drift 0.02')", True, "drift 0.02"),
        ("import sys; print('x', flush=True); print('drift 0.3', file=sys.stderr); sys.exit(1)", False, "exit code 1: drift 0.3"),
        ("import sys; sys.exit(4)", False, "exit code 4"),
        ("import sys; print('no data yet'); sys.exit(75)", None, "no data yet"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", False, "ended by signal 9"),
    ],
)
def test_what_a_command_says(program: str, ok: bool | None, why: str) -> None:
    answer = command_answer(python(program))
    assert (answer.ok, answer.why) == (ok, why)


def test_a_command_is_no_shell_and_gets_its_environment() -> None:
    program = "import os, sys; print(sys.argv[1], os.environ['CANDIDATE'], 'PATH' in os.environ)"
    answer = command_answer([*python(program), "$HOME; exit 1"], environment={"CANDIDATE": "x-00002"})
    assert (answer.ok, answer.why) == (True, "$HOME; exit 1 x-00002 True")


@pytest.mark.parametrize("command", [["/does/not/exist"], [str(Path(__file__))]])
def test_a_command_that_cannot_be_run_is_no_verdict(command: list[str]) -> None:
    answer = command_answer(command)
    assert answer.ok is None
    assert "cannot be run" in answer.why


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "hangs"])
def test_nothing_of_a_command_outlives_its_look(tmp_path: Path, ends: bool) -> None:
    note = tmp_path / "pid"
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal, time;"
        " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        f"time.sleep({0 if ends else 600})"
    )
    begun = time.monotonic()
    answer = command_answer(python(program), timeout=30 if ends else 1)
    assert answer.ok is (True if ends else None)
    assert ends or "did not end within 1 s" in answer.why
    assert time.monotonic() - begun < 20
    child = int(note.read_text())
    deadline = time.monotonic() + 10
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)


def test_much_output_is_no_trouble() -> None:
    answer = command_answer(python("print('x' * 5_000_000); print('end')"))
    assert (answer.ok, answer.why) == (True, "end")


def test_golden_requests() -> None:
    def answer(asked: Asked) -> Told:
        if asked.method == "GET":
            return Told(200, b"ready")
        given = json.loads(asked.body)
        return Told(200, {"outputs": [{"name": "SUM", "data": [sum(given["inputs"]) + 1e-9]}], "id": "7"})

    with WebStub(answer) as stub:
        golden = GoldenRequests(stub.host, "demo.ns.example.com")
        right = {
            "path": "/v2/models/add/infer",
            "body": {"inputs": [1.5, 2.0]},
            "headers": {"X-Trace": "1"},
            "expect": {"json": {"outputs": [{"data": [3.5]}]}},
        }
        ok, why, seconds = golden.send(right)
        assert (ok, why) == (True, "")
        assert 0 < seconds < 10
        wrong: dict[str, Any] = {**right, "expect": {"json": {"outputs": [{"data": [4.5]}]}}}
        assert golden.send(wrong)[:2] == (False, "outputs[0].data[0] is 3.500000001 instead of 4.5")
        assert golden.send({"path": "/ready", "expect": {"contains": "ready"}})[0]
        assert [asked.method for asked in stub.asked] == ["POST", "POST", "GET"]
        assert {asked.headers["Host"] for asked in stub.asked} == {"demo.ns.example.com"}
        assert stub.asked[0].headers["X-Trace"] == "1"
        golden.close()


def test_a_golden_request_that_is_not_answered_says_so_without_secrets() -> None:
    golden = GoldenRequests(NOBODY, timeout=1)
    ok, why, _seconds = golden.send({"path": f"/x?key={SECRET}", "headers": {"Authorization": SECRET}})
    assert not ok
    assert "cannot send GET /x" in why
    assert SECRET not in why


def test_this_process_is_left_alone() -> None:
    """A command has a group of its own: killing that must not reach the rollout."""
    answer = command_answer(python("import os; print(os.getpgid(0))"))
    assert int(answer.why) != os.getpgid(0)
