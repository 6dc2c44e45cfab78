# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers, times and names of a rollout's record as a person reads them; shared by the console lines and the report."""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

__all__ = (
    "Json",
    "clock",
    "duration",
    "entries",
    "evidence",
    "fields",
    "in_shape",
    "latency",
    "moment",
    "number",
    "percent",
    "plural",
    "short",
    "text",
    "version",
    "whole",
    "without_outcome",
)

Json = t.Mapping[str, t.Any]

# Characters that break a line, a terminal or an XML document, or that turn the reading direction around.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_OUTCOMES = ("promoted", "rolled_back", "aborted", "superseded", "failed", "returned")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d(?::?\d\d)?)?")


def fields(value: t.Any) -> Json:
    """A mapping, or an empty one: a record of an older release may lack a part."""
    if isinstance(value, dict):  # quick: a long record asks a million times
        return value
    return value if isinstance(value, Mapping) else {}


def entries(value: t.Any) -> t.Sequence[t.Any]:
    return value if isinstance(value, (list, tuple)) else ()


def number(value: t.Any) -> float | None:
    """A number that a count, a ratio or a time can be; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def whole(value: t.Any) -> int:
    found = number(value)
    return 0 if found is None else max(0, int(found))


def text(value: t.Any, limit: int = 400) -> str:
    """One line without control characters, at most so many characters."""
    words = "" if value is None else _UNSAFE.sub("\ufffd", " ".join(str(value)[: 4 * limit].split()))
    return words if len(words) <= limit else words[: limit - 3].rstrip() + "..."


def moment(value: t.Any) -> datetime | None:
    """A time as the store gives it (with its zone), as JSON has it, or as seconds since the epoch; without a zone it is UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    seconds = number(value)
    if seconds is not None:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=min(max(seconds, 0.0), 2.5e11))
    match = _STAMP.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:] or '00'}"
    try:
        return datetime.fromisoformat(f"{day}T{time}{(fraction or '.0').ljust(7, '0')[:7]}{zone}")
    except ValueError:
        return None


def clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def percent(ratio: float | None, unknown: str = "-") -> str:
    """A ratio of 0 to 1 with as many digits as mean something: ``18 %``, ``0.25 %``."""
    if ratio is None:
        return unknown
    value = ratio * 100
    if value >= 9.95:
        return f"{value:.0f} %"
    if value >= 0.95:
        return f"{_trimmed(f'{value:.1f}')} %"
    if 0 < value < 0.001:
        return "<0.001 %"
    return f"{_trimmed(f'{value:.1g}' if value < 0.1 else f'{value:.2g}')} %"


def latency(seconds: float | None, unknown: str = "-") -> str:
    if seconds is None:
        return unknown
    if 0 < seconds < 0.001:
        return f"{_trimmed(f'{seconds * 1000:.2g}')} ms"
    if seconds < 0.9995:
        return f"{_trimmed(f'{seconds * 1000:.3g}')} ms"
    return f"{_trimmed(f'{seconds:.3g}' if seconds < 1000 else f'{seconds:.0f}')} s"


def duration(seconds: float) -> str:
    """How long something took: ``0.8 s``, ``61 s``, ``4 min 10 s``, ``2 h 5 min``, ``3 days 4 h``."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{_trimmed(f'{seconds:.1f}')} s"
    left = round(seconds)
    if left < 120:
        return f"{left} s"
    for unit, size, part, small in (("min", 60, "s", 1), ("h", 3600, "min", 60)):
        if left < size * (60 if unit == "min" else 48):
            rest = left % size // small
            return f"{left // size} {unit}" + (f" {rest} {part}" if rest else "")
    rest = left % 86400 // 3600
    return f"{left // 86400} days" + (f" {rest} h" if rest else "")


def evidence(ratio: float | None) -> str:
    """A likelihood ratio as odds."""
    if ratio is None or math.isnan(ratio) or ratio <= 1:
        return "none"
    if ratio >= 1e6:
        return "over 1,000,000:1"
    return f"{ratio:,.0f}:1" if ratio >= 9.95 else f"{_trimmed(f'{ratio:.1f}')}:1"


def in_shape(rollout: Json) -> Json:
    """A rollout with its sides and steps, also where it is the store's row, which has them flat."""
    found = dict(rollout)
    for side in ("stable", "candidate"):
        known = dict(fields(rollout.get(side)))
        known.setdefault("version", rollout.get(f"{side}_version"))
        known.setdefault("revision", fields(rollout.get("progress")).get(side))
        found[side] = known
    found["steps"] = entries(rollout.get("steps")) or entries(fields(rollout.get("plan")).get("steps"))
    return found


def without_outcome(message: t.Any, limit: int = 300) -> tuple[str, str]:
    """A last message such as ``rolled_back: 4 of 44 requests failed`` as (outcome, reason); the outcome may be empty."""
    words = text(message, limit)
    outcome, colon, reason = words.partition(":")
    return (outcome, reason.strip()) if outcome in _OUTCOMES and (colon or words == outcome) else ("", words)


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def version(side: t.Any, unknown: str) -> str:
    """``version 4``, or what it is called where the number is not known."""
    found = text(fields(side).get("version"), 60)
    return f"version {found}" if found else unknown


def short(side: t.Any, unknown: str) -> str:
    """The same for a legend."""
    found = text(fields(side).get("version"), 24)
    return f"v{found}" if found else unknown


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits and "e" not in digits else digits
