# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scales of the charts: values to places, and round numbers for the axes."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ("Scale", "clock_ticks", "nice_top", "ratio_ticks")

_SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True)
class Scale:
    """Maps ``low``..``high`` to ``start``..``to``, in a straight line."""

    low: float
    high: float
    start: float
    to: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return self.start + (self.to - self.start) * ((value - self.low) / span if span > 0 else 0.0)


def nice_top(value: float, most: float = math.inf) -> float:
    """A round number of at least ``value``, so that its third or quarter is round too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10):
        if value <= step * power * (1 + 1e-9):
            return min(most, step * power)
    return min(most, 10 * power)


def ratio_ticks(top: float) -> list[float]:
    """0 to ``top`` in four or five equal parts."""
    lead = top / 10.0 ** math.floor(math.log10(top) + 1e-9) if top > 0 else 1.0
    parts = {1.2: 4, 1.6: 4, 2.4: 4, 3.0: 3, 5.0: 5, 6.0: 3}.get(round(lead, 1), 4)
    return [top * i / parts for i in range(parts + 1)]


def clock_ticks(begin: datetime, seconds: float, most: int) -> t.Iterator[tuple[float, str]]:
    """Times of day at round moments, as (seconds since the begin, words), at most so many."""
    step = next((span for span in _SPANS if seconds / span <= most), None)
    if step is None:
        step = 604800 * math.ceil(seconds / most / 604800)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = (begin - midnight).total_seconds()
    at = math.ceil(passed / step) * step - passed
    while at <= seconds:
        when = begin + timedelta(seconds=at)
        yield (
            at,
            f"{when:%d %b}"
            if step >= 86400
            else f"{when:%d %b %H:%M}"
            if seconds > 86400
            else f"{when:%H:%M}"
            if step >= 60
            else f"{when:%H:%M:%S}",
        )
        at += step
