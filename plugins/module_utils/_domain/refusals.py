# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why an endpoint does not converge, and what a person can do about it."""

from __future__ import annotations

from .errors import Refused, ServingError, Unavailable
from .marks import ENDPOINT_LABEL
from .readiness import Failure, Observed

__all__ = ("foreign", "late", "mode_change", "never_ready", "nothing_to_stage_beside")


def late(endpoint: str, waits_for: str, *, deleting: bool) -> ServingError:
    if deleting:
        return Unavailable(
            f"was not deleted in time; last seen: {waits_for}",
            endpoint=endpoint,
            cure="look at the finalizers of the InferenceService and at KServe's controller, or raise timeout",
        )
    return Unavailable(
        f"did not get ready in time; last seen: {waits_for}",
        endpoint=endpoint,
        cure="look at the pods of the InferenceService, raise timeout, or deploy the earlier model version again",
    )


def never_ready(endpoint: str, failure: Failure) -> ServingError:
    cures = {
        "ImagePullBackOff": "check runtime_config.runtimeVersion and the registry's credentials",
        "InvalidImageName": "check runtime_config.runtimeVersion",
        "NoGPU": "free a GPU, add a GPU node, or set runtime_config.gpu to false",
        "NoSupportingRuntime": "check modelFormat and protocolVersion against the installed ServingRuntimes",
    }
    return Refused(
        f"the new revision cannot get ready: {failure}",
        endpoint=endpoint,
        cure=cures.get(failure.reason, "look at the pod's log, then register a model version that loads"),
    )


def foreign(endpoint: str, endpoint_id: str, observed: Observed) -> ServingError:
    metadata = (observed.live or {}).get("metadata", {})
    owner = f"endpoint {observed.owner}" if observed.owner else "nobody: it has no label " + ENDPOINT_LABEL
    return Refused(
        f"the InferenceService {metadata.get('namespace')}/{metadata.get('name')} belongs to {owner}; it was not touched",
        endpoint=endpoint,
        cure=f"delete it, or give it the label {ENDPOINT_LABEL}={endpoint_id}",
    )


def mode_change(endpoint: str, asked: str, observed: Observed) -> ServingError:
    return Refused(
        f"the InferenceService runs in {observed.mode} mode, and KServe does not let it change to {asked}",
        endpoint=endpoint,
        field="runtime_config.deploymentMode",
        value=asked,
        cure="delete the endpoint and create it again",
    )


def nothing_to_stage_beside(endpoint: str) -> ServingError:
    return Refused(
        "nothing serves yet, so there is nothing to stage beside",
        endpoint=endpoint,
        field="traffic.canaryTrafficPercent",
        value=0,
        cure="leave the percentage out for the first deployment",
    )
