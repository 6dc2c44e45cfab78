# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of module rollout to a rollout in the store: everything that can be refused is refused before it."""

from __future__ import annotations

import dataclasses
import getpass
import os
import socket
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.intents import Intents
from .._adapters.postgres import Row
from .._adapters.rollouts import Rollouts
from .._adapters.scope import Scope
from .._adapters.store import Store
from .._domain.capacity import fits
from .._domain.errors import InvalidIntent, NotFound, Refused
from .._domain.intent import Endpoint, Intent, parse
from .._domain.keys import canonical_keys
from .._domain.plan import ROLLBACK, Plan, parse_plan
from .._domain.rollout import Progress
from .._domain.versions import STANDARD
from .connections import deploy_mode
from .endpoints import is_id

__all__ = (
    "PLAN_OPTIONS",
    "Request",
    "asked_plan",
    "author",
    "check_capacity",
    "create",
    "find_endpoint",
    "prepare",
)

# Options of the module that make the plan, by the name that the plan has for them.
PLAN_OPTIONS = (
    *(
        "strategy",
        "steps",
        "split",
        "duration",
        "watch",
        "winner",
        "gates",
        "approvals",
        "min_requests",
        "alpha",
        "harm_budget",
    ),
    *("bake", "step_timeout", "interval", "on_inconclusive", "on_no_capacity", "hooks", "requests", "request_rate"),
    *("gateway_url", "evidence", "prometheus_url"),
)
_CAPACITY_POLL = 2.0


@dataclasses.dataclass(frozen=True)
class Request:
    """A rollout that may begin."""

    endpoint: Endpoint
    candidate: Row
    stable_id: str | None
    stable_version: int | None
    plan: Plan
    traffic: dict[str, t.Any]
    intent: Intent


def author() -> str:
    """Who it is for the record: the job of AWX where it says so, else user and machine."""
    for name in ("MLOPS_ROLLOUT_BY", "AWX_USER_NAME", "TOWER_USER_NAME", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        if os.environ.get(name):
            return str(os.environ[name])
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def asked_plan(params: t.Mapping[str, t.Any]) -> Plan:
    """The plan in the user's options; ``rollout_timeout`` is the plan's ``timeout``."""
    asked = {name: params.get(name) for name in PLAN_OPTIONS}
    return parse_plan({**asked, "timeout": params.get("rollout_timeout"), "ready_timeout": params.get("timeout")})


def find_endpoint(module: AnsibleModule, store: Store) -> Endpoint:
    wanted = str(module.params["endpoint"])
    chosen: dict[str, t.Any] = {"ids" if is_id(wanted) else "names": (wanted,)}
    scope = Scope(tenant_id=module.params["tenant_id"], project_id=module.params["project_id"], **chosen)
    found = [endpoint for endpoint in store.endpoints(scope) if endpoint.status not in ("DELETED", "DELETING")]
    if not found:
        raise NotFound(
            "there is no such endpoint", field="endpoint", value=wanted, cure="see mlops.serving.endpoint_info"
        )
    if len(found) > 1:
        raise InvalidIntent(
            f"is the name of {len(found)} endpoints",
            field="endpoint",
            value=wanted,
            cure="give tenant_id and project_id, or the endpoint's id",
        )
    return found[0]


def prepare(module: AnsibleModule, store: Store, rollouts: Rollouts, endpoint: Endpoint, plan: Plan) -> Request | None:
    """Checks what is asked for against the row and what is recorded; None where the version serves already.

    :raises Refused, InvalidIntent: nothing has been written
    """
    state = rollouts.applied(endpoint.id) or {}
    intents = Intents(store.database)
    if plan.strategy == ROLLBACK and module.params["model_version"] is None:
        candidate = _before(rollouts, intents, endpoint)
    else:
        candidate = _version(module, intents, endpoint)
    if parse(endpoint, strict=False).stopped:
        raise Refused(
            "the endpoint is stopped: nothing serves that a candidate could be judged beside",
            endpoint=endpoint.name,
            field="runtime_config.stopped",
            value=True,
            cure="start it first: set runtime_config.stopped to false, run mlops.serving.reconcile, then roll out",
        )
    if state.get("stable_version_id") is None or not state.get("applied"):
        reason = state.get("last_error") or (
            "nothing serves yet" if state.get("stable_version_id") is None else "its row is not what is applied"
        )
        raise Refused(
            f"the endpoint is not at rest: {reason}",
            endpoint=endpoint.name,
            cure="bring it to its row with mlops.serving.reconcile first",
        )
    mode = deploy_mode(module.params)
    if state["deploy_mode"] != mode:
        raise Refused(
            f"it is deployed in mode {state['deploy_mode']}, and this run is in mode {mode}",
            endpoint=endpoint.name,
            cure=f"set deploy_mode (DEPLOY_MODE) to {state['deploy_mode']}",
        )
    if state["serving_mode"] == STANDARD:
        raise Refused(
            "it is served in Standard mode, where released KServe splits no traffic",
            endpoint=endpoint.name,
            field="runtime_config.deploymentMode",
            value=STANDARD,
            cure="make an endpoint in Knative mode for it; the mode of one that exists cannot be changed",
        )
    traffic, _notes = canonical_keys("traffic", endpoint.traffic, strict=False)
    in_flight = traffic.pop("canaryTrafficPercent", None)
    stable = state["stable_version_id"]
    if endpoint.model_version_id != stable or in_flight not in (None, 100):
        raise Refused(
            f"a canary is in flight that was set by hand ({in_flight} % of version {endpoint.version})",
            endpoint=endpoint.name,
            field="traffic.canaryTrafficPercent",
            value=in_flight,
            cure=f"set the row back to version {state['stable_version']} without a percentage, or promote it by hand, then begin",
        )
    if candidate["id"] == stable:
        if plan.strategy == "ab":
            raise InvalidIntent(
                "is the version that serves already: an A/B of a version with itself shows nothing",
                endpoint=endpoint.name,
                field="model_version",
                value=candidate["version"],
                cure="name the other version",
            )
        return None
    wanted = dataclasses.replace(
        endpoint,
        model_version_id=candidate["id"],
        version=candidate["version"],
        artifact_uri=candidate["artifact_uri"],
        traffic=traffic,
    )
    return Request(endpoint, candidate, stable, state["stable_version"], plan, traffic, parse(wanted, strict=False))


def check_capacity(module: AnsibleModule, cluster: t.Any, request: Request) -> None:
    """Refuses, or waits for, a candidate whose GPUs are not there."""
    pods = max(1, request.intent.min_replicas if request.intent.min_replicas is not None else 1)
    if not request.intent.gpu or deploy_mode(module.params) == "simulate":
        return
    deadline = time.monotonic() + request.plan.ready_timeout
    while True:
        free = cluster.free_gpus()
        if free is None or fits(free, request.intent.gpu, pods):
            if free is None:
                module.warn(
                    f"endpoint {request.endpoint.name}: nodes cannot be listed, so room for its GPUs was not looked at"
                )
            return
        if request.plan.on_no_capacity == "refuse" or time.monotonic() >= deadline:
            raise Refused(
                f"there is no room for the candidate: {pods} pod(s) with {request.intent.gpu} GPU(s) each, and"
                f" {sum(max(0, count) for count in free.values())} GPU(s) are free; stable keeps its own during a rollout",
                endpoint=request.endpoint.name,
                field="runtime_config.gpu",
                value=request.intent.gpu,
                cure="free a GPU or add a node; on_no_capacity: wait waits for one",
            )
        time.sleep(_CAPACITY_POLL)


def create(rollouts: Rollouts, claim: t.Any, request: Request, *, simulated: bool, who: str, now: float) -> str:
    """Its row and its first intent, together."""
    name = f"version {request.stable_version} -> {request.candidate['version']}"
    return rollouts.create(
        claim,
        strategy=request.plan.strategy,
        plan=request.plan.to_json(),
        progress=Progress(since=now, started=now).to_json(),
        stable=request.stable_id,
        candidate=request.candidate["id"],
        simulated=simulated,
        who=who,
        traffic={**request.traffic, "canaryTrafficPercent": 0},
        message=f"{name}   {request.plan.words()}",
    )


def _version(module: AnsibleModule, intents: Intents, endpoint: Endpoint) -> Row:
    wanted = module.params["model_version"]
    if wanted is None:
        raise InvalidIntent(
            "is missing",
            endpoint=endpoint.name,
            field="model_version",
            cure="give the number of the version to roll out",
        )
    if endpoint.model_id is None:
        raise InvalidIntent(
            "the endpoint names no model",
            endpoint=endpoint.name,
            field="model",
            cure="set it with mlops.serving.endpoint",
        )
    versions = intents.versions(model_ids=[endpoint.model_id], ids=[wanted] if is_id(wanted) else [])
    for row in versions:
        if row["model_id"] == endpoint.model_id and wanted in (str(row["version"]), row["id"]):
            if not row["artifact_uri"]:
                raise InvalidIntent(
                    "has no artifact to serve",
                    endpoint=endpoint.name,
                    field="model_version",
                    value=wanted,
                    cure="register its artifact_uri with mlops.serving.model_version",
                )
            return row
    numbers = ", ".join(str(row["version"]) for row in versions if row["model_id"] == endpoint.model_id)
    raise NotFound(
        "the endpoint's model has no such version",
        endpoint=endpoint.name,
        field="model_version",
        value=wanted,
        cure=f"use one of {numbers}" if numbers else "register it with mlops.serving.model_version",
    )


def _before(rollouts: Rollouts, intents: Intents, endpoint: Endpoint) -> Row:
    """The version that served before the last promotion."""
    last = rollouts.promoted(endpoint.id)
    if last is None or last["stable_version_id"] is None:
        raise NotFound(
            "no promotion is on record, so there is no version to go back to",
            endpoint=endpoint.name,
            cure="name it with model_version",
        )
    # Asked for again after a way back it is done; further back only by name.
    wanted = last["candidate_version_id" if last["strategy"] == ROLLBACK else "stable_version_id"]
    for row in intents.versions(model_ids=[], ids=[wanted]):
        return row
    raise NotFound(
        f"version {last['stable_version'] or last['stable_version_id']}, which served before, is not registered any more",
        endpoint=endpoint.name,
        field="model_version",
        cure="name another one",
    )
