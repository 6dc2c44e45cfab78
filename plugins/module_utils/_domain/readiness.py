# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an InferenceService, its pods and its Deployment say about themselves, read out of their raw documents."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .marks import ENDPOINT_LABEL, MODE_ANNOTATION, STOP_ANNOTATION, TEMPLATE_ANNOTATION
from .versions import STANDARD, normal_mode

__all__ = ("Failure", "Observed", "TrafficTarget", "observe", "rolled_out", "to_be_stopped", "version_of")

_REVISION_LABEL = "serving.knative.dev/revision"
_GPU = "nvidia.com/gpu"
# A pod of this phase holds no GPU any more.
_ENDED = ("Failed", "Succeeded")
# KServe's reason for what is not ready because it was stopped (inference_service_status.go, StoppedISVCReason).
_STOPPED = "Stopped"
# A container in one of these states does not get out of it by waiting.
_TERMINAL_WAITING = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)


@dataclass(frozen=True)
class TrafficTarget:
    revision: str
    percent: int
    tag: str | None = None
    latest: bool = False
    url: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why something will not become ready by waiting. Without a revision it may be about an earlier one."""

    reason: str
    message: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


@dataclass(frozen=True)
class Observed:
    """One look at an InferenceService. ``live`` is None where there is none.

    :param pods: that have not ended, where pods were looked at; ``staying``: those of them that nobody has told to end
    """

    live: dict[str, t.Any] | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int = 0
    owner: str | None = None
    deleting: bool = False
    mode: str | None = None
    url: str | None = None
    ready: bool | None = None
    not_ready_because: str = ""
    latest_created: str | None = None
    latest_ready: str | None = None
    latest_rolledout: str | None = None
    previous_rolledout: str | None = None
    traffic: tuple[TrafficTarget, ...] = ()
    failures: tuple[Failure, ...] = ()
    deployment: dict[str, t.Any] | None = None
    stopped: bool = False
    pods: int = 0
    staying: int = 0

    @property
    def version(self) -> str:
        """As ``version_of`` says it."""
        return version_of(self.uid, self.resource_version)

    @property
    def percent(self) -> int | None:
        """canaryTrafficPercent as it stands in the live object."""
        value = ((self.live or {}).get("spec", {}).get("predictor") or {}).get("canaryTrafficPercent")
        return None if value is None else int(value)

    @property
    def shares(self) -> dict[str, int]:
        """Percent of the traffic by revision; revisions without traffic are left out."""
        shares: dict[str, int] = {}
        for target in self.traffic:
            if target.percent:
                shares[target.revision] = shares.get(target.revision, 0) + target.percent
        return shares

    @property
    def serving(self) -> bool:
        """Does anything answer requests, whether or not it is what is wanted?"""
        if self.mode == STANDARD:
            return bool((self.deployment or {}).get("status", {}).get("availableReplicas"))
        return self.latest_rolledout is not None and bool(self.shares)


def version_of(uid: t.Any, resource_version: t.Any) -> str:
    """Another one after each write. With the uid, as another cluster, or another object of the name, begins to count anew."""
    return f"{uid}/{resource_version}"


def observe(
    service: dict[str, t.Any] | None,
    *,
    pods: t.Iterable[dict[str, t.Any]] = (),
    deployment: dict[str, t.Any] | None = None,
) -> Observed:
    """Reads raw Kubernetes documents (KServe: inference_service_status.go; Knative: the ksvc's status, verbatim).

    :param pods: of this InferenceService; only those of the newest revision or template are looked at
    :param deployment: ``<name>-predictor``, in Standard mode
    """
    if service is None:
        return Observed()
    metadata, status = service.get("metadata", {}), service.get("status") or {}
    held = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _ENDED]
    # After a stop and a start the pods of before have revisions of the same names: what is going tells nothing of what comes.
    staying = [pod for pod in held if not pod.get("metadata", {}).get("deletionTimestamp")]
    predictor = (status.get("components") or {}).get("predictor") or {}
    mode = normal_mode(status.get("deploymentMode") or (metadata.get("annotations") or {}).get(MODE_ANNOTATION) or "")
    # In Standard mode old releases put the Deployment's revision number there.
    created = None if mode == STANDARD else predictor.get("latestCreatedRevision")
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    ready, stopped = conditions.get("Ready") or {}, _stopped(conditions)
    return Observed(
        live=service,
        uid=metadata.get("uid"),
        resource_version=metadata.get("resourceVersion"),
        generation=int(metadata.get("generation") or 0),
        owner=(metadata.get("labels") or {}).get(ENDPOINT_LABEL),
        deleting=bool(metadata.get("deletionTimestamp")),
        mode=mode,
        url=status.get("url"),
        ready={"True": True, "False": False}.get(str(ready.get("status"))),
        not_ready_because="it is stopped" if stopped and to_be_stopped(service) else _why_not_ready(conditions),
        latest_created=created,
        latest_ready=predictor.get("latestReadyRevision"),
        latest_rolledout=predictor.get("latestRolledoutRevision"),
        previous_rolledout=predictor.get("previousRolledoutRevision"),
        traffic=tuple(_target(item) for item in predictor.get("traffic") or ()),
        failures=tuple(_failures(status, conditions, created, _newest(staying, created), len(held) > len(staying))),
        deployment=deployment,
        stopped=stopped,
        pods=len(held),
        staying=len(staying),
    )


def to_be_stopped(manifest: dict[str, t.Any]) -> bool:
    """Whether an InferenceService asks KServe to take away what it made, and to keep nothing but itself."""
    return str((manifest.get("metadata", {}).get("annotations") or {}).get(STOP_ANNOTATION)).lower() == "true"


def _stopped(conditions: dict[t.Any, dict[str, t.Any]]) -> bool:
    """KServe says so once it has told everything to go (predictor.go, controller.go); the pods take their time after that."""
    return (conditions.get("Stopped") or {}).get("status") == "True"


def rolled_out(deployment: dict[str, t.Any] | None, manifest: dict[str, t.Any]) -> str | None:
    """Standard mode has no revisions: the Deployment's own content is the proof that it serves what was asked.

    :returns: None where it does, else what it still waits for
    """
    if deployment is None:
        return "KServe has not made the Deployment yet"
    spec, status = deployment.get("spec", {}), deployment.get("status") or {}
    rendering = (spec.get("template", {}).get("metadata", {}).get("annotations") or {}).get(TEMPLATE_ANNOTATION)
    if rendering != manifest["metadata"]["annotations"][TEMPLATE_ANNOTATION]:
        return "KServe has not put what is wanted into the Deployment yet"
    if int(status.get("observedGeneration") or 0) < int(deployment.get("metadata", {}).get("generation") or 0):
        return "the Deployment's change has not been seen by its controller yet"
    wanted, total = int(spec.get("replicas") or 0), int(status.get("replicas") or 0)
    updated, available = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    if updated < wanted or available < updated or total > updated:
        return f"{updated} of {wanted} replicas are new, {available} available, {total - updated} old ones left"
    return None


def _target(item: dict[str, t.Any]) -> TrafficTarget:
    return TrafficTarget(
        revision=item.get("revisionName", ""),
        percent=int(item.get("percent") or 0),
        tag=item.get("tag"),
        latest=bool(item.get("latestRevision")),
        url=item.get("url"),
    )


def _why_not_ready(conditions: dict[t.Any, dict[str, t.Any]]) -> str:
    for kind, condition in conditions.items():
        # After a start some conditions still tell of the stop until their turn comes.
        told = kind not in ("Ready", "Stopped") and condition.get("reason") != _STOPPED
        if condition.get("status") != "True" and told:
            words = condition.get("message") or condition.get("reason")
            if words:
                return f"{kind}: {words}"
    return ""


def _newest(pods: list[dict[str, t.Any]], created: str | None) -> list[dict[str, t.Any]]:
    """Pods of the newest revision; in Standard mode, of the newest template."""
    if created is not None:
        return [pod for pod in pods if _labels(pod).get(_REVISION_LABEL) == created]
    if not pods:
        return []
    newest = max(pods, key=lambda pod: str(pod.get("metadata", {}).get("creationTimestamp", "")))
    template = _labels(newest).get("pod-template-hash")
    return [pod for pod in pods if _labels(pod).get("pod-template-hash") == template]


def _failures(
    status: dict[str, t.Any],
    conditions: dict[t.Any, dict[str, t.Any]],
    created: str | None,
    pods: list[dict[str, t.Any]],
    leaving: bool,
) -> t.Iterator[Failure]:
    for pod in pods:
        yield from _pod_failures(pod, created)
    configuration = conditions.get("PredictorConfigurationReady") or {}
    message = str(configuration.get("message") or "")
    # The condition names the revision that it is about; without the name it may be an earlier one's.
    if configuration.get("status") == "False" and created and created in message and not _waits_for_room(message):
        yield Failure(str(configuration.get("reason") or "RevisionFailed"), message, created)
    predictor = conditions.get("PredictorReady") or {}
    words = str(predictor.get("message") or "")
    # What Knative's or the API server's admission refused of the objects that KServe makes; KServe asks again for ever.
    if (
        predictor.get("status") == "False"
        and predictor.get("reason") == "ReconcileFailed"
        and "denied the request" in words
    ):
        yield Failure("ReconcileFailed", words)
    yield from _model_failures(status.get("modelStatus") or {}, created, leaving)


def _model_failures(model: dict[str, t.Any], created: str | None, leaving: bool) -> t.Iterator[Failure]:
    """A spec that KServe refused, and a model that did not load where the newest revision is meant.

    KServe shows the failure of an earlier revision until a later one has loaded. Its location is the name of a pod, which
    begins with the revision's; in Standard mode the pods themselves tell. It asks any one pod of the revision's name, so
    that one from before a stop is taken for one of the start (PropagateModelStatus): while pods are leaving, it does not count.
    """
    info = model.get("lastFailureInfo") or {}
    transition = model.get("transitionStatus")
    reason, words = str(info.get("reason") or transition), _last_line(info.get("message"))
    if transition == "InvalidSpec":
        yield Failure(reason, words, info.get("modelRevisionName") or None)
    elif transition == "BlockedByFailedLoad" and created and not leaving:
        if info.get("modelRevisionName") == created or str(info.get("location") or "").startswith(f"{created}-"):
            yield Failure(reason, words, created)


def _pod_failures(pod: dict[str, t.Any], revision: str | None) -> t.Iterator[Failure]:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        message = str(condition.get("message") or "")
        if condition.get("reason") == "Unschedulable" and _GPU in message:
            yield Failure("NoGPU", message, revision)
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _TERMINAL_WAITING:
            last = (container.get("lastState") or {}).get("terminated") or {}
            words = _last_line(last.get("message") or waiting.get("message"))
            if last.get("exitCode") is not None:
                words = f"exit code {last['exitCode']}: {words}"
            yield Failure(waiting["reason"], f"container {container.get('name')}: {words}", revision)


def _waits_for_room(message: str) -> bool:
    """Knative calls a revision failed while the scheduler finds no node, and ready when one has come or has room again.

    That is for an autoscaler of nodes, or for other pods to end: minutes at most. A GPU is another matter.
    """
    return "nodes are available: " in message and _GPU not in message


def _last_line(text: t.Any) -> str:
    """A container's last words are its whole log's end; the reason is in its last line."""
    lines = [line.strip() for line in str(text or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _labels(document: dict[str, t.Any]) -> dict[str, str]:
    return document.get("metadata", {}).get("labels") or {}
