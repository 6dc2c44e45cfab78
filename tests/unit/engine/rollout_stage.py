# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout in memory: the store's side of it, counters that grow as time is made to pass, and processes that die."""

from __future__ import annotations

import copy
import json
import threading
import typing as t

from ansible_collections.mlops.serving.plugins.module_utils._adapters.rollouts import Event, Superseded
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import (
    LATENCY,
    LATENCY_SUM,
    REQUESTS,
    Pod,
    Reading,
    Series,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.gates import Answer, Gate
from ansible_collections.mlops.serving.plugins.module_utils._domain.plan import Plan
from ansible_collections.mlops.serving.plugins.module_utils._domain.rollout import Progress
from ansible_collections.mlops.serving.plugins.module_utils._engine.deployment import Settings
from ansible_collections.mlops.serving.plugins.module_utils._engine.inspection import Inspector
from ansible_collections.mlops.serving.plugins.module_utils._engine.rollout import Clock, RolloutDriver, Until
from ansible_collections.mlops.serving.tests.unit.domain.samples import ID, NAME, NAMESPACE, endpoint
from ansible_collections.mlops.serving.tests.unit.engine.fakes import Cluster, Database, Store

KEY = (NAMESPACE, NAME)


class Killed(BaseException):
    """SIGKILL: nothing that follows happens any more."""


class VirtualClock(Clock):
    """Waiting is what makes time pass."""

    def __init__(self) -> None:
        self.time = 5000.0
        self.between: t.Callable[[], None] = lambda: None

    def monotonic(self) -> float:  # type: ignore[override]
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> None:  # type: ignore[override]
        self.time += max(seconds, 0.001)
        self.between()


class Mortal:
    """Passes calls on until its time has come; then the process is dead, before or after the call."""

    def __init__(self, inner: t.Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> t.Any:
        found = getattr(self._inner, name)
        if not callable(found) or name == "watch":
            return found

        def call(*values: t.Any, **named: t.Any) -> t.Any:
            self._fate.before(name)
            answer = found(*values, **named)
            self._fate.after(name)
            return answer

        return call


class Fate:
    """:param at: number of the outside call at which the process dies; None for never"""

    def __init__(self, at: int | None = None, *, late: bool = False) -> None:
        self.at, self.late, self.calls, self.dead = at, late, 0, False

    def before(self, name: str) -> None:
        self.calls += 1
        if self.dead or (self.calls == self.at and not self.late):
            self.dead = True
            raise Killed(name)

    def after(self, name: str) -> None:
        if self.calls == self.at and self.late:
            self.dead = True
            raise Killed(name)


class Rollouts:
    """One rollout, as the adapter of this name keeps it; each method is one transaction."""

    def __init__(self, database: Database, clock: VirtualClock, plan: Plan, versions: dict[str, str]) -> None:
        self.database, self.clock, self.versions = database, clock, versions
        self.events: list[Event] = []
        self.row: dict[str, t.Any] = {
            "id": "r1",
            "endpoint": "demo",
            "strategy": plan.strategy,
            "plan": plan.to_json(),
            "command": None,
            "stable_version_id": "v1",
            "candidate_version_id": "v2",
            "stable_version": 1,
            "candidate_version": 2,
            "progress": Progress(since=clock.time, started=clock.time).to_json(),
            "evidence": {},
            "expected_hash": database.rows[ID].endpoint.intent_hash,
            "outcome": None,
            "reason": None,
            "simulated": True,
        }

    def get(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(json.dumps(self.row)))

    def keep(
        self,
        claim: t.Any,
        rollout_id: str,
        ttl: float,
        progress: t.Any,
        *,
        evidence: t.Any = None,
        events: t.Any = (),
        taken: str | None = None,
    ) -> dict[str, t.Any]:
        alive = self.row["outcome"] is None
        if alive:
            self.row["progress"] = json.loads(json.dumps(progress))
            self.row["evidence"] = self.row["evidence"] if evidence is None else json.loads(json.dumps(evidence))
            self.row["command"] = None if self.row["command"] == taken else self.row["command"]
            self.events += events
        return {
            "id": "r1" if alive else None,
            "command": self.row["command"],
            "intent_hash": self.database.rows[ID].endpoint.intent_hash,
            "now": self.clock.time,
        }

    def move(
        self,
        claim: t.Any,
        rollout_id: str,
        version: str,
        traffic: t.Any,
        progress: t.Any,
        event: Event,
        evidence: t.Any = None,
    ) -> str:
        if self.database.rows[ID].endpoint.intent_hash != self.row["expected_hash"] or self.row["outcome"]:
            raise Superseded
        self.row["expected_hash"] = f"{version}{json.dumps(traffic)}"
        self.database.change(
            ID,
            model_version_id=version,
            artifact_uri=self.versions[version],
            traffic=traffic,
            intent_hash=self.row["expected_hash"],
        )
        self.row["progress"], self.row["command"] = json.loads(json.dumps(progress)), None
        if evidence is not None:
            self.row["evidence"] = json.loads(json.dumps(evidence))
        self.events.append(event)
        return str(self.row["expected_hash"])

    def finish(self, claim: t.Any, rollout_id: str, outcome: str, reason: str, progress: t.Any, event: Event) -> None:
        if self.row["outcome"] is None:
            self.row.update(outcome=outcome, reason=reason, progress=json.loads(json.dumps(progress)), command=None)
            self.events.append(event)


class Traffic:
    """Requests at a constant rate, split as the cluster's traffic list says; counted by the revisions' pods.

    :param failing: share of failures by version's artifact
    """

    name = "memory"

    def __init__(self, cluster: Cluster, clock: VirtualClock, rate: float, failing: dict[str, float]) -> None:
        self.cluster, self.clock, self.rate, self.failing = cluster, clock, rate, failing
        self.counted: dict[str, list[float]] = {}
        self.at = clock.time
        self.silent: set[str] = set()
        self.down = False
        self.crashed: set[str] = set()
        self.missing: list[str] = []

    def artifact(self, revision: str) -> str:
        for found in self.cluster.services[KEY].get("revisions", []):
            if found["name"] == revision:
                return str(found["template"]["predictor"]["model"]["storageUri"])
        return ""

    def shares(self) -> dict[str, int]:
        state = self.cluster.services.get(KEY)
        traffic = ((state or {}).get("object", {}).get("status", {}).get("components", {}).get("predictor", {})).get(
            "traffic", []
        )
        shares: dict[str, int] = {}
        for target in traffic:
            shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target["percent"]
        return {name: percent for name, percent in shares.items() if percent}

    def flow(self) -> None:
        """Requests since the last time, at the shares as they are."""
        seconds, self.at = self.clock.time - self.at, self.clock.time
        for revision, percent in self.shares().items():
            counted = self.counted.setdefault(revision, [0.0, 0.0])
            requests = self.rate * seconds * percent / 100
            counted[0] += requests
            counted[1] += requests * self.failing.get(self.artifact(revision), 0.0)

    def read(self, revisions: t.Sequence[str]) -> Reading:
        self.flow()
        if self.down:
            raise Unavailable("Prometheus is away")
        reading: Reading = {}
        for revision in revisions:
            if self.artifact(revision) in self.silent or revision not in self.counted:
                continue
            requests, failed = (int(value) for value in self.counted[revision])
            pod = f"{revision}-pod"
            reading[Series(revision, pod, REQUESTS, "200")] = requests - failed
            reading[Series(revision, pod, REQUESTS, "500")] = failed
            for bound in ("0.1", "+Inf"):
                reading[Series(revision, pod, LATENCY, bound)] = requests
            reading[Series(revision, pod, LATENCY_SUM)] = requests * 0.01
        return reading

    def pods(self) -> tuple[Pod, ...]:
        self.flow()
        found = []
        for revision in (self.cluster.services.get(KEY) or {}).get("revisions", []):
            hit = revision["name"] in self.crashed
            found.append(
                Pod(f"{revision['name']}-pod", revision["name"], ready=revision["ready"] and not hit, restarts=int(hit))
            )
        return tuple(found)

    def close(self) -> None: ...


class Silence:
    """No hooks, no golden requests."""

    def hook(self, point: str, key: str, context: t.Any) -> tuple[str | None, str]:
        return None, key

    def smoke(self, address: str | None) -> tuple[str | None, str]:
        return None, "smoke"

    def load(self, candidate: str | None, stable: str | None) -> str | None:
        return None

    def close(self) -> None: ...


class Stage:
    """An endpoint that serves version 1, and a rollout to version 2 that has just been made."""

    def __init__(
        self, plan: Plan, *, candidate: str = "next", rate: float = 40.0, failing: dict[str, float] | None = None
    ) -> None:
        self.plan = plan
        self.versions = {"v1": "s3://models/good/", "v2": f"s3://models/{candidate}/", "v9": "s3://models/other/"}
        self.clock = VirtualClock()
        self.log: list[str] = []
        self.database, self.cluster = Database(self.log), Cluster(self.log)
        self.row = self.database.add(endpoint(runtime_config={"deploymentMode": "Knative"}))
        self.store = Store(self.database)
        self.traffic = Traffic(self.cluster, self.clock, rate, failing or {})
        self._serve_first()
        self.rollouts = Rollouts(self.database, self.clock, plan, self.versions)
        first = {"canaryTrafficPercent": 0}
        self.database.change(
            ID, model_version_id="v2", artifact_uri=self.versions["v2"], traffic=first, intent_hash="first"
        )
        self.rollouts.row["expected_hash"] = "first"
        self.history: list[dict[str, int]] = []
        self.clock.between = self._between
        self.asides: list[t.Callable[[], None]] = []

    def run(
        self, *, until: Until | None = None, fate: Fate | None = None, command: str | None = None
    ) -> dict[str, t.Any]:
        """One process: until it stops by itself or is killed."""
        fate = fate or Fate()
        if command is not None and self.rollouts.row["outcome"] is None:
            self.rollouts.row["command"] = command
        row = self.rollouts.get()
        if row["outcome"] is not None:
            return row
        claim = self.database.take(ID)
        world = Mortal(self.traffic, fate)
        inspector = Inspector(self.plan, world, world.pods, self._ask, row["evidence"])
        driver = RolloutDriver(
            *(Mortal(self.store, fate), Mortal(self.rollouts, fate), Mortal(self.cluster, fate), claim, row),
            *(self.plan, inspector, Silence(), Settings(ttl=20.0)),
            who="test",
            until=until,
            clock=self.clock,
        )
        try:
            driver.run()
        except Killed:
            pass
        return self.rollouts.get()

    def share(self, artifact: str) -> int:
        return sum(
            percent for name, percent in self.traffic.shares().items() if self.traffic.artifact(name) == artifact
        )

    def serving(self) -> dict[str, int]:
        shares: dict[str, int] = {}
        for name, percent in self.traffic.shares().items():
            shares[self.traffic.artifact(name)] = shares.get(self.traffic.artifact(name), 0) + percent
        return shares

    def kinds(self) -> list[str]:
        return [event.kind for event in self.rollouts.events if event.kind != "sample"]

    def edit(self) -> None:
        """Somebody changes the InferenceService."""
        state = copy.deepcopy(self.cluster.services[KEY])
        state["object"]["spec"]["predictor"]["model"]["env"] = [{"name": "EDITED", "value": "yes"}]
        self.cluster.services[KEY] = state
        self.cluster.versions[KEY] += 1

    def want_other(self) -> None:
        """Somebody writes another intent into the row."""
        self.database.change(
            ID, model_version_id="v9", artifact_uri=self.versions["v9"], traffic={}, intent_hash="other"
        )

    def _between(self) -> None:
        self.traffic.flow()
        self.history.append(self.serving())
        if self.asides:
            self.asides.pop(0)()

    @staticmethod
    def _ask(_gate: Gate) -> Answer:
        return Answer()

    def _serve_first(self) -> None:
        from ansible_collections.mlops.serving.plugins.module_utils._engine.deployment import Deployment

        deployment = Deployment(self.database.take(ID), Settings(), self.clock.time)
        while deployment.advance(self.store, self.cluster) is not None:
            pass
        self.log.clear()
