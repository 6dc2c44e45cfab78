"""What is being measured, for who waits."""

from __future__ import annotations

import sys
import time


def say(what: str) -> None:
    """A line on the standard error, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)
