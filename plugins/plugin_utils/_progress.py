# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that a module adds to a file, told while it still works."""

from __future__ import annotations

import os
import tempfile
import threading
import typing as t

__all__ = ("Progress",)

_PAUSE = 0.1


class Progress:
    """A private file, and a thread that tells each line of it as it comes. It is gone at the end."""

    def __init__(self, folder: str, tell: t.Callable[[str], None]) -> None:
        handle, self.path = tempfile.mkstemp(prefix="rollout-", suffix=".progress", dir=folder)
        os.close(handle)
        self.told = 0
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="rollout progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        """What was written until now is told before this ends."""
        self._over.set()
        self._thread.join(timeout=5)
        os.unlink(self.path)

    def _follow(self) -> None:
        rest = ""
        with open(self.path, encoding="utf-8") as file:
            while True:
                over = self._over.is_set()
                *lines, rest = (rest + file.read()).split("\n")
                for line in lines:
                    self._tell(line)
                    self.told += 1
                if over:
                    return
                self._over.wait(_PAUSE)
