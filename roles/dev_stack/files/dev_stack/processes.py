# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Background processes: start, recognise and stop them; ports on the loopback address."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
OUTGOING = 32_768  # where Linux's usual net.ipv4.ip_local_port_range begins
Record = dict[str, Any]  # what the state file keeps: {"pid": int, "started": str}


class StackError(Exception):
    """One sentence for a person: what failed, where, and what to do."""


class EndedEarly(StackError):
    """A server ended while it started: often because another process took one of its ports since it was chosen."""


def birth(pid: int) -> str | None:
    """When the living process `pid` started, in the system's own spelling; None where there is none.

    A pid alone proves nothing after a reboot: numbers are used again.
    """
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def record(pid: int) -> Record:
    return {"pid": pid, "started": birth(pid)}


def alive(process: Record | None) -> bool:
    return bool(process) and process is not None and birth(process["pid"]) == process["started"]


def spawn(command: Sequence[str], log: Path, cwd: Path, environment: dict[str, str] | None = None) -> Record:
    """Start `command` in a session of its own, its output in `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    child.returncode = 0  # it outlives this command on purpose: no warning about that
    return record(child.pid)


def wait_until(ready: Callable[[], bool], what: str, process: Record, log: Path, seconds: float = 120) -> None:
    """Return once `ready()` is true; raise with the log's last lines when the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not alive(process):
            raise EndedEarly(f"{what} ended while it started. The last lines of {log} are:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{what} was not ready within {seconds:.0f} s. The last lines of {log} are:\n{tail(log)}")
        time.sleep(0.05)


def stop(process: Record, sign: signal.Signals = signal.SIGTERM, seconds: float = 30) -> None:
    """Ask the process to end and wait for it; after `seconds` it is killed."""
    for attempt in (sign, signal.SIGKILL):
        if not alive(process):
            return
        os.kill(process["pid"], attempt)
        deadline = time.monotonic() + seconds
        while alive(process) and time.monotonic() < deadline:
            _reap(process["pid"])
            time.sleep(0.05)
    if alive(process):
        raise StackError(f"Process {process['pid']} did not end within {seconds:.0f} s, not even when killed.")


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by an earlier command: not our child


def tail(log: Path, lines: int = 20) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def free_run(length: int, distance: int = 0) -> list[int]:
    """`length` ports in a row that are free, and free too at `distance` from there.

    All are below the range that the kernel gives to outgoing connections: one of those could take a port before its server does.
    """
    for _attempt in range(200):
        base = random.randrange(10_240, OUTGOING - distance - length)
        ports = [base + offset for offset in range(length)]
        if all(is_free(port) and (not distance or is_free(port + distance)) for port in ports):
            return ports
    raise StackError(f"Found no {length} free ports in a row on {LOOPBACK}.")


def choose_port(service: str, wanted: int, kept: int | None, usual: int, running: bool) -> int:
    """The port that was asked for; else the one used before, the usual one, or any: the first that is free.

    `running` says that the service itself holds the port `kept`.
    """
    if running and kept and wanted in (0, kept):
        return kept
    if wanted:
        if not is_free(wanted):
            raise StackError(
                f"Port {wanted} for {service} is in use by another process on {LOOPBACK}. "
                f"Give {service} another port, or 0 to take any that is free."
            )
        return wanted
    return next((port for port in (kept, usual) if port and is_free(port)), None) or free_run(1)[0]
