"""One roll-out under load: what the client met, what KServe showed when, and what the store has of it."""

from __future__ import annotations

import json
import sys
import threading
import time
import typing as t
import uuid
from dataclasses import dataclass, field

import psycopg2
import psycopg2.extras

from tests.cluster.characters import publish
from tests.cluster.desk import Desk
from tools.bench.server import Server
from tools.cluster import access, lifecycle
from tools.cluster.layout import Home

# Three revisions at a time have to fit beside all else on two cores.
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
KNATIVE = {"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Knative", "resources": SMALL}
_LOOK_SECONDS = 0.02


@dataclass
class Played:
    """One roll-out.

    :param first: of the candidate's first request, ``back`` of its last; seconds on the client's clock since the load began
    :param whole: seconds from the call of the module to its end
    :param added: for each share, seconds before the write and after KServe's convergence that were the engine's own
    """

    outcome: str
    failed_by_candidate: int
    failed_by_stable: int
    candidate_requests: int
    to_end: float
    whole: float
    added: list[float] = field(default_factory=list)


class Scene:
    """A namespace, a store and an endpoint for each roll-out."""

    def __init__(self, name: str, server: Server, rate: float) -> None:
        self.cluster = access.Access(
            lifecycle.up(Home.from_environment(), name, ["base", "knative", "kserve", "triton"])
        )
        self.rate = rate
        self.space = access.make_space(self.cluster, f"soak-{uuid.uuid4().hex[:6]}", {"mlops-saas.io/tenant": "true"})
        self.database = server.fresh()
        self.desk = Desk(self.cluster, self.space, self.database).__enter__()
        self.count = 0
        self.last: dict[str, t.Any] = {}

    def close(self) -> None:
        self.desk.__exit__()
        access.remove_space(self.cluster, self.space.name)


class _Watcher:
    """Looks at the InferenceService and at the rollout's row many times a second, each on a connection of its own."""

    def __init__(self, scene: Scene, endpoint: str) -> None:
        row = scene.desk.row(endpoint)
        self._path = f"/apis/serving.kserve.io/v1beta1/namespaces/{row['namespace']}/inferenceservices/{row['service']}"
        self._scene = scene
        self.asked: dict[int, float] = {}
        self.shown: dict[int, float] = {}
        self.raising: dict[int, float] = {}
        self.judging: dict[int, float] = {}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, daemon=True),
            threading.Thread(target=self._read, daemon=True),
        ]

    def __enter__(self) -> _Watcher:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            service = self._scene.cluster.kube.get(self._path)
            now = time.time()
            percent = service["spec"]["predictor"].get("canaryTrafficPercent")
            traffic = service.get("status", {}).get("components", {}).get("predictor", {}).get("traffic") or []
            newest = next((target.get("percent") for target in traffic if target.get("latestRevision")), None)
            if percent:
                self.asked.setdefault(percent, now)
                if newest == percent:
                    self.shown.setdefault(percent, now)

    def _read(self) -> None:
        connection = psycopg2.connect(self._scene.database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._stop.wait(_LOOK_SECONDS):
                cursor.execute("select progress, plan from serving.rollout where finished_at is null")
                for progress, plan in cursor.fetchall():
                    steps, step = plan["steps"], progress["step"]
                    if 0 <= step < len(steps) and progress["state"] in ("raising", "judging"):
                        getattr(self, progress["state"]).setdefault(steps[step], progress["since"])
        connection.close()

    def added(self) -> list[float]:
        return [
            max(0.0, self.asked[share] - self.raising[share]) + max(0.0, self.judging[share] - self.shown[share])
            for share in self.raising
            if share in self.asked and share in self.shown and share in self.judging
        ]


def play(scene: Scene, stable_fails: float, candidate_fails: float, plan: dict[str, t.Any]) -> Played:
    """A fresh endpoint on version 1, and its roll-out to version 2 under load."""
    scene.count += 1
    name, model = f"demo-{scene.count}", f"add-sub-{scene.count}"
    desk = scene.desk
    ids = {"tenant_id": "11111111-1111-4111-8111-111111111111", "project_id": "22222222-2222-4222-8222-222222222222"}
    for version, fails in ((1, stable_fails), (2, candidate_fails)):
        desk.module(
            "model_version",
            model=model,
            version=version,
            artifact_uri=publish(scene.cluster, version, fails=fails),
            **ids,
        )
    one = {"minReplicas": 1, "maxReplicas": 1}
    desk.module(
        "endpoint",
        name=name,
        model=model,
        model_version=1,
        runtime="kserve-triton",
        autoscaling=one,
        runtime_config=KNATIVE,
    )
    desk.module("reconcile")
    with desk.load(name, rate=scene.rate) as load, _Watcher(scene, name) as watcher:
        # The load has to run before anything is measured against it.
        while len(load.shots) < scene.rate * 2:
            time.sleep(0.05)
        begun = time.monotonic()
        call = {"endpoint": name, "model_version": 2, "interval": "1s", "on_rollback": "ok", **plan}
        done = desk.module("rollout", **call)
        whole = time.monotonic() - begun
        scene.last = done
        ended = len(load.shots)
        while len(load.shots) < ended + scene.rate:
            time.sleep(0.05)
    said_by_candidate = [shot for shot in load.shots if shot.version == "2"]
    faults = [shot for shot in load.shots if shot.status != 200]
    # A failed answer does not say who gave it: stable has none of its own unless it was made to.
    of_candidate = faults if not stable_fails else _by_revision(desk, done)
    shots = sorted([*said_by_candidate, *(faults if not stable_fails else [])], key=lambda shot: shot.at)
    first = shots[0].at if shots else 0.0
    if done["outcome"] == "promoted":
        stable_answers = [shot.at for shot in load.shots if shot.version == "1"]
        last = max(stable_answers, default=first)
    else:
        last = shots[-1].at if shots else first
    failed = len(of_candidate) if isinstance(of_candidate, list) else of_candidate
    desk.module("endpoint", name=name, state="absent")
    desk.module("reconcile")
    played = Played(
        outcome=done["outcome"] or done["state"],
        failed_by_candidate=failed,
        failed_by_stable=len(faults) - failed,
        candidate_requests=int(done["rollout"]["totals"].get("candidate", {}).get("requests", 0)),
        to_end=last - first,
        whole=whole,
        added=watcher.added(),
    )
    print(
        json.dumps({"stable": stable_fails, "candidate": candidate_fails, **plan, **played.__dict__}),
        file=sys.stderr,
        flush=True,
    )
    return played


def _by_revision(desk: Desk, done: dict[str, t.Any]) -> int:
    return int(done["rollout"]["totals"].get("candidate", {}).get("failed", 0))


def added_seconds(played: list[Played]) -> list[float]:
    return [seconds for one in played for seconds in one.added]
