# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout knows of the two revisions that it compares: their counters, and the state of their pods."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

__all__ = ("BUSY", "LATENCY", "LATENCY_SUM", "QUEUED", "REQUESTS", "Pod", "Reading", "Series")

# Names of counters; what the label of each one means.
REQUESTS = "requests"  # HTTP status code as text: "200", "500"
LATENCY = "latency"  # upper bound of a histogram's bucket in seconds, cumulative: "0.5", "+Inf"
LATENCY_SUM = "latency_sum"  # no label; seconds
QUEUED = "queued"  # no label; seconds that requests have waited inside Triton
BUSY = "busy"  # no label; seconds that requests have spent inside Triton


class Series(t.NamedTuple):
    """One counter of one pod. A pod that starts again under its name starts from 0, which is seen as a reset."""

    revision: str
    pod: str
    counter: str
    label: str = ""


# The value of every counter at one moment, as it stood in the pods. A series that is not there has not counted yet.
Reading = dict[Series, float]


@dataclass(frozen=True)
class Pod:
    """:param restarts: of all its containers together; :param failing: why a container does not run, in the kubelet's words"""

    name: str
    revision: str
    ready: bool = False
    restarts: int = 0
    terminating: bool = False
    failing: str = ""
