"""Many objects at once: in phases by kind, in parallel within a phase, again and again what is not possible yet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from . import order
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
LAST = "custom resources"
PARALLEL = 6
RETRY_SECONDS = 0.3


def name_of(manifest: Json) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}".replace(" /", " ")


def is_late(manifest: Json, late: Collection[str]) -> bool:
    return manifest["kind"] == "Deployment" and manifest["metadata"]["name"] in late


def phases(manifests: Iterable[Json], late: Collection[str] = ()) -> list[tuple[str, list[Json]]]:
    """Objects by phase; kinds of no phase come last, and Deployments named in late. Small definitions first: their controllers
    can start meanwhile."""
    rest = list(manifests)
    result = []
    for title, kinds in PHASES:
        chosen = [m for m in rest if m["kind"] in kinds and not is_late(m, late)]
        rest = [m for m in rest if m not in chosen]
        if title.startswith("custom"):
            chosen.sort(key=lambda m: len(json.dumps(m)))
        result.append((title, chosen))
    return [*result, (LAST, rest)]


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
    late = order.checks(listed)
    end = time.monotonic() + seconds
    for title, chosen in phases([*missing_namespaces(listed), *listed], late):
        begun = time.monotonic()
        # Objects of the last phase wait for one another's webhooks: none may keep another from its turn.
        with ThreadPoolExecutor(len(chosen) or 1 if title == LAST else PARALLEL) as pool:
            answers = list(pool.map(lambda manifest: _insist(kube, manifest, late, end), chosen))
        refused = [(manifest, why) for manifest, why in zip(chosen, answers, strict=True) if why]
        if refused:
            first, why = refused[0]
            raise ClusterError(
                f"{len(refused)} {title} were refused for {seconds:.0f} s, first {name_of(first)}: {why}"
            )
        if chosen:
            say(f"{len(chosen)} {title} in {time.monotonic() - begun:.1f} s")


def _insist(kube: Kube, manifest: Json, late: Mapping[str, list[order.Check]], end: float) -> str:
    """Applies it, again and again until the time is over. Empty when applied, else why not."""
    while why := _refusal(kube, manifest, late):
        if time.monotonic() > end:
            break
        time.sleep(RETRY_SECONDS)
    return why


def _refusal(kube: Kube, manifest: Json, late: Mapping[str, list[order.Check]]) -> str:
    """Empty when applied, else why not."""
    if is_late(manifest, late):
        for check in late[manifest["metadata"]["name"]]:
            if missing := check(kube):
                return missing
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
