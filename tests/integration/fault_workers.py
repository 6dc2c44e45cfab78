# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many short-lived workers: modules in processes of their own, forked by one that has imported everything already.

Run as a program it is that one process: it reads orders, one a line, and answers each with the new process' number.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

__all__ = ("Nursery", "Worker")

MODULES = "ansible_collections.mlops.serving.plugins.modules"
# What would tell a worker of other servers than the test's.
OURS = ("DATABASE_URL", "DEPLOY_MODE", "KSERVE_NAMESPACE", "KSERVE_NAME_PREFIX", "DEPLOY_TIMEOUT_SECONDS", "KUBECONFIG")


class Worker:
    """A module at work in a process of its own.

    :param printed: file of what it prints at its end
    :param told: its progress file
    """

    def __init__(self, pid: int, printed: Path, told: Path) -> None:
        self.pid = pid
        self._printed, self._told = printed, told
        self._lock, self._stopped = threading.Lock(), False
        self._process = -1
        with contextlib.suppress(ProcessLookupError):  # it was quick
            self._process = os.pidfd_open(pid)

    def send(self, what: signal.Signals) -> None:
        if self._process >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, what)

    def stop(self) -> None:
        """SIGTERM, once: the second one would end it at once."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self.send(signal.SIGTERM)

    def over(self, within: float = 0.0) -> bool:
        """Whether it has ended, or ends within so many seconds."""
        return self._process < 0 or bool(select.select([self._process], [], [], within)[0])

    def answer(self, within: float = 30.0) -> dict[str, Any]:
        """What the module answers at its end, which comes within so many seconds."""
        assert self.over(within), f"process {self.pid} does not end; it said last: {self.lines()[-5:]}"
        text = self._printed.read_text()
        assert text.startswith(("\n{", "{")), f"no answer: {text}"
        found: dict[str, Any] = json.loads(text)
        return found

    def end(self) -> dict[str, Any]:
        """SIGTERM, and what the module answers then."""
        self.stop()
        return self.answer()

    def works(self) -> bool:
        """Whether it has said where it deploys to: it has a connection to the store by then."""
        return any("deploys to" in line for line in self.lines())

    def stops(self) -> bool:
        """Whether it has said that it was asked to stop: nothing new is begun from then on."""
        return any("asked to stop" in line for line in self.lines())

    def lines(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []

    def close(self) -> None:
        self.send(signal.SIGKILL)
        if self._process >= 0:
            self.over(10)
            os.close(self._process)
            self._process = -1


class Nursery:
    """:param folder: for the files of its workers"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: list[Worker] = []
        self._lock = threading.Lock()
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def start(self, module: str, /, *, clock: float = 0.0, **options: Any) -> Worker:
        """
        :param clock: seconds by which the process' time of the day is wrong
        """
        with self._lock:
            number = len(self._workers) + 1
            printed, told = self._folder / f"{number}.printed", self._folder / f"{number}.lines"
            given = {"progress_file": str(told), **options, "_ansible_remote_tmp": "/tmp"}
            order = {"module": module, "arguments": given, "printed": str(printed), "clock": clock}
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            worker = Worker(int(self._process.stdout.readline()), printed, told)
            self._workers.append(worker)
            return worker

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._process.communicate()


def _work(order: dict[str, Any]) -> None:
    """The child: it becomes what run_module.py would be."""
    from ansible.module_utils import basic

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    printed = os.open(order["printed"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number in (1, 2):
        os.dup2(printed, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if order["clock"]:
        right, wrong = time.time, order["clock"]
        time.time = lambda: right() + wrong
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": order["arguments"]}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    try:
        importlib.import_module(f"{MODULES}.{order['module']}").main()
    except SystemExit:
        sys.stdout.flush()


def _serve() -> None:
    importlib.import_module(f"{MODULES}.reconcile")
    importlib.import_module("psycopg2.extras")
    # Its children are nobody's: the kernel buries them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Line by line, and nothing read ahead that a child would inherit.
    while line := os.fsdecode(_line()):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _work(json.loads(line))
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1)
        if not more:
            return b""
        line += more
    return line


if __name__ == "__main__":
    _serve()
