"""The API server's own limit: the same documents over kept connections by a client that does nothing else."""

from __future__ import annotations

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor

from tools.cluster.kube import Json, Kube

SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
_CONNECTIONS = 8
_APPLY = "application/apply-patch+yaml"


def documents(kube: Kube, namespace: str, into: str, count: int) -> list[Json]:
    """What `reconcile` has written there, as documents for another namespace."""
    found = []
    for live in kube.items(SERVICES.format(namespace), limit=str(count))[:count]:
        metadata = {name: copy.deepcopy(live["metadata"].get(name) or {}) for name in ("labels", "annotations")}
        found.append(
            {
                "apiVersion": live["apiVersion"],
                "kind": live["kind"],
                "metadata": {"name": live["metadata"]["name"], "namespace": into, **metadata},
                "spec": copy.deepcopy(live["spec"]),
            }
        )
    return found


def write(kube: Kube, manifests: list[Json]) -> float:
    """Seconds for server-side apply of each, made into bytes before the clock starts."""
    bodies = [
        (f"{SERVICES.format(one['metadata']['namespace'])}/{one['metadata']['name']}", json.dumps(one).encode())
        for one in manifests
    ]

    def put(request: tuple[str, bytes]) -> None:
        path, body = request
        status, answer = kube.raw("PATCH", f"{path}?fieldManager=raw&force=true", body, _APPLY)
        if status not in (200, 201):
            raise SystemExit(f"PATCH {path} was answered with {status}: {answer[:300]!r}")

    began = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(put, bodies))
    return time.perf_counter() - began


def compare(kube: Kube, manifests: list[Json]) -> float:
    """Seconds for one LIST and a comparison, where nothing differs."""
    began = time.perf_counter()
    namespace = manifests[0]["metadata"]["namespace"]
    live = {one["metadata"]["name"]: one for one in kube.items(SERVICES.format(namespace))}
    for one in manifests:
        if live[one["metadata"]["name"]]["spec"] != one["spec"]:
            raise SystemExit("what was written is not what is there")
    return time.perf_counter() - began
