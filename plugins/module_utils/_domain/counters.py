# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was counted between two looks, by revision.

Differences are taken here and not by a rate of Prometheus: a rate takes a new series' first sample for no increase, which
is just when the first failures of a bad candidate appear.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field

from .evidence import BUSY, LATENCY, LATENCY_SUM, QUEUED, REQUESTS, Reading, Series

__all__ = ("Counts", "Ledger")

_INFINITY = "+Inf"
# Counters that one process of a pod holds: when one of them falls, that process started again and all of them did.
_PROCESS = {REQUESTS: "proxy", LATENCY: "proxy", LATENCY_SUM: "proxy", QUEUED: "server", BUSY: "server"}
_WHOLE = (REQUESTS, LATENCY)

Buckets = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Counts:
    """What one revision has answered.

    :param failed: of the requests, those with a status of 500 to 599
    :param buckets: (upper bound in seconds, requests up to it), rising; the last bound is math.inf. Empty: latency unknown
    :param latency_sum: seconds; ``queued`` and ``busy``: seconds inside Triton
    """

    requests: int = 0
    failed: int = 0
    buckets: Buckets = ()
    latency_sum: float = 0.0
    queued: float = 0.0
    busy: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.requests + other.requests,
            self.failed + other.failed,
            _merged(self.buckets, other.buckets),
            self.latency_sum + other.latency_sum,
            self.queued + other.queued,
            self.busy + other.busy,
        )

    @property
    def measured(self) -> int:
        """Requests whose latency is known; not always all of them."""
        return self.buckets[-1][1] if self.buckets else 0

    def slower_than(self, seconds: float) -> tuple[float, int] | None:
        """The smallest bound that is not below the limit, and how many took longer than that bound.

        None where only +Inf is above the limit: nothing can be said then.
        """
        for bound, count in self.buckets:
            if bound >= seconds * (1 - 1e-9):
                return None if math.isinf(bound) else (bound, self.measured - count)
        return None

    def quantile(self, q: float) -> float | None:
        """Seconds, straight between two bounds as histogram_quantile of Prometheus does; above the last bound, that bound."""
        if not self.measured:
            return None
        rank = q * self.measured
        below, start = 0, 0.0
        for bound, count in self.buckets:
            if count >= rank and count > below:
                return start if math.isinf(bound) else start + (bound - start) * (rank - below) / (count - below)
            below, start = count, bound
        return start

    def mean(self) -> float | None:
        """Seconds."""
        return self.latency_sum / self.measured if self.measured else None

    def error_ratio(self) -> float | None:
        return self.failed / self.requests if self.requests else None

    def queue_share(self) -> float | None:
        """Of the time inside Triton, the share spent waiting."""
        return self.queued / self.busy if self.busy > 0 else None

    def to_json(self) -> dict[str, t.Any]:
        return {
            "requests": self.requests,
            "failed": self.failed,
            "buckets": [[_INFINITY if math.isinf(bound) else bound, count] for bound, count in self.buckets],
            "latency_sum": self.latency_sum,
            "queued": self.queued,
            "busy": self.busy,
        }

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Counts:
        return cls(
            int(data["requests"]),
            int(data["failed"]),
            tuple((float(bound), int(count)) for bound, count in data["buckets"]),
            float(data["latency_sum"]),
            float(data["queued"]),
            float(data["busy"]),
        )


@dataclass(frozen=True)
class Ledger:
    """The last value of each series, and what each revision has counted since the start.

    :param unseen: pods that gave no answer at the start, so that what they had counted by then is unknown
    """

    last: t.Mapping[Series, float] = field(default_factory=dict)
    totals: t.Mapping[str, Counts] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()

    @classmethod
    def start(cls, reading: Reading, missing: t.Iterable[str] = ()) -> Ledger:
        """The baseline: what has been counted so far does not count.

        :param missing: pods that are there and did not answer; their first answer is their baseline
        """
        return cls(_usable(reading), {}, frozenset(missing))

    def take(self, reading: Reading) -> tuple[Ledger, dict[str, Counts]]:
        """The increments by revision since the last look, and the ledger that knows them.

        A new series began at 0. A series that is not in the reading keeps its last value: its pod is gone, or will go on from there.
        """
        seen = _usable(reading)
        first = {series for series in seen if series.pod in self.unseen}
        restarted = {_process(series) for series, value in seen.items() if value < self.last.get(series, 0.0)}
        kept = {series: value for series, value in self.last.items() if _process(series) not in restarted}
        grown: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
        for series, value in seen.items():
            if series not in first:
                by_pod = grown.setdefault((series.revision, series.pod), {})
                by_pod[series.counter, series.label] = value - kept.get(series, 0.0)
        increments = {revision: Counts() for revision in {*self.totals, *(series.revision for series in seen)}}
        for (revision, _pod), values in sorted(grown.items()):
            increments[revision] += _counts(values)
        totals = {revision: self.totals.get(revision, Counts()) + counts for revision, counts in increments.items()}
        unseen = self.unseen - {series.pod for series in first}
        return Ledger({**kept, **seen}, totals, unseen), increments

    def to_json(self) -> dict[str, t.Any]:
        last: dict[str, t.Any] = {}
        for series, value in sorted(self.last.items()):
            pods = last.setdefault(series.revision, {})
            pods.setdefault(series.pod, {}).setdefault(series.counter, {})[series.label] = value
        return {
            "last": last,
            "totals": {revision: counts.to_json() for revision, counts in sorted(self.totals.items())},
            "unseen": sorted(self.unseen),
        }

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Ledger:
        last = {
            Series(revision, pod, counter, label): float(value)
            for revision, pods in data["last"].items()
            for pod, counters in pods.items()
            for counter, labels in counters.items()
            for label, value in labels.items()
        }
        totals = {revision: Counts.from_json(counts) for revision, counts in data["totals"].items()}
        return cls(last, totals, frozenset(data["unseen"]))


def _usable(reading: Reading) -> dict[Series, float]:
    """Counts are whole; of a fraction the whole part counts now and the rest when it is whole. NaN says nothing."""
    return {
        series: float(math.floor(value)) if series.counter in _WHOLE else float(value)
        for series, value in reading.items()
        if math.isfinite(value)
    }


def _process(series: Series) -> tuple[str, str, str]:
    return series.revision, series.pod, _PROCESS.get(series.counter, series.counter)


def _counts(values: dict[tuple[str, str], float]) -> Counts:
    """One pod's increments."""
    by_code = {label: round(value) for (counter, label), value in values.items() if counter == REQUESTS}
    buckets = sorted((float(label), round(value)) for (counter, label), value in values.items() if counter == LATENCY)
    return Counts(
        sum(by_code.values()),
        sum(count for code, count in by_code.items() if len(code) == 3 and code[0] == "5"),
        # Without its last bound a histogram does not say how many requests it is of.
        tuple(buckets) if buckets and math.isinf(buckets[-1][0]) else (),
        values.get((LATENCY_SUM, ""), 0.0),
        values.get((QUEUED, ""), 0.0),
        values.get((BUSY, ""), 0.0),
    )


def _merged(one: Buckets, other: Buckets) -> Buckets:
    """Bounds that only one of two histograms has say nothing about their sum."""
    if not one or not other:
        return one or other
    more = dict(other)
    return tuple((bound, count + more[bound]) for bound, count in one if bound in more)
