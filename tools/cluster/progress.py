"""What is being done, for how long, and about how much is left: lines on standard error."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LATE = 0.2  # part of its time so far that a late step is thought to take still


def clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def remaining(estimates: dict[str, float], done: dict[str, float], current: str, running: float) -> float:
    """Seconds left: the estimates of what is not done, scaled by how the measured ones compared with theirs.

    estimates: step -> expected seconds. done: step -> measured seconds. current: running step, running: its seconds so far.
    A step that takes longer than thought tells that the machine is slow, and is thought to be nearly through.
    """
    measured = {name: seconds for name, seconds in done.items() if name in estimates}
    late = running > estimates.get(current, 0)
    if late and current in estimates:
        measured[current] = running
    expected = sum(estimates[name] for name in measured)
    pace = sum(measured.values()) / expected if expected >= 20 else 1.0
    pace = min(max(pace, 0.3), 5.0)
    waiting = sum(seconds for name, seconds in estimates.items() if name not in done and name != current)
    this = LATE * running if late else estimates.get(current, 0) * pace - running
    return waiting * pace + max(this, 0)


@dataclass
class Running:
    """A step under way; detail is what it is at just now."""

    detail: str = ""


class Progress:
    """Reports steps against estimates. A line at the start of each step, one every `every` seconds, one at its end."""

    def __init__(self, estimates: dict[str, float], every: float = 20) -> None:
        self.estimates = estimates
        self.done: dict[str, float] = {}
        self._every = every
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{clock(time.monotonic() - self._begun)}] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Running]:
        """A step of that name; one that has no estimate (it runs beside others) does not count in what is left."""
        begun, stop, running = time.monotonic(), threading.Event(), Running()
        used = _processor_seconds()

        def left() -> str:
            return clock(remaining(self.estimates, self.done, name, time.monotonic() - begun))

        def tick() -> None:
            while not stop.wait(self._every):
                detail = f" ({running.detail})" if running.detail else ""
                self.say(f"{title}{detail}: {clock(time.monotonic() - begun)} so far, about {left()} left in all")

        self.say(f"{title} ... about {left()} left in all")
        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield running
        finally:
            stop.set()
            ticker.join()
        self.done[name] = time.monotonic() - begun
        self.say(f"{title}: done in {clock(self.done[name])}, {clock(_processor_seconds() - used)} of processor time")


def _processor_seconds() -> float:
    """Time that programs started from here, and ended, spent on processors: what a build costs however busy the machine is."""
    times = os.times()
    return times.children_user + times.children_system
