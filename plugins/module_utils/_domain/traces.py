# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trace ids as W3C's Trace Context writes them, so that other systems can go on with them."""

from __future__ import annotations

import hashlib
import re

from .errors import InvalidIntent

__all__ = ("normal_trace_id", "traceparent")

_ID = re.compile(r"[0-9a-f]{32}")


def normal_trace_id(value: str) -> str:
    """32 hex digits in lower case; a UUID's dashes are left out.

    :raises InvalidIntent: it is something else, or zero
    """
    found = value.strip().lower().replace("-", "")
    if not _ID.fullmatch(found) or not found.strip("0"):
        cure = "give 32 hexadecimal digits, or a UUID, or leave it out for a new one"
        raise InvalidIntent("is not a trace id", field="trace_id", value=value, cure=cure)
    return found


def traceparent(trace_id: str) -> str | None:
    """The header of that name, or None where the id is not one of W3C's.

    The parent's id is derived, as nothing here records spans; for the same reason the flag says "not sampled", by which a
    NATS server does not trace the message's way either.
    """
    if not _ID.fullmatch(trace_id):
        return None
    return f"00-{trace_id}-{hashlib.sha256(trace_id.encode()).hexdigest()[:16]}-00"
