# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""KServe's and Knative's rules for one InferenceService, the dangerous ones included, as pure functions.

Followed: the share of ``canaryTrafficPercent`` goes to the latest ready revision, whichever that is; the stable share to
latestRolledoutRevision; a percentage without a candidate falls back to the revision before (KServe: ksvc_reconciler.go,
inference_service_status.go; Knative: traffic resolution and the limits of its webhook). A conformance test plays the same
operations here and on a real KServe.

A state is {object: the InferenceService, revisions: [...], splits: ksvc.spec.traffic, deployment: raw or None}. One tick is
one pass of the controllers: a revision that a tick makes is judged by the next one, so that in-between states are seen.
"""

from __future__ import annotations

import copy
import re
import typing as t

from .comparison import without_percent
from .errors import Refused
from .marks import MODE_ANNOTATION, TAG_ROUTING_ANNOTATION
from .naming import simulated_url
from .readiness import Observed, observe, to_be_stopped
from .versions import KNATIVE, STANDARD, normal_mode

__all__ = ("State", "admit", "look", "settled", "tick")

State = dict[str, t.Any]

_NAME = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
# Annotations that do not get into the revision's template (constants.go ServiceAnnotationDisallowedList, managedKsvcAnnotations).
_NOT_TEMPLATE = (
    "autoscaling.knative.dev/minScale",
    "autoscaling.knative.dev/maxScale",
    "modelFormat",
    "serving.knative.dev/rollout-duration",
)


def admit(old: dict[str, t.Any] | None, new: dict[str, t.Any]) -> None:
    """What KServe's webhook refuses. It does not look at canaryTrafficPercent, and neither do we here."""
    name = new["metadata"]["name"]
    predictor = new.get("spec", {}).get("predictor") or {}
    problem = None
    if not _NAME.match(name):
        problem = f"the InferenceService {name!r} is invalid: a DNS label that starts with a letter is wanted"
    elif "model" not in predictor:
        problem = "exactly one of [model] must be specified in the predictor"
    elif predictor.get("maxReplicas") and (predictor.get("minReplicas") or 0) > predictor["maxReplicas"]:
        problem = "minReplicas cannot be greater than maxReplicas"
    elif old is not None and _mode(new) != _mode(old):
        problem = f"deploymentMode cannot be changed from {_mode(old)} to {_mode(new)}"
    if problem:
        raise Refused(f"admission webhook of the simulator denied the request: {problem}", field=name)


def tick(state: State, load_error: t.Callable[[dict[str, t.Any]], str | None] = lambda model: None) -> State:
    """One pass of the controllers.

    :param load_error: why a model (``predictor.model``) cannot be loaded, or None
    :returns: the next state; equal to the one given where nothing is left to do
    """
    state = copy.deepcopy(state)
    if to_be_stopped(state["object"]):
        _tick_stopped(state)
    elif _mode(state["object"]) == STANDARD:
        _tick_standard(state, load_error)
    else:
        _tick_knative(state, load_error)
    return state


def settled(state: State, load_error: t.Callable[[dict[str, t.Any]], str | None] = lambda model: None) -> State:
    """Ticks until nothing moves."""
    while True:
        after = tick(state, load_error)
        if after == state:
            return state
        state = after


def look(state: State | None) -> Observed:
    """The same reading as of a real cluster's documents."""
    if state is None:
        return observe(None)
    return observe(state["object"], pods=_pods(state), deployment=state.get("deployment"))


def _tick_stopped(state: State) -> None:
    """Everything goes but the InferenceService and its mode (predictor.go); revisions are counted anew when it starts again."""
    kept = {name: value for name, value in state.items() if name not in ("revisions", "splits", "deployment")}
    status = {
        "deploymentMode": _mode(state["object"]),
        "conditions": [
            {"type": "IngressReady", "status": "False", "reason": "Stopped", "message": ""},
            {"type": "PredictorReady", "status": "False", "reason": "Stopped", "message": ""},
            {"type": "Ready", "status": "False", "reason": "Stopped", "message": ""},
            {"type": "Stopped", "status": "True", "reason": "", "message": ""},
        ],
    }
    state.clear()
    state.update(kept, object={**kept["object"], "status": status})


def _tick_knative(state: State, load_error: t.Callable[[dict[str, t.Any]], str | None]) -> None:
    service = state["object"]
    name = f"{service['metadata']['name']}-predictor"
    status = service.setdefault("status", {"deploymentMode": KNATIVE})
    component = status.setdefault("components", {}).setdefault("predictor", {})
    revisions = state.setdefault("revisions", [])
    for revision in revisions:
        if not revision["ready"] and not revision["error"]:
            error = load_error(revision["template"]["predictor"]["model"])
            revision["ready"], revision["error"] = error is None, error

    percent = service["spec"]["predictor"].get("canaryTrafficPercent")
    refused = percent is not None and not 0 <= percent <= 100
    if not refused:
        template = _template(service)
        if not revisions or revisions[-1]["template"] != template:
            number = revisions[-1]["number"] + 1 if revisions else 1
            revisions.append(
                {"name": f"{name}-{number:05d}", "number": number, "template": template, "ready": False, "error": None}
            )
        state["splits"] = _splits(percent, component, template["annotations"].get(TAG_ROUTING_ANNOTATION) == "true")
    created = revisions[-1]["name"] if revisions else None
    ready = next((r["name"] for r in reversed(revisions) if r["ready"]), None)
    traffic = _resolve(state.get("splits") or [], ready)
    _propagate(component, created, ready, traffic)
    _knative_conditions(status, component, revisions, refused, percent)
    if ready is not None and traffic:
        status["url"] = simulated_url(service["metadata"]["name"])


def _splits(percent: int | None, component: dict[str, t.Any], tagged: bool) -> list[dict[str, t.Any]]:
    """ksvc.spec.traffic, as createKnativeService writes it."""
    stable = component.get("latestRolledoutRevision")
    share = 100 if percent is None or stable is None else percent
    newest: dict[str, t.Any] = {"latestRevision": True, "percent": share, **({"tag": "latest"} if tagged else {})}
    if share == 100:
        return [newest]
    return [newest, {"latestRevision": False, "revisionName": stable, "percent": 100 - share, "tag": "prev"}]


def _resolve(splits: list[dict[str, t.Any]], ready: str | None) -> list[dict[str, t.Any]]:
    """The Route's status: latestRevision means the latest ready one."""
    if ready is None:
        return []
    return [{**split, "revisionName": split.get("revisionName") or ready} for split in splits]


def _propagate(
    component: dict[str, t.Any], created: str | None, ready: str | None, traffic: list[dict[str, t.Any]]
) -> None:
    """PropagateStatus: when a revision counts as rolled out, and when KServe falls back to the one before."""
    component["latestCreatedRevision"] = created
    total: dict[str | None, int] = {}
    for target in traffic:
        total[target["revisionName"]] = total.get(target["revisionName"], 0) + target["percent"]
    for target in traffic if ready is not None else ():
        if not target["latestRevision"] or target["revisionName"] != ready:
            continue
        stable = component.get("latestRolledoutRevision")
        if stable != ready:
            if target["percent"] == 100:
                component["previousRolledoutRevision"] = stable
                component["latestRolledoutRevision"] = ready
        elif (
            ready == created
            and target["percent"] < 100
            and total[ready] == 100
            and component.get("previousRolledoutRevision")
        ):
            component["latestRolledoutRevision"] = component["previousRolledoutRevision"]
    component["latestReadyRevision"] = ready
    component["traffic"] = traffic


def _knative_conditions(
    status: dict[str, t.Any],
    component: dict[str, t.Any],
    revisions: list[dict[str, t.Any]],
    refused: bool,
    percent: int | None,
) -> None:
    newest = revisions[-1] if revisions else None
    if refused:
        state, reason, words = "False", "ReconcileFailed", f"Knative's webhook refused: expected 0 <= {percent} <= 100"
    elif newest is None or (not newest["ready"] and not newest["error"]):
        state, reason, words = "Unknown", "RevisionNotReady", ""
    elif newest["error"]:
        state, reason = "False", "RevisionFailed"
        words = f"Revision {newest['name']!r} failed with message: {newest['error']}."
    else:
        state, reason, words = "True", "", ""
    routes = "True" if component.get("traffic") else "Unknown"
    ready = state if state != "True" else routes
    status["conditions"] = [
        {"type": "PredictorConfigurationReady", "status": state, "reason": reason, "message": words},
        {"type": "PredictorRouteReady", "status": routes, "reason": "", "message": ""},
        {"type": "PredictorReady", "status": ready, "reason": reason, "message": words},
        {"type": "IngressReady", "status": routes, "reason": "", "message": ""},
        {"type": "Ready", "status": ready, "reason": reason, "message": words},
    ]


def _tick_standard(state: State, load_error: t.Callable[[dict[str, t.Any]], str | None]) -> None:
    service = state["object"]
    status = service.setdefault("status", {"deploymentMode": STANDARD})
    template = _pod_template(service)
    deployment = state.get("deployment")
    if deployment is None or deployment["spec"]["template"] != template:
        before = deployment or {"metadata": {"generation": 0}, "status": {}}
        replicas = max(1, service["spec"]["predictor"].get("minReplicas") or 1)
        state["deployment"] = {
            "metadata": {"generation": before["metadata"]["generation"] + 1},
            "spec": {"replicas": replicas, "template": template},
            "status": dict(before["status"]),
        }
    elif deployment["status"].get("observedGeneration") != deployment["metadata"]["generation"]:
        error = load_error(service["spec"]["predictor"]["model"])
        replicas = deployment["spec"]["replicas"]
        old = deployment["status"].get("availableReplicas", 0)
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": replicas if error is None else replicas + old,
            "updatedReplicas": replicas,
            "availableReplicas": replicas if error is None else old,
            "error": error,
        }
    current = state["deployment"]["status"]
    up = bool(current.get("availableReplicas"))
    if up:
        status["url"] = simulated_url(service["metadata"]["name"])
    status["conditions"] = [
        {"type": kind, "status": "True" if up else "False", "message": ""} for kind in ("PredictorReady", "Ready")
    ]


def _pod_template(service: dict[str, t.Any]) -> dict[str, t.Any]:
    model = service["spec"]["predictor"]["model"]
    container = {
        "name": "kserve-container",
        "image": f"simulated:{model.get('runtimeVersion', 'default')}",
        "resources": model.get("resources", {}),
        "env": model.get("env", []),
        "args": model.get("args", []),
    }
    source = {"internal.serving.kserve.io/storage-initializer-sourceuri": model.get("storageUri")}
    annotations = {**(service["metadata"].get("annotations") or {}), **source}
    return {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}


def _template(service: dict[str, t.Any]) -> dict[str, t.Any]:
    """What a revision is made of: labels, annotations and the predictor, but for its percentage.

    Nothing is made of a default that is said aloud (SetAutoScalingAnnotations writes min-scale 1 for none), nor of what
    only selects the runtime.
    """
    metadata = service["metadata"]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _NOT_TEMPLATE}
    predictor = copy.deepcopy(without_percent(service)["spec"]["predictor"])
    predictor.setdefault("minReplicas", 1)
    for name in ("runtime", "protocolVersion"):
        predictor["model"].pop(name, None)
    predictor["model"].get("modelFormat", {}).pop("version", None)
    return {"labels": dict(metadata.get("labels") or {}), "annotations": annotations, "predictor": predictor}


def _pods(state: State) -> list[dict[str, t.Any]]:
    """Only what a reader of failures needs: the crash-looping pod of the newest template."""
    if _mode(state["object"]) == STANDARD:
        error = (state.get("deployment") or {}).get("status", {}).get("error")
        labels = {"pod-template-hash": "newest"}
    else:
        newest = (state.get("revisions") or [{"error": None, "name": ""}])[-1]
        error, labels = newest["error"], {"serving.knative.dev/revision": newest["name"]}
    if not error:
        return []
    waiting = {"name": "kserve-container", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": error}}}
    return [{"metadata": {"labels": labels}, "status": {"containerStatuses": [waiting]}}]


def _mode(service: dict[str, t.Any]) -> str:
    return normal_mode((service["metadata"].get("annotations") or {}).get(MODE_ANNOTATION, "")) or KNATIVE
