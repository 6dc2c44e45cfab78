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
    :param steps: for each share, seconds from the decision to give it until it was known to be there
    """

    outcome: str
    failed_by_candidate: int
    failed_by_stable: int
    candidate_requests: int
    to_end: float
    whole: float
    steps: list[float] = field(default_factory=list)


class Scene:
    """A namespace, a store and an endpoint for each roll-out."""

    def __init__(self, name: str, server: Server, rate: float) -> None:
        self.cluster = access.Access(
            lifecycle.up(Home.from_environment(), name, ["base", "knative", "kserve", "triton"])
        )
        self.rate = rate
        self.space = access.make_space(self.cluster, f"soak-{uuid.uuid4().hex[:6]}", {"mlops-saas.io/tenant": "true"})
        self.server, self.database = server, server.fresh()
        self.desk = Desk(self.cluster, self.space, self.database).__enter__()
        self.count = 0
        self.last: dict[str, t.Any] = {}

    def close(self) -> None:
        self.desk.__exit__()
        access.remove_space(self.cluster, self.space.name)


class _Watcher:
    """Looks at the rollout's row many times a second: when it decided on a share, and when it knew that the share was there."""

    def __init__(self, scene: Scene) -> None:
        self._database = scene.database
        self._times: dict[str, dict[int, float]] = {"raising": {}, "judging": {}}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        connection = psycopg2.connect(self._database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._stop.wait(_LOOK_SECONDS):
                cursor.execute("select progress from serving.rollout where finished_at is null")
                for (progress,) in cursor.fetchall():
                    if progress["state"] in self._times and progress["step"] >= 0:
                        self._times[progress["state"]].setdefault(progress["step"], progress["since"])
        connection.close()

    def steps(self) -> list[float]:
        raising, judging = self._times["raising"], self._times["judging"]
        return [judging[step] - raising[step] for step in sorted(raising) if step in judging]


def bare_steps(scene: Scene) -> list[float]:
    """The same shares by a bare PATCH and looks at the InferenceService: what KServe needs when nothing else is asked of it."""
    name = serve(scene, {1: 0.0, 2: 0.0})
    desk = scene.desk
    desk.module("rollout", endpoint=name, model_version=2, action="start")
    row = desk.row(name)
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{row['namespace']}/inferenceservices/{row['service']}"
    kube, found = scene.cluster.kube, []
    with desk.load(name, rate=scene.rate) as load:
        while len(load.shots) < scene.rate * 2:
            time.sleep(0.05)
        for share in (1, 5, 10, 25, 50):
            begun = time.monotonic()
            kube.merge(path, {"spec": {"predictor": {"canaryTrafficPercent": share}}})
            while True:
                traffic = kube.get(path)["status"]["components"]["predictor"]["traffic"]
                if any(target.get("latestRevision") and target.get("percent") == share for target in traffic):
                    break
                time.sleep(_LOOK_SECONDS)
            found.append(time.monotonic() - begun)
    remove(scene, name)
    return found


def serve(scene: Scene, fails: dict[int, float]) -> str:
    """A fresh endpoint on version 1 of a model whose versions fail so many of their requests; its name."""
    scene.count += 1
    name, model, desk = f"demo-{scene.count}", f"add-sub-{scene.count}", scene.desk
    ids = {"tenant_id": "11111111-1111-4111-8111-111111111111", "project_id": "22222222-2222-4222-8222-222222222222"}
    for version, share in fails.items():
        desk.module(
            "model_version",
            model=model,
            version=version,
            artifact_uri=publish(scene.cluster, version, fails=share),
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
    return name


def remove(scene: Scene, name: str) -> None:
    scene.desk.module("endpoint", name=name, state="absent")
    scene.desk.module("reconcile")


def play(scene: Scene, stable_fails: float, candidate_fails: float, plan: dict[str, t.Any]) -> Played:
    """A fresh endpoint on version 1, and its roll-out to version 2 under load."""
    name, desk = serve(scene, {1: stable_fails, 2: candidate_fails}), scene.desk
    with desk.load(name, rate=scene.rate) as load, _Watcher(scene) as watcher:
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
    remove(scene, name)
    played = Played(
        outcome=done["outcome"] or done["state"],
        failed_by_candidate=failed,
        failed_by_stable=len(faults) - failed,
        candidate_requests=int(done["rollout"]["totals"].get("candidate", {}).get("requests", 0)),
        to_end=last - first,
        whole=whole,
        steps=watcher.steps(),
    )
    print(
        json.dumps({"stable": stable_fails, "candidate": candidate_fails, **plan, **played.__dict__}),
        file=sys.stderr,
        flush=True,
    )
    return played


def _by_revision(desk: Desk, done: dict[str, t.Any]) -> int:
    return int(done["rollout"]["totals"].get("candidate", {}).get("failed", 0))
