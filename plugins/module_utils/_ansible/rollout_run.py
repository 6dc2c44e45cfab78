# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module rollout does: begin a rollout or take up the one that is active, drive it, or follow whoever drives it."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.postgres import Row
from .._adapters.rollouts import Rollouts
from .._adapters.store import Scope, Store
from .._domain.errors import InvalidIntent, LeaseLost, NotFound, Refused
from .._domain.intent import Endpoint
from .._domain.plan import ROLLBACK, Plan, parse_plan, plan_from_json
from .._domain.rollout import Outcome
from .._domain.timeline import line
from .._engine.inspection import Inspector, answers
from .._engine.rollout import RolloutDriver, Until
from .._engine.world import World
from .connections import deploy_mode, open_store
from .evidence import check_latency, opened
from .module import Result, diff
from .progress import Lines
from .reconciliation import claim_settings, engine_settings, open_cluster, owner
from .rollout_data import as_data, traffic, write_report
from .rollout_request import asked_plan, author, check_capacity, create, find_endpoint, prepare

__all__ = ("rollout",)

# A driver that dies is followed after this long. Its beat comes every second or two.
_LEASE_SECONDS = 20.0
_FOLLOW_SECONDS = 0.5
_BEGINS = ("run", "start", "advance")
_GOOD = (Outcome.PROMOTED, Outcome.RETURNED)


def rollout(module: AnsibleModule, result: Result) -> None:
    """``result`` gets ``rollout`` as data, ``timeline`` as lines, ``outcome`` and ``state``."""
    action = module.params["action"]
    # What cannot be is said before anything is connected to.
    plan = (
        parse_plan({"strategy": ROLLBACK, "ready_timeout": module.params["timeout"]})
        if action == "rollback"
        else asked_plan(module.params)
    )
    with open_store(module) as store:
        store.ready()
        session = _Session(module, store, result)
        endpoint = find_endpoint(module, store)
        active = session.rollouts.active(endpoint.id)
        if action in _BEGINS or action == "rollback":
            session.begin(endpoint, active, plan)
        else:
            session.command(endpoint, active, action)


class _Session:
    def __init__(self, module: AnsibleModule, store: Store, result: Result) -> None:
        self.module, self.store, self.result = module, store, result
        self.rollouts = Rollouts(store.database)
        self.who = author()
        self.lines = Lines(module.params["progress_file"])
        self.stop = threading.Event()
        self.told = 0
        self.row: Row | None = None
        self.before: dict[str, str] = {}
        result.update(timeline=[], rollout=None)

    def begin(self, endpoint: Endpoint, active: Row | None, plan: Plan) -> None:
        """Takes up the active rollout of this version, or begins one."""
        if active is not None:
            self.before = traffic(active)
            self._same(endpoint, active, plan)
            if self.module.check_mode:
                self._end(active)
                return
            self._drive(endpoint, active)
            return
        request = prepare(self.module, self.store, self.rollouts, endpoint, plan)
        if request is None:
            self.result.update(
                state="finished", outcome=None, msg=f"endpoint {endpoint.name}: this version serves already"
            )
            return
        self.result["changed"] = True
        self.before = {f"version {request.stable_version}": "100 %"}
        if self.module.check_mode:
            self.result.update(state="new", outcome=None, plan=plan.to_json())
            self._differ(endpoint.name, {f"version {request.candidate['version']}": "100 %"})
            return
        with self._cluster() as cluster:
            check_capacity(self.module, cluster, request)
            claim = self._claim(endpoint)
            if claim is None:
                raise Refused(
                    "somebody else works on it right now",
                    endpoint=endpoint.name,
                    cure="try again when that run has ended",
                )
            try:
                self._check_evidence(claim, plan, cluster)
                simulated = deploy_mode(self.module.params) == "simulate"
                made = create(self.rollouts, claim, request, simulated=simulated, who=self.who, now=self.store.now())
                claim = self.store.reload(claim)
            except BaseException:
                self.store.release(claim)
                raise
            self._run(self.rollouts.get(made), claim, cluster)

    def command(self, endpoint: Endpoint, active: Row | None, action: str) -> None:
        """Pause, resume, promote, abort: left for whoever drives, or done here."""
        if active is None:
            self._nothing_active(endpoint, action)
            return
        self.before = traffic(active)
        if self.module.check_mode:
            self.result["changed"] = True
            self._end(active)
            return
        self.result["changed"] = self.rollouts.ask(active["id"], action, self.who)
        if not self.module.params["wait"] and active["held"]:
            self._end(self.rollouts.get(active["id"]))
            return
        self._drive(endpoint, active)

    def _nothing_active(self, endpoint: Endpoint, action: str) -> None:
        last = next(iter(self.rollouts.find(Scope(ids=(endpoint.id,)), limit=1)), None)
        done = {"abort": (Outcome.ABORTED, Outcome.ROLLED_BACK, Outcome.RETURNED), "promote": (Outcome.PROMOTED,)}
        if last is not None and last["outcome"] in done.get(action, ()):
            self._end(last)
            return
        raise NotFound(
            f"there is no active rollout to {action}",
            endpoint=endpoint.name,
            cure="begin one with action: run and model_version",
        )

    def _same(self, endpoint: Endpoint, active: Row, plan: Plan) -> None:
        wanted = self.module.params["model_version"]
        if wanted is not None and wanted not in (str(active["candidate_version"]), active["candidate_version_id"]):
            raise Refused(
                f"another rollout is active (version {active['stable_version']} -> {active['candidate_version']}, {active['state']})",
                endpoint=endpoint.name,
                field="model_version",
                value=wanted,
                cure="let it end, or abort it with action: abort",
            )
        if plan.strategy != active["strategy"]:
            raise Refused(
                f"a rollout with strategy {active['strategy']} is active",
                endpoint=endpoint.name,
                field="strategy",
                value=plan.strategy,
                cure="let it end, or abort it with action: abort",
            )
        if plan.to_json() != plan_from_json(active["plan"]).to_json():
            self.module.warn(
                f"endpoint {endpoint.name}: a rollout is active, and goes on with the plan that it began with"
            )

    def _drive(self, endpoint: Endpoint, active: Row) -> None:
        """Drives it where nobody does, else follows whoever does."""
        deadline = time.monotonic() + plan_from_json(active["plan"]).timeout
        with self._cluster() as cluster:
            while True:
                row = self.rollouts.get(active["id"])
                if row["finished_at"] is not None:
                    break
                claim = self._claim(endpoint)
                if claim is not None:
                    self._run(row, claim, cluster)
                    return
                if not self.module.params["wait"] or self.stop.is_set() or time.monotonic() >= deadline:
                    break
                self._follow(row)
                time.sleep(_FOLLOW_SECONDS)
        self._follow(row)
        self._end(row)

    def _run(self, row: Row, claim: t.Any, cluster: t.Any) -> None:
        """Until the rollout ends, holds or has come as far as asked."""
        plan = plan_from_json(row["plan"])
        settings = dataclasses.replace(engine_settings(self.module, cluster), ttl=_LEASE_SECONDS)

        def context() -> dict[str, t.Any]:
            progress = self.row["progress"] if self.row else {}
            return {
                "endpoint": claim.endpoint.name,
                "namespace": claim.namespace,
                "service": claim.name,
                "candidate": progress.get("candidate"),
                "stable": progress.get("stable"),
            }

        self._follow(row)
        try:
            with (
                opened(self.module.params, plan, cluster, claim.namespace, claim.name) as (source, query),
                self._signals(),
            ):
                world = World(plan, simulated=row["simulated"], query=query, context=context)
                inspector = Inspector(
                    plan, source, lambda: cluster.pods(claim.namespace, claim.name), world.ask, row["evidence"]
                )
                RolloutDriver(
                    self.store,
                    self.rollouts,
                    cluster,
                    claim,
                    row,
                    plan,
                    inspector,
                    world,
                    settings,
                    who=self.who,
                    until=self._until(),
                    tell=lambda event: self._tell(row["id"], event),
                    stop=self.stop,
                ).run()
        except LeaseLost:
            self.module.warn(f"endpoint {row['endpoint']}: another run drives this rollout now")
        finally:
            after = self.rollouts.get(row["id"])
            self.result["changed"] = self.result["changed"] or after["progress"] != row["progress"]
            self._end(after)

    def _check_evidence(self, claim: t.Any, plan: Plan, cluster: t.Any) -> None:
        """A rollout that cannot be judged is not begun."""
        if not plan.judged:
            return
        check_latency(plan, cluster, claim.endpoint.name)
        stable = claim.record.stable_revision
        pods = cluster.pods(claim.namespace, claim.name)
        if not any(pod.revision == stable and not pod.terminating for pod in pods):
            self.module.warn(
                f"endpoint {claim.endpoint.name}: the stable revision has no pod now, so its metrics could not be tried"
            )
            return
        with opened(self.module.params, plan, cluster, claim.namespace, claim.name) as (source, _query):
            found, name = answers(source, stable), source.name
        if not found:
            raise Refused(
                f"the pods of {stable} give no request metrics, so nothing could be judged",
                endpoint=claim.endpoint.name,
                field="evidence",
                value=name,
                cure="set request-metrics-protocol: prometheus in Knative's ConfigMap config-observability and let the revision start anew",
            )

    def _claim(self, endpoint: Endpoint) -> t.Any:
        """The endpoint under our lease; None while somebody else has it."""
        claims = self.store.claim(
            owner(),
            scope=Scope(ids=(endpoint.id,)),
            limit=1,
            ttl=_LEASE_SECONDS,
            settings=claim_settings(self.module, everything=True),
        )
        for claim in claims:
            if claim.refused:
                raise Refused(claim.refused.rstrip("."))
            return claim
        return None

    @contextlib.contextmanager
    def _cluster(self) -> t.Iterator[t.Any]:
        cluster = open_cluster(self.module, self.store)
        self.result["host"] = cluster.host
        try:
            yield cluster
        finally:
            cluster.close()
            for warning in getattr(cluster, "warnings", ()):
                self.module.warn(warning)

    @contextlib.contextmanager
    def _signals(self) -> t.Iterator[None]:
        """A polite end leaves the lease to the next run at once."""

        def asked(_number: int, _frame: t.Any) -> None:
            self.stop.set()

        before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _until(self) -> Until:
        action, until = self.module.params["action"], self.module.params["until"]
        if action == "start" or until == "staged":
            return Until(staged=True)
        if until is not None:
            share = str(until).rstrip("%")
            if not share.isdigit() or not 0 < int(share) < 100:
                raise InvalidIntent(
                    "is neither a share nor staged", field="until", value=until, cure="write 25, or staged"
                )
            return Until(share=int(share))
        return Until(steps=1) if action == "advance" else Until()

    def _follow(self, row: Row) -> None:
        """Tells what has been decided since the last time, by whomever; at first all from the rollout's beginning on."""
        self.row, known = row, as_data(row)
        for event in self.rollouts.events(row["id"], after=self.told, samples=False):
            self.told = event["id"]
            self._write(line(event, known))

    def _tell(self, rollout_id: str, event: dict[str, t.Any]) -> None:
        if event["kind"] != "sample":
            self._follow(self.rollouts.get(rollout_id))

    def _write(self, text: str | None) -> None:
        if not text:
            return
        self.result["timeline"].append(text)
        self.lines.add(text)

    def _differ(self, endpoint: str, after: dict[str, str]) -> None:
        if self.module._diff and self.before and after != self.before:
            self.result["diff"] = diff(self.before, after, header=endpoint)

    def _end(self, row: Row) -> None:
        events = self.rollouts.events(row["id"])
        self.result["rollout"] = told = as_data(row, events)
        self.result.update(state=told["state"], outcome=told["outcome"])
        write_report(self.module, self.result, row, events)
        self._differ(row["endpoint"], traffic(row))
        if row["outcome"] in (None, *_GOOD) or self.module.params["action"] == "abort":
            return
        sent_back_fails = self.module.params["on_rollback"] == "fail" and self.module.params["action"] != "rollback"
        if sent_back_fails or row["outcome"] == Outcome.FAILED:
            said = row["outcome"].replace("_", " ")
            raise Refused(
                f"{said}: {row['reason']}",
                endpoint=row["endpoint"],
                cure="see rollout.totals and the report; stable serves",
            )
