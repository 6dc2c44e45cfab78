# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that a module tells while it works, through a file that its action plugin reads."""

from __future__ import annotations

import os
import threading
import time

from .._domain.errors import LeaseLost
from .._engine.deployment import Result as Ended

__all__ = ("Lines", "line_of")

_SUM_SECONDS = 5.0


class Lines:
    """
    :param path: the file, or None for nobody who reads
    :param most: so many endpoints are told one by one, after that failures and now and then how many there were; None for all
    """

    def __init__(self, path: str | None, *, most: int | None = None) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._ended = self._failed = 0
        self._summed_at = time.monotonic()

    def say(self, sentence: str) -> None:
        if not self._path:
            return
        with self._lock, open(self._path, "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')}  {sentence}{os.linesep}")

    def tell(self, ended: Ended) -> None:
        """What became of one endpoint."""
        with self._lock:
            self._ended += 1
            self._failed += ended.error is not None
            single = self._most is None or self._ended <= self._most or ended.error is not None
            due = not single and time.monotonic() - self._summed_at >= _SUM_SECONDS
            if due:
                self._summed_at = time.monotonic()
        if single:
            self.say(line_of(ended))
        elif due:
            self.say(f"{self._ended} endpoints so far, {self._failed} of them failed")


def line_of(ended: Ended) -> str:
    """``demo  READY  http://...  2.1 s; stage at 0 %; promote``"""
    name = f"{ended.name:<20}"
    if isinstance(ended.error, LeaseLost):
        return f"{name}  left       {ended.error}"
    if ended.error is not None:
        return f"{name}  {ended.status:<9}  {'not changed: ' if ended.status == 'READY' else ''}{ended.error}"
    steps = "; ".join(write.split(";")[0] for write in ended.writes) or "as it was"
    return "  ".join(
        word for word in (name, f"{ended.status:<9}", ended.url or "", f"{ended.seconds:.1f} s", steps) if word
    )
