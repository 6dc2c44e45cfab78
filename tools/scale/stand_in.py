"""KServe's word about stopped InferenceServices, said without its controller.

KServe's controller stops a few a second, so that 10,000 would be 40 minutes of waiting for it. Its webhooks answer whether or not it leads: somebody else holds its lease here, and what it said itself of one that it had stopped is said of all the others.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tools.cluster.apply import not_ready
from tools.cluster.kube import Json, Kube
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
        found: Json = service.get("status") or {}
        if any(one["type"] == "Stopped" and one["status"] == "True" for one in found.get("conditions") or ()):
            return {"conditions": found["conditions"], "modelStatus": found.get("modelStatus")}
    raise SystemExit(f"KServe has stopped none in namespace {namespace}")


def take_lead(kube: Kube) -> None:
    """From KServe's controller, for as long as this cluster lives; returns when its webhooks answer again."""
    _tell("KServe's controller loses its lease")
    kube.merge(_LEASE, {"spec": {"holderIdentity": _HOLDER, "leaseDurationSeconds": _SECONDS}})
    with _Restart(kube) as restart:
        for pod in restart.old:
            kube.delete(f"{_PODS}/{pod}")
    if kube.get(_LEASE)["spec"]["holderIdentity"] != _HOLDER:
        raise SystemExit("KServe's controller took its lease back")


def lift_limits(kube: Kube) -> None:
    """KServe's manifest gives its controller, and with it the webhooks, a tenth of a core and 300 MiB; here as much as they take."""
    _tell("KServe's controller gets as much as it takes")
    found = kube.get(_DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    places = [number for number, one in enumerate(found) if one["name"] == "manager"]
    patch = [{"op": "remove", "path": f"/spec/template/spec/containers/{number}/resources/limits"} for number in places]
    with _Restart(kube):
        kube.call("PATCH", _DEPLOYMENT, patch, "application/json-patch+json")


class _Restart:
    """Of KServe's controller: leaving this waits until the pods that there were are gone and others are ready."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def __enter__(self) -> _Restart:
        self.old = self._names()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = time.monotonic() + 120
        while kind is None and (set(self.old) & set(self._names()) or not_ready(self._kube)):
            if time.monotonic() > end:
                raise SystemExit("KServe's controller was not ready again within 120 s")
            time.sleep(0.5)

    def _names(self) -> list[str]:
        found = self._kube.items(_PODS, labelSelector="control-plane=kserve-controller-manager")
        return [pod["metadata"]["name"] for pod in found]


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


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
