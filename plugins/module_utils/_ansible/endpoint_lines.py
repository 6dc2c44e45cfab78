# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line for each endpoint that comes to its end."""

from __future__ import annotations

import threading
import time
import typing as t

from .._domain.errors import LeaseLost
from .._engine.deployment import Result as Ended
from .progress import Lines

__all__ = ("EndpointLines", "line_of")

_SUM_SECONDS = 5.0


class EndpointLines:
    """
    :param most: so many endpoints are told one by one, after that failures and now and then how many there were; None for all
    """

    def __init__(self, lines: Lines, *, most: int | None = None) -> None:
        self._lines = lines
        self._most = most
        self._lock = threading.Lock()
        self._ended = self._failed = 0
        self._summed_at = time.monotonic()

    def tell(self, ended: Ended) -> None:
        """What became of one endpoint."""
        with self._lock:
            self._ended += 1
            self._failed += ended.error is not None
            single = self._most is None or self._ended <= self._most or ended.error is not None
            due = not single and time.monotonic() - self._summed_at >= _SUM_SECONDS
            if due:
                self._summed_at = time.monotonic()
        if single:
            self._lines.say(line_of(ended), **fields_of(ended))
        elif due:
            told = f"{self._ended} endpoints so far, {self._failed} of them failed"
            self._lines.say(told, event="endpoints", endpoints=self._ended, failed=self._failed)


def line_of(ended: Ended) -> str:
    """``demo  READY  http://...  2.1 s; stage at 0 %; promote``"""
    name = f"{ended.name:<20}"
    if isinstance(ended.error, LeaseLost):
        return f"{name}  left       {ended.error}"
    if ended.error is not None:
        return f"{name}  {ended.status:<9}  {'not changed: ' if ended.status == 'READY' else ''}{ended.error}"
    steps = "; ".join(write.split(";")[0] for write in ended.writes) or "as it was"
    return "  ".join(
        word for word in (name, f"{ended.status:<9}", ended.url or "", f"{ended.seconds:.1f} s", steps) if word
    )


def fields_of(ended: Ended) -> dict[str, t.Any]:
    """The same for programs. What failed has the error's code and what a person does about it."""
    error, left = ended.error, isinstance(ended.error, LeaseLost)
    told: dict[str, t.Any] = {
        "event": "endpoint.left" if left else "endpoint.failed" if error else f"endpoint.{ended.status.lower()}",
        "level": "warning" if left else "error" if error else "info",
        "endpoint": ended.name,
        "endpoint_id": ended.id,
        "tenant_id": ended.tenant_id,
        "trace_id": ended.trace_id,
        "status": None if left else ended.status,
        "seconds": round(ended.seconds, 3),
        "namespace": ended.namespace or None,
        "service": ended.service or None,
        "url": ended.url,
        "changed": ended.changed,
        "writes": ended.writes,
    }
    if error is not None:
        told["error"] = {
            name: error.failure[name] for name in ("code", "message", "field", "cure") if error.failure[name]
        }
    return told
