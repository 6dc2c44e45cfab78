# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command and ends all that came of it: ansible-rulebook leaves its playbook behind when it is ended.

    supervise.py [--environment FILE] [--remove FOLDER] [--console] [--patience SECONDS] -- COMMAND [ARGUMENT...]

SIGTERM, SIGINT and SIGHUP are passed on to every process that the command has started, in whichever session it is; what is still
there after the patience is killed. The exit status is the command's own, or 0 where the end was asked for. Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL = 0.1
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="supervise.py", description="Runs a command and ends all that came of it.")
    parser.add_argument("--environment", metavar="FILE", help="a JSON object, added to the environment")
    parser.add_argument("--remove", metavar="FOLDER", help="a folder that goes away at the end")
    parser.add_argument("--console", action="store_true", help="show the lines where the playbook's own go")
    parser.add_argument("--patience", metavar="SECONDS", type=float, default=60.0, help="before what is left is killed")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    try:
        return supervise(options)
    finally:
        if options.remove:
            shutil.rmtree(options.remove, ignore_errors=True)


def supervise(options: argparse.Namespace) -> int:
    asked: list[int] = []
    for number in _SIGNALS:
        signal.signal(number, lambda found, _frame: asked.append(found))
    libc = ctypes.CDLL(None)
    # Whoever loses its parent becomes a child of this process, and not of init; and this one is told when its own parent dies.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    environment = dict(os.environ)
    if options.environment:
        with open(options.environment, encoding="utf-8") as file:
            environment.update(json.load(file))
    player = _player() if options.console else None
    console = None if player is None else _output_of(player)
    try:
        # A session of its own: Ctrl-C in a terminal comes once, from here.
        child = subprocess.Popen(
            options.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    except OSError as error:
        print(f"cannot start {options.command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    while not asked and child.poll() is None:
        if player is not None and not os.path.exists(f"/proc/{player}"):
            break
        _reap(child.pid)
        time.sleep(_POLL)
    own = child.returncode
    _end(child, options.patience)
    if own is None:
        return 0
    return own if own >= 0 else 128 - own


def _end(child: subprocess.Popen[bytes], patience: float) -> None:
    """SIGTERM to each process once, also to those that come meanwhile; SIGKILL to what is left."""
    told: set[int] = set()
    end = time.monotonic() + patience
    while True:
        child.poll()
        _reap(child.pid)
        living = descendants(os.getpid())
        if not living:
            return
        late = time.monotonic() > end
        for pid in living:
            if late or pid not in told:
                told.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(_POLL)


def _reap(child: int) -> None:
    """Adopted processes that have ended; the command itself is left to ``subprocess``."""
    for pid, (parent, state) in _table().items():
        if parent == os.getpid() and state == "Z" and pid != child:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def descendants(root: int) -> list[int]:
    """Ids of the living processes under this one."""
    table = _table()
    found = [root]
    for parent in found:
        found += [pid for pid, (its_parent, _state) in table.items() if its_parent == parent]
    return [pid for pid in found[1:] if table[pid][1] != "Z"]


def _table() -> dict[int, tuple[int, str]]:
    """Parent and state of every process."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            # The name of the program stands in parentheses, and may hold any character.
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
                table[int(name)] = (int(parent), state)
    return table


def _player() -> int | None:
    """The playbook that runs this, unless it is on another machine.

    A task runs in a copy of the playbook's process, so the first two ancestors with the same words are the two of them.
    """
    table = _table()
    pid = os.getppid()
    while pid in table and table[pid][0]:
        parent = table[pid][0]
        words = _words(pid)
        if b"ansible" in words and words == _words(parent):
            return parent
        pid = parent
    return None


def _output_of(pid: int) -> int | None:
    """None where it is a socket, or somebody else's."""
    with contextlib.suppress(OSError):
        return os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    return None


def _words(pid: int) -> bytes:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
