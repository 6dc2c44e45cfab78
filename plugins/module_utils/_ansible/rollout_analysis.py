# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module rollout_analysis does: judge the revisions of an endpoint by what they answer from now on."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.overview import overview
from .._adapters.scope import Scope
from .._adapters.store import Store
from .._domain.errors import InvalidIntent, NotFound, Refused, Unavailable
from .._domain.plan import Plan, parse_plan
from .._domain.readiness import Observed
from .._domain.spans import seconds
from .._domain.verdict import FAIL, NO_DATA, percent
from .._domain.versions import STANDARD
from .._engine.inspection import Inspector, Look
from .._engine.world import World
from .connections import deploy_mode, open_store
from .evidence import check_latency, opened
from .module import Result
from .reconciliation import open_cluster
from .rollout_request import find_endpoint

__all__ = ("analyse",)

_ASKED = ("gates", "alpha", "interval", "evidence", "prometheus_url")


def analyse(module: AnsibleModule, result: Result) -> None:
    """``result`` gets ``verdict``, ``findings`` and the counts of both sides."""
    params = module.params
    lasts = seconds("duration", params["duration"])
    asked = {name: params[name] for name in _ASKED}
    parse_plan(asked)  # what cannot be is said before anything is connected to
    with open_store(module) as store:
        store.ready()
        endpoint = find_endpoint(module, store)
        deployment = _deployment(module, store, endpoint.id, endpoint.name)
        namespace, service = deployment["namespace"], deployment["service"]
        with contextlib.closing(open_cluster(module, store)) as cluster:
            result["host"] = cluster.host
            observed = cluster.observe(namespace, service)
            candidate, stable = _sides(params["revisions"] or {}, observed, endpoint.name)
            plan = _plan(asked, compared=stable is not None)
            check_latency(plan, cluster, endpoint.name)
            names = {
                "endpoint": endpoint.name,
                "namespace": namespace,
                "service": service,
                "candidate": candidate,
                "stable": stable,
            }
            simulated = deploy_mode(params) == "simulate"
            with opened(params, plan, cluster, namespace, service) as (source, query):
                world = World(plan, simulated=simulated, query=query, context=lambda: names)
                inspector = Inspector(plan, source, lambda: cluster.pods(namespace, service), world.ask, {})
                began = time.monotonic()
                look = _watch(inspector, candidate, stable or candidate, lasts, plan.interval)
                result.update(
                    seconds=round(time.monotonic() - began, 1),
                    source=source.name,
                    simulated=simulated,
                    endpoint=endpoint.name,
                )
    _tell(result, look, inspector.totals(), candidate, stable, observed.shares)
    if result["verdict"] in params["fail_on"]:
        error = Refused if result["verdict"] == FAIL else Unavailable
        raise error(result["summary"].rstrip("."), endpoint=result["endpoint"], cure="see findings for each limit")


def _deployment(module: AnsibleModule, store: Store, endpoint_id: str, name: str) -> dict[str, t.Any]:
    deployment: dict[str, t.Any] | None = overview(store.database, Scope(ids=(endpoint_id,)))[0]["deployment"]
    if deployment is None or not deployment["service"]:
        raise NotFound("it is not deployed yet", endpoint=name, cure="deploy it with mlops.serving.reconcile")
    mode = deploy_mode(module.params)
    if deployment["deploy_mode"] != mode:
        raise Refused(
            f"it is deployed in mode {deployment['deploy_mode']}, and this run is in mode {mode}",
            endpoint=name,
            cure=f"set deploy_mode (DEPLOY_MODE) to {deployment['deploy_mode']}",
        )
    if deployment["serving_mode"] == STANDARD:
        raise Refused(
            "it is served in Standard mode, which has no revisions to tell apart",
            endpoint=name,
            field="runtime_config.deploymentMode",
            value=STANDARD,
            cure="ask your monitoring about it; in Knative mode this module can",
        )
    return deployment


def _sides(wanted: t.Mapping[str, t.Any], observed: Observed, endpoint: str) -> tuple[str, str | None]:
    """The newest revision and the one that was rolled out before it; None where that is the same."""
    candidate = wanted.get("candidate") or observed.latest_ready or observed.latest_created
    stable = wanted.get("stable") or observed.latest_rolledout
    if candidate is None:
        raise NotFound("nothing serves it", endpoint=endpoint, cure="deploy it with mlops.serving.reconcile")
    return candidate, stable if stable != candidate else None


def _plan(asked: t.Mapping[str, t.Any], *, compared: bool) -> Plan:
    """Without a second revision the default has no limit over stable, and one that was asked for is refused."""
    if compared:
        return parse_plan(asked)
    if not asked["gates"]:
        return parse_plan({**asked, "gates": [{"metric": "errors", "max": "1%"}]})
    plan = parse_plan(asked)
    for i, gate in enumerate(plan.gates):
        if gate.over_stable is not None:
            raise InvalidIntent(
                "only one revision serves, so there is nothing to compare with",
                field=f"gates[{i}].over_stable" if len(plan.gates) == len(asked["gates"]) else "gates",
                value=percent(gate.over_stable),
                cure="state an absolute limit, or name both sides with revisions",
            )
    return plan


def _watch(inspector: Inspector, candidate: str, stable: str, lasts: float, interval: float) -> Look:
    """Looks until the time is over or something is wrong.

    :raises Unavailable: where nothing can be read at the start
    """
    inspector.begin(candidate, stable, time.time())
    end = time.monotonic() + lasts
    while True:
        time.sleep(max(0.05, min(interval, end - time.monotonic())))
        look = inspector.look(candidate, stable, time.time())
        if look.verdict.outcome == FAIL or look.broken or time.monotonic() >= end:
            return look


def _tell(
    result: Result,
    look: Look,
    totals: dict[str, t.Any],
    candidate: str,
    stable: str | None,
    shares: t.Mapping[str, int],
) -> None:
    outcome = FAIL if look.broken else look.verdict.outcome
    findings = look.verdict.findings
    against = [look.broken] if look.broken else []
    against += [finding.why for finding in findings if finding.outcome == outcome and outcome in (FAIL, NO_DATA)]
    result.update(
        verdict=outcome,
        findings=[finding.to_json() for finding in findings],
        doubts=list(look.verdict.doubts),
        broken=look.broken,
        candidate={"revision": candidate, "share": shares.get(candidate, 0), **totals["candidate"]},
        stable=None if stable is None else {"revision": stable, "share": shares.get(stable, 0), **totals["stable"]},
        rate=round(look.rate if stable is not None else look.rate / 2, 3),
        stable_worse=look.verdict.stable_worse if stable is not None else 1.0,
    )
    said = "; ".join(against) or "; ".join(look.verdict.doubts) or "nothing speaks against it"
    result["summary"] = f"{candidate}: {said}"
