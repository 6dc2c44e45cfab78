"""KServe's word about stopped InferenceServices, said without its controller.

KServe's controller stops a few a second, so that 10,000 would be waiting for it and nothing else. Its webhooks answer whether or not it
leads: somebody else holds its lease here, and what it said itself of one that it had stopped is said of all the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType

from tools.bench.progress import say
from tools.cluster.apply import not_ready
from tools.cluster.kube import Json, Kube
from tools.scale.progress import is_stopped
from tools.scale.raw import SERVICES

_NAMESPACE = "kserve"
_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{_NAMESPACE}/leases/kserve-controller-manager-leader-lock"
_PODS = f"/api/v1/namespaces/{_NAMESPACE}/pods"
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments/kserve-controller-manager"
_HOLDER = "tools.scale"
_SECONDS = 24 * 3600
_CONNECTIONS = 4
_MERGE = "application/merge-patch+json"


def status_of_stopped(kube: Kube, namespace: str) -> Json:
    """What KServe wrote of one that it has stopped there."""
    for service in kube.items(SERVICES.format(namespace)):
        if is_stopped(service):
            return {name: service["status"].get(name) for name in ("conditions", "modelStatus")}
    raise SystemExit(f"KServe has stopped none in namespace {namespace}")


def take_lead(kube: Kube) -> None:
    """From KServe's controller, for as long as this cluster lives; returns when its webhooks answer again."""
    say("KServe's controller loses its lease")
    kube.merge(_LEASE, {"spec": {"holderIdentity": _HOLDER, "leaseDurationSeconds": _SECONDS}})
    with _restart(kube) as pods:
        for pod in pods:
            kube.delete(f"{_PODS}/{pod}")
    if kube.get(_LEASE)["spec"]["holderIdentity"] != _HOLDER:
        raise SystemExit("KServe's controller took its lease back")


def lift_limits(kube: Kube) -> None:
    """KServe's manifest gives its controller, and with it the webhooks, a tenth of a core and 300 MiB; here as much as they take."""
    say("KServe's controller gets as much as it takes")
    found = kube.get(_DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    places = [number for number, one in enumerate(found) if one["name"] == "manager"]
    patch = [{"op": "remove", "path": f"/spec/template/spec/containers/{number}/resources/limits"} for number in places]
    with _restart(kube):
        kube.call("PATCH", _DEPLOYMENT, patch, "application/json-patch+json")


@contextmanager
def _restart(kube: Kube) -> Iterator[list[str]]:
    """Gives the names of KServe's controller's pods; leaving this waits until these are gone and others are ready."""

    def pods() -> list[str]:
        found = kube.items(_PODS, labelSelector="control-plane=kserve-controller-manager")
        return [pod["metadata"]["name"] for pod in found]

    old = pods()
    yield old
    end = time.monotonic() + 120
    while set(old) & set(pods()) or not_ready(kube):
        if time.monotonic() > end:
            raise SystemExit("KServe's controller was not ready again within 120 s")
        time.sleep(0.5)


class StandIn:
    """Says it of each one that it is told of, over connections of its own; leaving this waits until all was said."""

    def __init__(self, kube: Kube, status: Json) -> None:
        self._kube, self._body = kube, json.dumps({"status": status}).encode()
        self._pool = ThreadPoolExecutor(_CONNECTIONS)
        self._said: list[Future[None]] = []

    def __enter__(self) -> StandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for one in self._said:
                one.result()

    def tell(self, namespace: str, name: str) -> None:
        self._said.append(self._pool.submit(self._say, f"{SERVICES.format(namespace)}/{name}/status"))

    def _say(self, path: str) -> None:
        status, answer = self._kube.raw("PATCH", path, self._body, _MERGE)
        if status != 200:
            raise SystemExit(f"PATCH {path} was answered with {status}: {answer[:300]!r}")
