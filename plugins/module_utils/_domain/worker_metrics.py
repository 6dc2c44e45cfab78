# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker tells Prometheus about itself, in the text format 0.0.4."""

from __future__ import annotations

import typing as t
from collections import Counter

__all__ = ("EVENTS", "PREFIX", "Outcome", "WorkerMetrics")

PREFIX = "mlops_serving_worker_"
Outcome = t.Literal["ready", "deleted", "failed", "refused", "superseded"]
OUTCOMES: tuple[Outcome, ...] = ("ready", "deleted", "failed", "refused", "superseded")
# From an answer of the simulator to a model of many gigabytes.
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_COUNTERS = {
    "sweeps_total": "Looks at all endpoints.",
    "notifications_total": "Notifications of the store that were heard.",
    "retries_total": "Endpoints that were taken once more after they had failed.",
    "interruptions_total": "Times that the store or the cluster was away.",
    "drift_looks_total": "Looks at all InferenceServices for what somebody has changed.",
    "drift_repaired_total": "Endpoints that were put right by them.",
}
_GAUGES = {
    "endpoints_due": "Endpoints whose intent is not applied.",
    "endpoints_in_hand": "Those of them that a worker has in hand.",
    "endpoints_failed": "Those of them that failed and wait for their next attempt.",
    "oldest_due_seconds": "Age of the oldest intent that is not applied and has not failed.",
    "dead_letters": "Events that could not be taken in, and that nobody has replayed or discarded.",
    "events_unpublished": "Events in the outbox that are not published yet.",
}
# What becomes of an event: a stale one asks for another model version than its row has, an early one is before its row and comes again.
EVENTS = ("requested", "stale", "dead", "early")


class WorkerMetrics:
    """Counts what became of endpoints; nothing here knows time or threads."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._buckets = [0] * len(BUCKETS)
        self._seconds = 0.0
        self._finished = 0

    def observe(self, outcome: Outcome, seconds: float) -> None:
        """One endpoint came to its end, so many seconds after it was taken."""
        self._outcomes[outcome] += 1
        self._finished += 1
        self._seconds += seconds
        for place, limit in enumerate(BUCKETS):
            self._buckets[place] += seconds <= limit

    @property
    def outcomes(self) -> dict[str, int]:
        """How many endpoints came to each end."""
        return dict(self._outcomes)

    def text(self, figures: t.Mapping[str, float]) -> str:
        """
        :param figures: values of the other counters and gauges by name, and ``events_...`` for each of EVENTS; those that are
            missing are left out
        """
        lines = _head("endpoints_total", "counter", "Endpoints that came to an end, by what became of them.")
        lines += [f'{PREFIX}endpoints_total{{outcome="{name}"}} {count}' for name, count in self._outcomes.items()]
        lines += _head("endpoint_seconds", "histogram", "Seconds from taking an endpoint to its end.")
        for limit, count in zip(BUCKETS, self._buckets, strict=True):
            lines.append(f'{PREFIX}endpoint_seconds_bucket{{le="{limit:g}"}} {count}')
        lines.append(f'{PREFIX}endpoint_seconds_bucket{{le="+Inf"}} {self._finished}')
        lines.append(f"{PREFIX}endpoint_seconds_sum {self._seconds:.6f}")
        lines.append(f"{PREFIX}endpoint_seconds_count {self._finished}")
        for kind, names in (("counter", _COUNTERS), ("gauge", _GAUGES)):
            for name, meaning in names.items():
                if name in figures:
                    lines += [*_head(name, kind, meaning), f"{PREFIX}{name} {figures[name]:.10g}"]
        if all(name in figures for name in map(_event, EVENTS)):
            lines += _head("events_total", "counter", "Events that were taken in, by what became of them; of all workers.")
            lines += [f'{PREFIX}events_total{{result="{name}"}} {figures[_event(name)]:.10g}' for name in EVENTS]
        return "\n".join(lines) + "\n"


def _event(name: str) -> str:
    return f"events_{name}"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} {kind}"]
