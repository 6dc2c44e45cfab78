# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that a module adds to a file, told while it still works."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
import typing as t

__all__ = ("Progress",)

_PAUSE = 0.1


class Progress:
    """A private file, and a thread that tells each line of it as it comes. It is gone at the end."""

    def __init__(self, folder: str, tell: t.Callable[[str], None]) -> None:
        handle, self.path = tempfile.mkstemp(prefix="mlops-serving-", suffix=".progress", dir=folder)
        os.close(handle)
        self.told = 0
        self._tell = tell
        # No Event: stop() is called by a handler of signals too, which may have interrupted itself.
        self._over = False
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        # A signal that this thread took would not wake the main one, which waits for the module and alone acts on it.
        ours = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ours)
        return self

    def __exit__(self, *_exception: object) -> None:
        """What was written until now is told before this ends."""
        self.stop(5)
        os.unlink(self.path)

    def stop(self, patience: float) -> None:
        """Nothing is told after this, unless telling takes longer than so many seconds."""
        self._over = True
        self._thread.join(timeout=patience)

    def _follow(self) -> None:
        rest = ""
        with open(self.path, encoding="utf-8") as file:
            while True:
                over = self._over
                *lines, rest = (rest + file.read()).split("\n")
                for line in lines:
                    self._tell(line)
                    self.told += 1
                if over:
                    return
                time.sleep(_PAUSE)
