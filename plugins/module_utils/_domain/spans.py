# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spans of time as people write them: 500ms, 30s, 5m, 1h, or seconds as a number."""

from __future__ import annotations

import re
import typing as t

from .errors import InvalidIntent

__all__ = ("seconds",)

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_FORM = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|)\s*")


def seconds(field: str, value: t.Any, *, low: float = 0.0) -> float:
    """
    :returns: seconds
    :raises InvalidIntent: for anything else, or for less than ``low`` seconds
    """
    match = _FORM.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise InvalidIntent("is not a span of time", field=field, value=value, cure="write it as 500ms, 30s, 5m or 1h")
    found = float(match[1]) * _UNITS[match[2]]
    if found < low:
        raise InvalidIntent(
            f"is less than {low:g} s", field=field, value=value, cure="give a longer time, such as 30s or 5m"
        )
    return found
