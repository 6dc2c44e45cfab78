# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a condition, with what was seen last in the error."""

from __future__ import annotations

import time
import typing as t

T = t.TypeVar("T")


def wait_for(
    look: t.Callable[[], T], good: t.Callable[[T], bool], *, timeout: float, what: str, every: float = 0.25
) -> T:
    """Looks until it is good, or fails after so many seconds."""
    deadline = time.monotonic() + timeout
    while True:
        seen = look()
        if good(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout:.0f} s: {what}; last seen: {seen}")
        time.sleep(every)
