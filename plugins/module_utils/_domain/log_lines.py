# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of a log that programs read: one JSON object."""

from __future__ import annotations

import json
import typing as t
from datetime import datetime

__all__ = ("Level", "log_line")

Level = t.Literal["info", "warning", "error"]


def log_line(at: datetime, message: str, *, event: str, level: Level = "info", **fields: t.Any) -> str:
    """
    :param at: in UTC
    :param event: what happened, in words that do not change, such as ``endpoint.ready``
    :param fields: what is known of it; those that are None are left out
    """
    time = f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    known = {name: value for name, value in fields.items() if value is not None}
    return json.dumps({"time": time, "level": level, "event": event, **known, "message": message}, default=str)
