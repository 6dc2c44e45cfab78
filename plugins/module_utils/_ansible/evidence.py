# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the evidence options of a module to where counters are read."""

from __future__ import annotations

import contextlib
import typing as t

from .._adapters.prometheus import Prometheus
from .._domain.errors import Refused
from .._domain.knative_metrics import latency_trust
from .._domain.plan import Plan
from .._engine.inspection import Source
from .connections import deploy_mode

__all__ = ("check_latency", "opened")


@contextlib.contextmanager
def opened(
    params: t.Mapping[str, t.Any], plan: Plan, cluster: t.Any, namespace: str, service: str
) -> t.Iterator[tuple[Source, t.Callable[[str], float | None] | None]]:
    """What the plan's counters are read from, and what answers a query; None for the latter where no Prometheus is named."""
    with contextlib.ExitStack() as stack:
        prometheus = None
        if plan.prometheus_url is not None:
            prometheus = Prometheus(
                plan.prometheus_url,
                namespace=namespace,
                service=service,
                token=params["prometheus_token"],
                username=params["prometheus_username"],
                password=params["prometheus_password"],
                ca_cert=params["prometheus_ca_cert"],
                validate_certs=params["prometheus_validate_certs"],
            )
            stack.callback(prometheus.close)
        source: Source
        if plan.source == "prometheus" and prometheus is not None and deploy_mode(params) != "simulate":
            source = prometheus
        else:
            triton = any(gate.metric == "queue_share" for gate in plan.gates)
            source = cluster.metrics(namespace, service, triton=triton)
            stack.callback(source.close)
        yield source, prometheus.value if prometheus is not None else None


def check_latency(plan: Plan, cluster: t.Any, endpoint: str) -> None:
    """:raises Refused: for a limit on latencies that this Knative does not tell the truth about"""
    if any(gate.metric in ("latency", "mean_latency") for gate in plan.gates):
        version = cluster.info().get("knative")
        lie = latency_trust(str(version) if version else None)
        if lie is not None:
            raise Refused(lie, endpoint=endpoint, field="gates", cure="leave the latency gates out, or upgrade Knative")
