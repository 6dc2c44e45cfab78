# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of an InferenceService's pods, read out of their raw documents."""

from __future__ import annotations

import typing as t

from .evidence import Pod

__all__ = ("REVISION_LABEL", "SERVICE_LABEL", "parse_pods", "runs")

REVISION_LABEL = "serving.knative.dev/revision"
SERVICE_LABEL = "serving.kserve.io/inferenceservice"

Document = t.Mapping[str, t.Any]

# Reasons to wait that belong to a normal start.
_STARTING = ("", "ContainerCreating", "PodInitializing")


def parse_pods(documents: t.Iterable[Document]) -> tuple[Pod, ...]:
    """Pods sorted by revision and name; those without a revision (Standard mode) have an empty one."""
    return tuple(sorted((_parse(document) for document in documents), key=lambda pod: (pod.revision, pod.name)))


def runs(document: Document) -> bool:
    """Has it a container that may have counted something? Pods that wait or have ended give out nothing."""
    return bool((document.get("status") or {}).get("phase") == "Running")


def _parse(document: Document) -> Pod:
    metadata, status = document["metadata"], document.get("status") or {}
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or ()}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return Pod(
        name=metadata["name"],
        revision=(metadata.get("labels") or {}).get(REVISION_LABEL, ""),
        ready=conditions.get("Ready") == "True",
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        terminating=bool(metadata.get("deletionTimestamp")),
        failing=_failing(status, containers),
    )


def _failing(status: Document, containers: t.Iterable[Document]) -> str:
    for container in containers:
        words = _why_it_stands(container)
        if words:
            return f"container {container.get('name')}: {words}"
    if status.get("phase") == "Failed":
        return ": ".join(filter(None, (status.get("reason") or "Failed", _last_line(status.get("message")))))
    return ""


def _why_it_stands(container: Document) -> str:
    """Why this container does not run, or nothing where it runs, starts, or has done its work."""
    state = container.get("state") or {}
    ended = state.get("terminated") or {}
    if ended and ended.get("exitCode") != 0:
        return _end(ended)
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if reason in _STARTING:
        return ""
    before = (container.get("lastState") or {}).get("terminated") or {}
    # The kubelet's own message tells of its back-off; how the container ended before tells why.
    words = _end(before) if before else _last_line(waiting.get("message"))
    return f"{reason}: {words}" if words else reason


def _end(ended: Document) -> str:
    reason, words = str(ended.get("reason") or ""), _last_line(ended.get("message"))
    told = f"exit code {ended.get('exitCode')}"
    if reason not in ("", "Error", "Completed"):
        told += f" ({reason})"
    return f"{told}: {words}" if words else told


def _last_line(text: t.Any) -> str:
    """A container's last words are the end of its whole log; the reason is in its last line."""
    lines = [line.strip() for line in str(text or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""
