# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traffic that the simulator makes up for a model version, as ``metrics.simulate`` of its row asks for it."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from statistics import NormalDist

from .errors import InvalidIntent
from .evidence import BUSY, LATENCY, LATENCY_SUM, QUEUED, REQUESTS, Pod
from .knative_metrics import BUCKETS

__all__ = ("Load", "Profile", "pod_name", "profile", "simulated_pods")

# Width of the log-normal latency: the 99th percentile is 2.3 times the median.
_SIGMA = 0.35
_BOUNDS = (*BUCKETS, math.inf)
_LABELS = (*(f"{bound:.12g}" for bound in BUCKETS), "+Inf")
# The part of a request's time that it spends inside Triton.
_INSIDE = 0.9


@dataclass(frozen=True)
class Profile:
    """:param rps: requests a second at 100 % of the traffic
    :param error_ratio: part of them that is answered with status 500, 0 to 1
    :param latency_ms: median
    :param queue_share: part of Triton's time that requests wait in its queue, 0 to 1
    :param crash: the container dies of its first request
    :param no_metrics: the pods give out nothing
    """

    rps: float = 50.0
    error_ratio: float = 0.0
    latency_ms: float = 20.0
    queue_share: float = 0.1
    crash: bool = False
    no_metrics: bool = False

    def buckets(self) -> list[tuple[float, float]]:
        """For each bucket of queue-proxy's histogram: the part of the requests in it, and their mean in seconds."""
        center, normal = math.log(self.latency_ms / 1000), NormalDist()
        mean = math.exp(center + _SIGMA**2 / 2)
        found = []
        below, below_weighted = 0.0, 0.0
        for bound in _BOUNDS:
            place = math.inf if math.isinf(bound) else (math.log(bound) - center) / _SIGMA
            part = 1.0 if math.isinf(place) else normal.cdf(place)
            weighted = 1.0 if math.isinf(place) else normal.cdf(place - _SIGMA)
            inside = part - below
            found.append((inside, mean * (weighted - below_weighted) / inside if inside > 1e-12 else 0.0))
            below, below_weighted = part, weighted
        return found


def profile(simulate: t.Any) -> Profile:
    """What ``model_versions.metrics.simulate`` asks for; what it does not mention is as usual.

    :raises InvalidIntent: for a number that is out of range
    """
    given = simulate if isinstance(simulate, dict) else {}
    usual = Profile()
    return Profile(
        rps=_number(given, "rps", usual.rps, 0, 100_000),
        error_ratio=_number(given, "error_ratio", usual.error_ratio, 0, 1),
        latency_ms=_number(given, "latency_ms", usual.latency_ms, 0.001, 1e6),
        queue_share=_number(given, "queue_share", usual.queue_share, 0, 1),
        crash=given.get("crash") is True,
        no_metrics=given.get("no_metrics") is True,
    )


@dataclass
class Load:
    """What one revision has answered so far.

    :param buckets: requests in each bucket of queue-proxy's histogram, not cumulative
    """

    good: int = 0
    failed: int = 0
    buckets: list[int] | None = None
    latency_sum: float = 0.0
    queued: float = 0.0

    def add(self, profile: Profile, failed: int, buckets: t.Sequence[int]) -> None:
        """Count requests: the sum of ``buckets``, ``failed`` of them with status 500."""
        before = self.buckets or [0] * len(_BOUNDS)
        seconds = sum(count * mean for count, (_part, mean) in zip(buckets, profile.buckets(), strict=True))
        self.good += sum(buckets) - failed
        self.failed += failed
        self.buckets = [old + new for old, new in zip(before, buckets, strict=True)]
        self.latency_sum += seconds
        self.queued += seconds * _INSIDE * profile.queue_share

    def counters(self, triton: bool) -> dict[tuple[str, str], float]:
        """The same as ``knative_metrics.counters`` reads off a pod: what has not counted is not there."""
        found: dict[tuple[str, str], float] = {}
        for status, count in (("200", self.good), ("500", self.failed)):
            if count:
                found[REQUESTS, status] = float(count)
        if not found:
            return {}
        reached = 0
        for label, count in zip(_LABELS, self.buckets or (), strict=True):
            reached += count
            found[LATENCY, label] = float(reached)
        found[LATENCY_SUM, ""] = self.latency_sum
        if triton:
            found[QUEUED, ""] = self.queued
            found[BUSY, ""] = self.latency_sum * _INSIDE
        return found


def pod_name(revision: str) -> str:
    """The simulator's one pod of a revision, named as Knative names its pods."""
    return f"{revision}-deployment-simulated"


def simulated_pods(revisions: t.Iterable[t.Mapping[str, t.Any]], crashed: t.Collection[str]) -> tuple[Pod, ...]:
    """:param revisions: as the simulator's state has them
    :param crashed: names of those whose container has died of a request
    """
    pods = []
    for revision in revisions:
        name, error = revision["name"], revision["error"]
        if name in crashed:
            error = "exit code 1: made to crash by metrics.simulate.crash"
        failing = f"container kserve-container: CrashLoopBackOff: {error}" if error else ""
        pods.append(
            Pod(
                pod_name(name),
                name,
                ready=revision["ready"] and not failing,
                restarts=int(bool(failing)),
                failing=failing,
            )
        )
    return tuple(sorted(pods, key=lambda pod: pod.revision))


def _number(given: t.Mapping[str, t.Any], name: str, usual: float, low: float, high: float) -> float:
    value = given.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidIntent(
            "is out of range",
            field=f"model_versions.metrics.simulate.{name}",
            value=value,
            cure=f"give a number from {low:g} to {high:g}",
        )
    return float(value)
