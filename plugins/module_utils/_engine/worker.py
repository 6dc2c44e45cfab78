# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A worker that does not end: it is told of endpoints by the database, and looks at all of them now and then.

A notification is quick and may be lost; the sweep finds whatever was lost with it, rows that were changed by hand, and
failures whose next attempt is due. Where the store goes away, the worker waits for it: nothing is in its memory that the
store does not have.
"""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from .._domain.errors import Unavailable
from .reconcile import Reconciler

__all__ = ("Listener", "Worker")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_POLL = 0.5


class Listener(t.Protocol):
    """A connection to the store of its own."""

    def listen(self) -> None: ...

    def wait(self, seconds: float) -> list[str]: ...

    def close(self) -> None: ...


class Worker:
    """
    :param open_listener: gives a new connection for notifications
    :param make_run: a new run that follows; each time after the store was away
    :param sweep: seconds between two looks at all endpoints
    :param before_sweep: called before each of them
    :param say: told in a sentence what went wrong and that it is over
    :param on_stop: called when the run has been told to stop, before it has
    """

    def __init__(
        self,
        open_listener: t.Callable[[], Listener],
        make_run: t.Callable[[], Reconciler],
        *,
        sweep: float = 30.0,
        before_sweep: t.Callable[[], None] = lambda: None,
        say: t.Callable[[str], None] = lambda sentence: None,
        on_stop: t.Callable[[], None] = lambda: None,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._open_listener = open_listener
        self._make_run = make_run
        self._sweep = sweep
        self._before_sweep = before_sweep
        self._say = say
        self._on_stop = on_stop
        self._first_pause = first_pause
        self._stopped = threading.Event()
        self.swept_at: float | None = None
        self.sweeps = 0
        self.notifications = 0
        self.interruptions = 0

    def run(self) -> None:
        """Returns after ``stop``; what nobody expected is raised."""
        pause = self._first_pause
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except Unavailable as away:
                self.interruptions += 1
                if time.monotonic() - began > _LONGEST_PAUSE:
                    pause = self._first_pause
                self._say(f"{away} Trying again in {pause:.1f} s.")
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def stop(self) -> None:
        """May be called by a signal's handler."""
        self._stopped.set()

    def healthy(self, now: float) -> bool:
        """Whether the last look at all endpoints was not too long ago. ``now``: ``time.monotonic()``."""
        return self.swept_at is not None and now - self.swept_at < 3 * self._sweep + 2 * _LONGEST_PAUSE

    def _follow(self) -> None:
        listener = self._open_listener()
        try:
            # Before the first look at all: a change in between is told, not missed.
            listener.listen()
            run = self._make_run()
            self._before_sweep()
            ended: list[BaseException | None] = []
            thread = threading.Thread(target=_carry_out, args=(run, ended), name="reconcile", daemon=True)
            thread.start()
            self._swept()
            try:
                while not self._stopped.is_set() and not ended:
                    self._hear(listener, run)
            finally:
                run.stop()
                if self._stopped.is_set():
                    self._on_stop()
                thread.join()
            if ended and ended[0] is not None:
                raise ended[0]
        finally:
            with contextlib.suppress(Unavailable):
                listener.close()

    def _hear(self, listener: Listener, run: Reconciler) -> None:
        names = listener.wait(_POLL)
        self.notifications += len(names)
        due = self.swept_at is None or time.monotonic() - self.swept_at >= self._sweep
        if due or "" in names:
            self._before_sweep()
            run.wake()
            self._swept()
        elif names:
            run.wake(names)

    def _swept(self) -> None:
        self.swept_at = time.monotonic()
        self.sweeps += 1


def _carry_out(run: Reconciler, ended: list[BaseException | None]) -> None:
    try:
        run.run()
    except BaseException as error:  # told in the thread that waits for it
        ended.append(error)
    else:
        ended.append(None)
