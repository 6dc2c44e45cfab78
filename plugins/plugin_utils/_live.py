# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action that runs the module of its name and shows the module's lines while it works.

The module writes each line into a private file on this machine, which is read here. Where the module cannot write there (on
another machine, or as another user) its lines come at the end; a task with ``async`` or ``no_log`` shows none.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ._processes import descendants, end_politely, open_console
from ._progress import Progress

__all__ = ("LiveAction",)

display = Display()

# The module ends between two calls to the outside, each of which has a time limit of its own.
_PATIENCE = 15.0
_LAST_WORDS = 3.0
# Their output is read by programs, so nothing is to stand in between.
_FOR_PROGRAMS = ("json", "jsonl", "null", "oneline", "tree")


# Ansible writes and leaves it to the system when a pipe or a file gets it: lines would come in blocks, when all is over. The
# play's own process loads this file too, before it starts the one that runs the task.
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(line_buffering=True)


class LiveAction(ActionBase):
    _supports_check_mode = True
    _supports_async = True
    _ended = False
    _prefix = ""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        task_vars = task_vars or {}
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        wrap_async = self._task.async_val
        if len(task_vars.get("ansible_play_hosts") or ()) > 1:
            self._prefix = f"[{task_vars.get('inventory_hostname')}] "
        told = self._environment(task_vars)
        if told:
            given = self._task.environment or []
            # What the task itself sets comes later and wins.
            self._task.environment = [told, *(given if isinstance(given, list) else [given])]
        if wrap_async or self._task.no_log or not self._here():
            result.update(self._execute_module(task_vars=task_vars, wrap_async=wrap_async))
            if not wrap_async and not self._task.no_log:
                self._show(result, 0)
        else:
            result.update(self._followed(task_vars))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _environment(self, task_vars: dict[str, t.Any]) -> dict[str, str]:
        """What the module's process is told besides."""
        return {}

    def _color(self, line: str) -> str | None:
        return None

    def _farewell(self) -> str:
        """What a person reads when the play is ended from outside."""
        raise NotImplementedError

    def _here(self) -> bool:
        """Whether the module can write a file that only we may read."""
        return self._connection.transport == "local" and self._connection.become is None and not self._given()

    def _given(self) -> bool:
        return bool(self._task.args.get("progress_file"))

    def _followed(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = dict(self._task.args)
        with Progress(constants.DEFAULT_LOCAL_TMP, self._say) as progress, self._signals(progress):
            arguments["progress_file"] = progress.path
            try:
                result: dict[str, t.Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
            except Exception:
                raise
            except BaseException:  # the task's timeout, or Ctrl-C
                end_politely(descendants(os.getpid()), _PATIENCE)
                if not self._ended:
                    self._say(self._farewell())
                raise
        self._show(result, progress.told)
        shown = (result.get("invocation") or {}).get("module_args")
        if shown:
            shown["progress_file"] = None
        return result

    def _show(self, result: dict[str, t.Any], told: int) -> None:
        """The lines that were not told yet."""
        for line in (result.get("timeline") or [])[told:]:
            self._say(str(line))

    def _say(self, line: str) -> None:
        programs = str(constants.DEFAULT_STDOUT_CALLBACK).rpartition(".")[2] in _FOR_PROGRAMS
        if line.startswith("{"):  # for programs, which read whole lines; it names its worker itself
            display.display(line, stderr=programs)
        else:
            display.display(f"{self._prefix}{line}", color=self._color(line), stderr=programs)

    @contextlib.contextmanager
    def _signals(self, progress: Progress) -> t.Iterator[None]:
        """Says how to go on when the play is ended from outside, before whatever else that does."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, t.Any] = {}
        console = open_console()

        def ended(number: int, frame: t.Any) -> None:
            if self._ended:
                return  # Ansible sends another one to be sure; the first is still being dealt with
            self._ended = True
            # Who is killed while telling keeps the lock of Ansible's queue, and the play would wait for it forever.
            progress.stop(_LAST_WORDS)
            # Ansible itself does not listen any more to what its workers have to say.
            if console is None:
                self._say(self._farewell())
            else:
                with contextlib.suppress(OSError):  # nobody may read it any more
                    os.write(console, f"{self._farewell()}\n".encode())
            signal.signal(number, before[number])
            if callable(before[number]):
                before[number](number, frame)
                return
            end_politely(descendants(os.getpid()), _PATIENCE)
            os.kill(os.getpid(), number)

        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ended)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if console is not None:
                os.close(console)
