# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Knative's queue-proxy and Triton call the counters that a rollout reads, release by release."""

from __future__ import annotations

import math
import re
import typing as t

from .evidence import BUSY, LATENCY, LATENCY_SUM, QUEUED, REQUESTS

__all__ = ("BUCKETS", "NAMES", "REQUEST_COUNTS", "TRITON_NAMES", "Sample", "counters", "latency_trust")


class Sample(t.NamedTuple):
    """One line of a metrics page, or one series of Prometheus."""

    name: str
    labels: t.Mapping[str, str]
    value: float


class _Family(t.NamedTuple):
    """A histogram of requests: how its counter and its buckets are called, and in what unit they are."""

    requests: str
    latencies: str
    status: str
    seconds: float


# Upper bounds of queue-proxy's latency histogram in seconds (knative/serving: pkg/queue, latencyBounds).
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# A pod has one of these, according to its queue-proxy. The newest comes first.
_FAMILIES = (
    _Family(
        "kn_serving_invocation_duration_seconds_count",
        "kn_serving_invocation_duration_seconds",
        "http_response_status_code",
        1.0,
    ),
    _Family(
        "kn_queueproxy_app_duration_seconds_count",
        "kn_queueproxy_app_duration_seconds",
        "http_response_status_code",
        1.0,
    ),
    _Family("revision_app_request_count", "revision_app_request_latencies", "response_code", 0.001),
)
_TRITON = {"nv_inference_queue_duration_us": QUEUED, "nv_inference_request_duration_us": BUSY}
_MICROSECOND = 1e-6

REQUEST_COUNTS = tuple(family.requests for family in _FAMILIES)
TRITON_NAMES = tuple(_TRITON)
# Every name that ``counters`` knows how to read.
NAMES = (
    *(name for f in _FAMILIES for name in (f.requests, f"{f.latencies}_bucket", f"{f.latencies}_sum")),
    *TRITON_NAMES,
)

# Releases whose queue-proxy measured in whole seconds: (minor release, first patch release that is right again).
_TRUNCATING = {(1, 19): 9, (1, 20): 2}
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


def counters(samples: t.Iterable[Sample]) -> dict[tuple[str, str], float]:
    """The counters of one pod, ``{(counter, label): value}`` in the terms of ``evidence``, from what it gives out.

    Latencies are there by status as well; they are added up. A value that is no number (NaN) is left out.
    """
    kept = [sample for sample in samples if math.isfinite(sample.value)]
    there = {sample.name for sample in kept}
    family = next((family for family in _FAMILIES if family.requests in there), None)
    found: dict[tuple[str, str], float] = {}
    for name, labels, value in kept:
        key: tuple[str, str] | None = None
        if name in _TRITON:
            key, value = (_TRITON[name], ""), value * _MICROSECOND
        elif family is not None and name == family.requests:
            key = (REQUESTS, str(labels.get(family.status) or ""))
        elif family is not None and name == f"{family.latencies}_bucket":
            bound = _bound(labels.get("le", ""), family.seconds)
            key = (LATENCY, bound) if bound else None
        elif family is not None and name == f"{family.latencies}_sum":
            key, value = (LATENCY_SUM, ""), value * family.seconds
        if key is not None:
            found[key] = found.get(key, 0.0) + value
    return found


def latency_trust(knative_version: str | None) -> str | None:
    """Why latencies of this Knative cannot be believed; None where they can be, or where the version is not known.

    Its queue-proxy rounded every request down to whole seconds (knative/serving #16358): what is faster than a second
    counts as 0 s, and a gate on it would pass whatever the model does.
    """
    match = _VERSION.match(knative_version or "")
    if match is None:
        return None
    major, minor, patch = (int(part) for part in match.groups())
    mended = _TRUNCATING.get((major, minor))
    if mended is None or patch >= mended:
        return None
    return (
        f"Knative {major}.{minor}.{patch} rounds latencies down to whole seconds, so a gate on latency means nothing;"
        f" {major}.{minor}.{mended} and 1.21.0 are right again"
    )


def _bound(text: str, seconds: float) -> str:
    """``le`` in seconds, written in one way: releases of Prometheus write 1 or 1.0."""
    if text == "+Inf":
        return text
    try:
        return f"{float(text) * seconds:.12g}"
    except ValueError:
        return ""
