"""Locks between processes of this machine, as files in the cache folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from .layout import Home


@contextmanager
def held(home: Home, name: str, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """One maker of a thing at a time; a second one waits and then finds it there."""
    folder = home.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, kind)
        yield
