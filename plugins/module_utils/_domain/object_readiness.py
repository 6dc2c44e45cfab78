# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an object's kind means by ready, and why one is not, in words."""

from __future__ import annotations

import typing as t

from .documents import BUILT_IN_GROUPS, CRD
from .pods import parse_pods

__all__ = ("Readiness", "explain", "readiness", "selector_of")

Document = dict[str, t.Any]


class Readiness(t.NamedTuple):
    """:param why: what is missing, empty where it is ready
    :param failed: waiting longer does not help"""

    why: str = ""
    failed: bool = False

    @property
    def ready(self) -> bool:
        return not self.why


_READY = Readiness()


def readiness(live: Document | None) -> Readiness:
    """Kinds that are not named here, and custom resources without a condition ``Ready``, are ready when they are there.

    Kyverno's CEL policies have conditions of their own: they are ready when admission asks for them.

    A Service of type LoadBalancer is not waited for: on many clusters nobody gives it an address.
    """
    if live is None:
        return Readiness("it is gone")
    if live["metadata"].get("deletionTimestamp"):
        return Readiness("it is being deleted")
    group = live.get("apiVersion", "").rpartition("/")[0]
    judge = _JUDGES.get(live["kind"]) if group in BUILT_IN_GROUPS else _custom
    return judge(live) if judge else _READY


def selector_of(live: Document) -> str | None:
    """The label selector of a workload's pods, None for other kinds."""
    if live["kind"] not in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        return None
    labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items())) or None


def explain(name: str, pods: t.Sequence[Document], events: t.Sequence[Document]) -> str:
    """What pods and events say about a workload that is late; empty where they say nothing."""
    own = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    for pod in parse_pods({**pod, "metadata": pod["metadata"]} for pod in own):
        if pod.failing:
            return f"pod {pod.name}: {pod.failing}"
    for one in own:
        status = one.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                return f"pod {one['metadata']['name']} is not scheduled: {condition.get('message')}"
    wanted = (name, *(pod["metadata"]["name"] for pod in own))
    told = [event for event in events if event.get("type") == "Warning" and _about(event, wanted)]
    if told:
        last = max(told, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        about = last["involvedObject"]
        return f"{about.get('kind')} {about.get('name')}: {last.get('reason')}: {last.get('message')}"
    for one in own:
        for container in (one.get("status") or {}).get("containerStatuses") or ():
            waiting = (container.get("state") or {}).get("waiting")
            if waiting:
                return f"pod {one['metadata']['name']}: container {container.get('name')}: {waiting.get('reason')}"
            if not container.get("ready"):
                return f"pod {one['metadata']['name']}: container {container.get('name')} runs and is not ready"
    return ""


def _about(event: Document, names: t.Sequence[str]) -> bool:
    """A workload's own name, its pods', or that of its ReplicaSet."""
    about = (event.get("involvedObject") or {}).get("name") or ""
    return about in names or (about.startswith(f"{names[0]}-") and about.count("-") - names[0].count("-") <= 2)


def _conditions(live: Document) -> dict[str, Document]:
    found = (live.get("status") or {}).get("conditions") or ()
    return {item["type"]: item for item in found if isinstance(item, dict) and item.get("type")}


def _says(condition: Document | None, name: str) -> str:
    if condition is None:
        return f"nothing has set its condition {name} yet"
    told = ": ".join(str(condition[part]) for part in ("reason", "message") if condition.get(part))
    return f"{name} is {condition.get('status')}" + (f" ({told})" if told else "")


def _condition(live: Document, *names: str) -> Readiness:
    conditions = _conditions(live)
    for name in names:
        if (conditions.get(name) or {}).get("status") != "True":
            return Readiness(_says(conditions.get(name), name))
    return _READY


def _custom(live: Document) -> Readiness:
    if live["apiVersion"].startswith("policies.kyverno.io/"):
        return _kyverno_policy(live)
    conditions = _conditions(live)
    if "Ready" not in conditions:
        return _READY
    behind = _behind(live)
    return Readiness(behind) if behind else _condition(live, "Ready")


def _kyverno_policy(live: Document) -> Readiness:
    """Its ``ready`` also asks whether Kyverno may write reports, which need not be: only its webhook counts."""
    told = (live.get("status") or {}).get("conditionStatus")
    admission = ((live.get("spec") or {}).get("evaluation") or {}).get("admission") or {}
    if not told or admission.get("enabled") is False:
        return _READY
    return _condition({"status": told}, "WebhookConfigured")


def _behind(live: Document) -> str:
    seen = (live.get("status") or {}).get("observedGeneration")
    wanted = live["metadata"].get("generation")
    # Controllers that report no generation are taken at their word.
    if seen is not None and wanted is not None and seen < wanted:
        return "its controller has not seen the change yet"
    return ""


def _not_seen(live: Document) -> str:
    if (live.get("status") or {}).get("observedGeneration") is None:
        return "its controller has not seen it yet"
    return _behind(live)


def _deployment(live: Document) -> Readiness:
    status, wanted = live.get("status") or {}, _replicas(live)
    if _not_seen(live):
        return Readiness(_not_seen(live))
    updated, available = status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0
    if updated < wanted:
        why = f"{updated} of {wanted} pods are updated"
    elif (status.get("replicas") or 0) > updated:
        why = f"{status['replicas'] - updated} earlier pods are still there"
    elif available < wanted:
        why = f"{available} of {wanted} pods are available"
    else:
        return _READY
    for name in ("ReplicaFailure", "Progressing"):
        condition = _conditions(live).get(name) or {}
        if (name == "ReplicaFailure" and condition.get("status") == "True") or condition.get("status") == "False":
            return Readiness(f"{why}; {_says(condition, name)}")
    return Readiness(why)


def _stateful_set(live: Document) -> Readiness:
    status, wanted = live.get("status") or {}, _replicas(live)
    if _not_seen(live):
        return Readiness(_not_seen(live))
    strategy = (live.get("spec") or {}).get("updateStrategy") or {}
    if strategy.get("type") != "OnDelete":
        due = max(wanted - ((strategy.get("rollingUpdate") or {}).get("partition") or 0), 0)
        updated = status.get("updatedReplicas") or 0
        if status.get("updateRevision") == status.get("currentRevision"):
            updated = max(updated, status.get("currentReplicas") or 0)
        if updated < due:
            return Readiness(f"{updated} of {due} pods are updated")
    ready = status.get("readyReplicas") or 0
    return _READY if ready >= wanted else Readiness(f"{ready} of {wanted} pods are ready")


def _daemon_set(live: Document) -> Readiness:
    status = live.get("status") or {}
    if _not_seen(live):
        return Readiness(_not_seen(live))
    wanted = status.get("desiredNumberScheduled") or 0
    strategy = ((live.get("spec") or {}).get("updateStrategy") or {}).get("type")
    updated = status.get("updatedNumberScheduled") or 0
    if strategy != "OnDelete" and updated < wanted:
        return Readiness(f"{updated} of {wanted} pods are updated")
    available = status.get("numberAvailable") or 0
    return _READY if available >= wanted else Readiness(f"{available} of {wanted} pods are available")


def _replicas(live: Document) -> int:
    found = (live.get("spec") or {}).get("replicas")
    return 1 if found is None else int(found)


def _job(live: Document) -> Readiness:
    failed = _conditions(live).get("Failed") or {}
    if failed.get("status") == "True":
        return Readiness(_says(failed, "Failed"), failed=True)
    if (live.get("spec") or {}).get("suspend"):
        return _READY
    return _condition(live, "Complete")


def _pod(live: Document) -> Readiness:
    phase = (live.get("status") or {}).get("phase")
    if phase == "Succeeded":
        return _READY
    if phase == "Failed":
        return Readiness(explain(live["metadata"]["name"], [live], ()) or "it has failed", failed=True)
    return _condition(live, "Ready")


def _namespace(live: Document) -> Readiness:
    phase = (live.get("status") or {}).get("phase")
    return _READY if phase in (None, "Active") else Readiness(f"its phase is {phase}")


def _webhooks(live: Document) -> Readiness:
    for hook in live.get("webhooks") or ():
        client = hook.get("clientConfig") or {}
        # An address may have a certificate that everybody trusts; a Service cannot.
        if client.get("service") and not client.get("caBundle"):
            return Readiness(f"nobody has filled in clientConfig.caBundle of its webhook {hook.get('name')} yet")
    return _READY


_JUDGES: dict[str, t.Callable[[Document], Readiness]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Pod": _pod,
    "Namespace": _namespace,
    CRD: lambda live: _condition(live, "NamesAccepted", "Established"),
    "APIService": lambda live: _condition(live, "Available"),
    "MutatingWebhookConfiguration": _webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
}
