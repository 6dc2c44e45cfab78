# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reconcile: options in, one run of the engine, results out."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import socket
import time
import typing as t
import uuid

from ansible.module_utils.basic import AnsibleModule

from .._adapters.at_rest import at_rest
from .._adapters.simulator import Simulator
from .._adapters.store import Scope, Store
from .._adapters.store import Settings as ClaimSettings
from .._domain.errors import NotFound
from .._domain.versions import KNATIVE, parse_version
from .._engine.deployment import Result as Outcome
from .._engine.deployment import Settings
from .._engine.drift import Drift
from .._engine.preview import preview
from .._engine.reconcile import Claim, Reconciler
from .connections import cluster_parameters, deploy_mode, open_store, store_parameters
from .endpoint_lines import EndpointLines
from .endpoints import is_id
from .module import Result, diff, failed
from .progress import Lines

__all__ = ("claim_settings", "engine_settings", "make_run", "open_cluster", "open_lines", "owner", "reconcile", "take")

# Longer than any single call to the cluster, so that a worker which is only slow keeps its endpoints.
_LEASE_SECONDS = 60.0
_BATCH = 500
# More lines than this are not read by people.
_TOLD = 50
_NOBODY = "00000000-0000-0000-0000-000000000000"


def reconcile(module: AnsibleModule, result: Result) -> None:
    began = time.monotonic()
    store = open_store(module)
    store.ready()
    cluster = open_cluster(module, store)
    result.update(host=cluster.host, endpoints=[], failed_endpoints=[])
    outcomes: dict[str, Outcome] = {}
    try:
        work = _check if module.check_mode else _deploy
        work(module, store, cluster, outcomes)
    finally:
        # What was done before the store or the cluster went away is told as well.
        for outcome in sorted(outcomes.values(), key=lambda outcome: (outcome.name, outcome.id)):
            _report(module, result, outcome)
        cluster.close()
        store.close()
        result["seconds"] = round(time.monotonic() - began, 3)
        for warning in getattr(cluster, "warnings", ()):
            module.warn(warning)
    if not result["failed_endpoints"]:
        del result["failed_endpoints"]


def _deploy(module: AnsibleModule, store: Store, cluster: t.Any, outcomes: dict[str, Outcome]) -> None:
    work = _Work(module, store, cluster, owner())
    lines = EndpointLines(open_lines(module, work.me), most=_TOLD)

    def ended(outcome: Outcome) -> None:
        _keep(outcomes, outcome)
        lines.tell(outcome)

    make_run(
        module, store, cluster, lambda room, _only: work.take(room), on_result=ended, others=work.held_by_others
    ).run()


class _Work:
    """What a run takes: what is due, and with ``drift`` what somebody may have changed on the cluster.

    Of endpoints at rest those alone whose InferenceService has another version, or is gone; one that is named is looked at anyway.
    """

    def __init__(self, module: AnsibleModule, store: Store, cluster: t.Any, me: str) -> None:
        self.me = me
        self._store = store
        self._scope, self._since = _scope(module, store), store.now()
        self._settings = claim_settings(module)
        self._drift = Drift()
        if self._settings.everything and module.params["endpoints"] is None:
            self._settings = dataclasses.replace(self._settings, everything=False)
            places = at_rest(store.database, self._scope, self._settings.deploy_mode)
            self._drift.look(places, cluster.versions)

    def take(self, room: int) -> tuple[list[t.Any], float]:
        while chosen := self._drift.take(min(room, _BATCH), None):
            scope = dataclasses.replace(self._scope, ids=tuple(chosen))
            claims, now = self._take(room, scope, dataclasses.replace(self._settings, everything=True))
            if claims:
                return claims, now
        return self._take(room, self._scope, self._settings)

    def _take(self, room: int, scope: Scope, settings: ClaimSettings) -> tuple[list[t.Any], float]:
        return take(self._store, self.me, room, scope=scope, settings=settings, since=self._since)

    def held_by_others(self) -> list[t.Any]:
        return t.cast("list[t.Any]", self._store.held(self.me, scope=self._scope, settings=self._settings))


def open_lines(module: AnsibleModule, me: str) -> Lines:
    """Lines of a run or a worker of this name, in the format that is asked for."""
    return Lines(module.params["progress_file"], as_json=module.params["log_format"] == "json", worker=me)


def take(
    store: Store, me: str, room: int, *, scope: Scope, settings: ClaimSettings, since: float | None
) -> tuple[list[t.Any], float]:
    """Claims, as many as there is room for and not too many at a time, and the database's time."""
    claims = store.claim(me, scope=scope, limit=min(room, _BATCH), ttl=_LEASE_SECONDS, settings=settings, since=since)
    return t.cast("list[t.Any]", claims), store.now()


def make_run(module: AnsibleModule, store: Store, cluster: t.Any, claim: Claim, **more: t.Any) -> Reconciler:
    """A run with as many workers and connections as the module's options and the deploy mode want."""
    simulated = deploy_mode(module.params) == "simulate"
    parameters = store_parameters(module.params, os.environ)
    return Reconciler(
        # The simulator lives in the store's own connection; more of them would only wait for one another.
        (lambda: _Shared(store)) if simulated else (lambda: Store.connect(parameters)),
        cluster,
        claim,
        engine_settings(module, cluster),
        workers=1 if simulated else max(1, module.params["workers"]),
        **more,
    )


def _check(module: AnsibleModule, store: Store, cluster: t.Any, outcomes: dict[str, Outcome]) -> None:
    """Takes the endpoints as a run would, looks, and rolls everything back."""
    settings = engine_settings(module, cluster)

    class _RollBack(Exception):
        pass

    with contextlib.suppress(_RollBack), store.transaction():
        work = _Work(module, store, cluster, "check mode")
        while True:
            claims, now = work.take(_BATCH)
            if not claims:
                break
            for claim in claims:
                seen = Reconciler.refused(claim) if claim.refused else preview(claim, cluster, settings, now)
                _keep(outcomes, seen)
        raise _RollBack


def _keep(outcomes: dict[str, Outcome], outcome: Outcome) -> None:
    """One outcome an endpoint, also where its row was changed and it was deployed once more."""
    earlier = outcomes.get(outcome.id)
    if earlier is not None:
        outcome.writes = earlier.writes + outcome.writes
        outcome.changed = earlier.changed or outcome.changed
        outcome.before = earlier.before
    outcomes[outcome.id] = outcome


def _report(module: AnsibleModule, result: Result, outcome: Outcome) -> None:
    if outcome.error is not None:
        result["failed_endpoints"].append(failed(outcome.error, name=outcome.name))
    for warning in outcome.warnings:
        module.warn(f"endpoint {outcome.name}: {warning}")
    result["changed"] = result["changed"] or outcome.changed
    result["endpoints"].append(
        {
            name: getattr(outcome, name)
            for name in (
                *("name", "id", "status", "url", "changed", "namespace", "service", "mode", "revision"),
                *("writes", "warnings", "note"),
            )
        }
    )
    if module._diff and outcome.changed:
        header = f"{outcome.name} ({outcome.namespace}/{outcome.service})"
        result.setdefault("diff", []).append(diff(outcome.before or "", outcome.after or "", header=header))


def open_cluster(module: AnsibleModule, store: Store) -> t.Any:
    if deploy_mode(module.params) == "simulate":
        return Simulator(store.database)
    # Only here: a simulated run does not need the kubernetes client.
    from .._adapters.cluster import KServeCluster

    return KServeCluster.connect(cluster_parameters(module))


def engine_settings(module: AnsibleModule, cluster: t.Any) -> Settings:
    info = cluster.info()
    version = (info.get("kserve") or {}).get("version") if isinstance(info.get("kserve"), dict) else info.get("kserve")
    return Settings(
        timeout=float(module.params["timeout"]),
        ttl=_LEASE_SECONDS,
        default_mode=module.params.get("default_serving_mode") or info.get("default_mode") or KNATIVE,
        kserve_version=parse_version(version) if version else None,
        strict=bool(module.params.get("strict")),
        long_hosts=_long_hosts(info.get("domain_template")),
    )


def _long_hosts(template: str | None) -> bool:
    """Whether name and namespace are labels of their own in the host names of Standard mode; by default they share one."""
    return bool(template) and not re.search(r"\.Name\s*\}\}-\{\{\s*\.Namespace", str(template))


def owner() -> str:
    """The name under which this process holds leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def claim_settings(module: AnsibleModule, *, everything: bool | None = None) -> ClaimSettings:
    """:param everything: whether also endpoints that are at rest; with ``drift`` where this is not given"""
    params = module.params
    return ClaimSettings(
        deploy_mode=deploy_mode(params),
        namespace_template=params["namespace"],
        name_prefix=params["name_prefix"],
        force_mode=bool(params.get("force_mode")),
        everything=bool(params.get("drift")) if everything is None else everything,
    )


def _scope(module: AnsibleModule, store: Store) -> Scope:
    """Names and ids may be mixed; a name that nobody has is an error, not nothing to do."""
    tenant_id, project_id = module.params["tenant_id"], module.params["project_id"]
    wanted: list[str] | None = module.params["endpoints"]
    if wanted is None:
        return Scope(tenant_id=tenant_id, project_id=project_id)
    matches = []
    for field, chosen in (
        ("names", [item for item in wanted if not is_id(item)]),
        ("ids", [item for item in wanted if is_id(item)]),
    ):
        if chosen:
            matches += store.endpoints(Scope(tenant_id=tenant_id, project_id=project_id, **{field: tuple(chosen)}))
    found = {str(uuid.UUID(match.id)) for match in matches}
    known = {match.name.lower() for match in matches} | found
    for item in wanted:
        if (str(uuid.UUID(item)) if is_id(item) else item.lower()) not in known:
            raise NotFound(
                "there is no such endpoint" + (" of this tenant" if tenant_id else ""),
                field="endpoints",
                value=item,
                cure="see mlops.serving.endpoint_info for those that are there",
            )
    # An id that nobody has keeps an empty list from meaning all.
    return Scope(tenant_id=tenant_id, project_id=project_id, ids=tuple(sorted(found)) or (_NOBODY,))


class _Shared:
    """A store that the run's end does not close."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._store, name)

    def close(self) -> None:
        """Whoever opened it closes it."""
