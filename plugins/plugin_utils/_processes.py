# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that this one has started, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time

__all__ = ("descendants", "end_politely", "open_console")

_POLL = 0.1


def descendants(root: int) -> list[int]:
    """Ids of the living processes under this one, children before their own children."""
    table = _table()
    found = [root]
    for parent in found:
        found += [pid for pid, (its_parent, _state) in table.items() if its_parent == parent]
    return [pid for pid in found[1:] if table[pid][1] != "Z"]


def end_politely(pids: list[int], patience: float) -> None:
    """SIGTERM to each, then wait until they have ended, at most for so many seconds."""
    for pid in pids:
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        table = _table()
        if all(table.get(pid, (0, "Z"))[1] == "Z" for pid in pids):
            return
        time.sleep(_POLL)


def open_console() -> int | None:
    """The error output of the process that started this one, as a file descriptor; None where it cannot be had."""
    try:
        return os.open(f"/proc/{os.getppid()}/fd/2", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    except OSError:
        return None


def _table() -> dict[int, tuple[int, str]]:
    """Parent and state of every process. Small images have no ps, and other systems no /proc."""
    if not os.path.exists("/proc/self/stat"):
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=False)
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        return {int(pid): (int(parent), state[:1]) for pid, parent, state in rows}
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                # The name of the program stands in parentheses, and may hold any character.
                state, parent = file.read().rpartition(")")[2].split()[:2]
                table[int(name)] = (int(parent), state)
    return table
