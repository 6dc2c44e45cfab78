# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that a module tells while it works, through a file that its action plugin reads."""

from __future__ import annotations

import os
import threading
import time

__all__ = ("Lines",)


class Lines:
    """
    :param path: the file, or None for nobody who reads
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        if self._path:
            with self._lock, open(self._path, "a", encoding="utf-8") as file:
                file.write(line + os.linesep)

    def say(self, sentence: str) -> None:
        """A line with the time of day before it."""
        self.add(f"{time.strftime('%H:%M:%S')}  {sentence}")
