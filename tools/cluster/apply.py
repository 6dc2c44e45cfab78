"""Many objects at once: in phases by kind, in parallel within a phase, again and again what is not possible yet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from .errors import ClusterError
from .kube import Json, Kube

_BUILT_IN = (
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "PriorityClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
)
PHASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("namespaces", ("Namespace",)),
    ("built-in kinds", _BUILT_IN),
    ("custom resource definitions", ("CustomResourceDefinition",)),
    ("workloads", ("Deployment", "DaemonSet", "StatefulSet", "Job")),
    ("webhooks", ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService")),
)
PARALLEL = 6
RETRY_SECONDS = 0.3


def name_of(manifest: Json) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}".replace(" /", " ")


def phases(manifests: Iterable[Json]) -> list[tuple[str, list[Json]]]:
    """Objects by phase; kinds of no phase come last. Small definitions first: their controllers can start meanwhile."""
    rest = list(manifests)
    result = []
    for title, kinds in PHASES:
        chosen = [m for m in rest if m["kind"] in kinds]
        rest = [m for m in rest if m["kind"] not in kinds]
        if title.startswith("custom"):
            chosen.sort(key=lambda m: len(json.dumps(m)))
        result.append((title, chosen))
    return [*result, ("custom resources", rest)]


def missing_namespaces(manifests: Iterable[Json]) -> list[Json]:
    """Namespaces that objects sit in and that nobody makes."""
    listed = list(manifests)
    made = {m["metadata"]["name"] for m in listed if m["kind"] == "Namespace"}
    used = {m["metadata"].get("namespace") for m in listed} - {None}
    names = sorted(used - made - {"default", "kube-system", "kube-public"})
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]


def apply_all(
    kube: Kube, manifests: Iterable[Json], seconds: float = 120, say: Callable[[str], None] = lambda _: None
) -> None:
    """Applies everything; what is refused is tried again until the time is over, then ClusterError names it."""
    listed = list(manifests)
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(PARALLEL) as pool:
        for title, chosen in phases([*missing_namespaces(listed), *listed]):
            begun, todo = time.monotonic(), chosen
            while todo:
                answers = list(pool.map(lambda manifest: _refusal(kube, manifest), todo))
                refused = [(m, why) for m, why in zip(todo, answers, strict=True) if why]
                if refused and time.monotonic() > end:
                    first, why = refused[0]
                    raise ClusterError(
                        f"{len(refused)} {title} were refused for {seconds:.0f} s, first {name_of(first)}: {why}"
                    )
                if refused:
                    time.sleep(RETRY_SECONDS)
                todo = [m for m, _ in refused]
            if chosen:
                say(f"{len(chosen)} {title} in {time.monotonic() - begun:.1f} s")


def _refusal(kube: Kube, manifest: Json) -> str:
    """Empty when applied, else why not."""
    try:
        kube.apply(manifest)
    except ClusterError as error:
        return str(error)[:600]
    return ""


def not_ready(kube: Kube) -> list[str]:
    """Deployments and daemon sets that are not fully there, as namespace/name."""
    bad = []
    for item in kube.items("/apis/apps/v1/deployments"):
        status = item.get("status", {})
        wanted = item["spec"].get("replicas", 1)
        current = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        if not current or status.get("readyReplicas", 0) < wanted or status.get("updatedReplicas", 0) < wanted:
            bad.append(f"{item['metadata']['namespace']}/{item['metadata']['name']}")
    return sorted(bad)
