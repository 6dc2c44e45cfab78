# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that a module tells while it works, through a file that its action plugin reads."""

from __future__ import annotations

import os
import threading
import time
import typing as t
from datetime import datetime, timezone

from .._domain.log_lines import Level, log_line

__all__ = ("Lines",)


class Lines:
    """
    :param path: the file, or None for nobody who reads
    :param as_json: each line is a JSON object, which has ``always`` too
    """

    def __init__(self, path: str | None, *, as_json: bool = False, **always: t.Any) -> None:
        self._path = path
        self._as_json = as_json
        self._always = always
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        if self._path:
            with self._lock, open(self._path, "a", encoding="utf-8") as file:
                file.write(line + os.linesep)

    def say(self, sentence: str, *, event: str = "progress", level: Level = "info", **fields: t.Any) -> None:
        """A line with the time of day before it, or with all that is known where programs read it."""
        if self._as_json:
            now = datetime.now(timezone.utc)
            self.add(log_line(now, sentence, event=event, level=level, **{**self._always, **fields}))
        else:
            self.add(f"{time.strftime('%H:%M:%S')}  {sentence}")
