# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long transfer: how far it is, now and then, in a line; and its end from outside."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import typing as t

from .._domain.errors import ServingError

__all__ = ("Transfer", "ending_in_order")

FIRST_SECONDS = 2.0  # what is over before is not worth a line
NEXT_SECONDS = 5.0
_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024), ("B", 1))


class Transfer:
    """Counts what is done, and says so every few seconds. Called from several threads.

    :param say: takes a line
    :param verb: what is done, as in ``sending 5 of 7 files``
    :param files: how many there are
    :param size: bytes of all of them
    """

    def __init__(
        self,
        say: t.Callable[[str], None],
        verb: str,
        files: int,
        size: int,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._verb, self._clock = say, verb, clock
        self._all = size, files
        self._done = [0, 0]
        self._lock = threading.Lock()
        self._began = clock()
        self._next = self._began + FIRST_SECONDS
        self._told = False

    def __call__(self, size: int, files: int) -> None:
        """So many bytes and files more are done."""
        with self._lock:
            self._done[0] += size
            self._done[1] += files
            now = self._clock()
            over = self._told and tuple(self._done) == self._all
            if now < self._next and not over:
                return
            self._told, self._next = True, now + NEXT_SECONDS
            line = self._line(now - self._began)
        self._say(line)

    def _line(self, seconds: float) -> str:
        (size, files), (all_size, all_files) = self._done, self._all
        unit, bytes_a_unit = next(each for each in _UNITS if all_size >= each[1] or each[1] == 1)
        share = size / all_size if all_size else 1.0
        told = (
            f"{self._verb} {files:,} of {all_files:,} files,"
            f" {_number(size, bytes_a_unit)} of {_number(all_size, bytes_a_unit)} {unit} ({int(100 * share)} %)"
        )
        if not size or seconds <= 0:
            return told
        told += f", {size / seconds / 1024**2:.1f} MiB/s"
        return told if size >= all_size else f"{told}, about {(all_size - size) * seconds / size:.0f} s left"


def _number(size: int, unit: int) -> str:
    return f"{size / unit:.1f}" if unit > 1 else str(size)


@contextlib.contextmanager
def ending_in_order() -> t.Iterator[None]:
    """Whoever ends this process meanwhile lets it take back what it has begun."""

    def ended(number: int, frame: t.Any) -> None:
        raise ServingError("ended from outside while it published", cure="run it again, and it is published whole")

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
