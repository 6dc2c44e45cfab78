# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read out of raw documents, as KServe 0.20 writes them."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import TEMPLATE_ANNOTATION
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import (
    Failure,
    Observed,
    TrafficTarget,
    observe,
    rolled_out,
)
from ansible_collections.mlops.serving.tests.unit.domain.samples import rendered

Document = dict[str, t.Any]
R1, R2 = "isvc-2e8b6f10-predictor-00001", "isvc-2e8b6f10-predictor-00002"

# A canary at 10 %, both revisions up.
KNATIVE: Document = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {
        "name": "isvc-2e8b6f10",
        "namespace": "mlops-serving",
        "uid": "0a4c6d3e-9f35-4c9b-8a55-1f6c8f7f0002",
        "resourceVersion": "48213",
        "generation": 5,
        "creationTimestamp": "2026-01-01T10:00:00Z",
        "finalizers": ["inferenceservice.finalizers"],
        "labels": {
            "mlops.platform/endpoint_id": "2e8b6f10-5a3d-4d0e-8b1a-0c3f1f1f0002",
            "mlops.tenancy/project_id": "22222222-2222-4222-8222-222222222222",
            "mlops.tenancy/tenant_id": "11111111-1111-4111-8111-111111111111",
        },
        "annotations": {
            "modelFormat": "triton",
            "serving.kserve.io/deploymentMode": "Knative",
            "serving.kserve.io/enable-prometheus-scraping": "true",
            "serving.kserve.io/enable-tag-routing": "true",
        },
    },
    "spec": {
        "predictor": {
            "automountServiceAccountToken": False,
            "canaryTrafficPercent": 10,
            "minReplicas": 1,
            "maxReplicas": 2,
            "model": {
                "modelFormat": {"name": "triton"},
                "name": "",
                "protocolVersion": "v2",
                "runtime": "kserve-tritonserver",
                "runtimeVersion": "24.08-py3",
                "storageUri": "s3://mlops-artifacts/triton/add_sub_v2/",
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "512Mi"}},
            },
        }
    },
    "status": {
        "address": {"url": "http://isvc-2e8b6f10.mlops-serving.svc.cluster.local"},
        "clusterServingRuntimeName": "kserve-tritonserver",
        "components": {
            "predictor": {
                "address": {"url": "http://isvc-2e8b6f10-predictor.mlops-serving.svc.cluster.local"},
                "latestCreatedRevision": R2,
                "latestReadyRevision": R2,
                "latestRolledoutRevision": R1,
                "traffic": [
                    {
                        "latestRevision": True,
                        "percent": 10,
                        "revisionName": R2,
                        "tag": "latest",
                        "url": "http://latest-isvc-2e8b6f10-predictor.mlops-serving.example.com",
                    },
                    {
                        "latestRevision": False,
                        "percent": 90,
                        "revisionName": R1,
                        "tag": "prev",
                        "url": "http://prev-isvc-2e8b6f10-predictor.mlops-serving.example.com",
                    },
                ],
                "url": "http://isvc-2e8b6f10-predictor.mlops-serving.example.com",
            }
        },
        "conditions": [
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "status": "True", "type": "IngressReady"},
            {
                "lastTransitionTime": "2026-01-01T10:05:00Z",
                "severity": "Info",
                "status": "True",
                "type": "LatestDeploymentReady",
            },
            {
                "lastTransitionTime": "2026-01-01T10:05:00Z",
                "severity": "Info",
                "status": "True",
                "type": "PredictorConfigurationReady",
            },
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "status": "True", "type": "PredictorReady"},
            {
                "lastTransitionTime": "2026-01-01T10:05:00Z",
                "severity": "Info",
                "status": "True",
                "type": "PredictorRouteReady",
            },
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "status": "True", "type": "Ready"},
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "severity": "Info", "status": "True", "type": "RoutesReady"},
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "severity": "Info", "status": "False", "type": "Stopped"},
        ],
        "deploymentMode": "Knative",
        "modelStatus": {
            "copies": {"failedCopies": 0, "totalCopies": 1},
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "transitionStatus": "UpToDate",
        },
        "observedGeneration": 3,
        "url": "http://isvc-2e8b6f10.mlops-serving.example.com",
    },
}

STANDARD: Document = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {
        "name": "isvc-7d4f0a52",
        "namespace": "mlops-serving",
        "uid": "0a4c6d3e-9f35-4c9b-8a55-1f6c8f7f0001",
        "resourceVersion": "51877",
        "generation": 2,
        "labels": {"mlops.platform/endpoint_id": "7d4f0a52-1c1e-4a39-9c7b-0c3f1f1f0001"},
        "annotations": {
            "modelFormat": "triton",
            "serving.kserve.io/autoscalerClass": "keda",
            "serving.kserve.io/deploymentMode": "Standard",
        },
    },
    "spec": {
        "predictor": {
            "model": {"modelFormat": {"name": "triton"}, "storageUri": "s3://mlops-artifacts/triton/add_sub/"}
        }
    },
    "status": {
        "address": {"url": "http://isvc-7d4f0a52-predictor.mlops-serving.svc.cluster.local"},
        "clusterServingRuntimeName": "kserve-tritonserver",
        "components": {"predictor": {"url": "http://isvc-7d4f0a52-predictor-mlops-serving.example.com"}},
        "conditions": [
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "status": "True", "type": "IngressReady"},
            {
                "lastTransitionTime": "2026-01-01T10:05:00Z",
                "reason": "NewReplicaSetAvailable",
                "message": 'ReplicaSet "isvc-7d4f0a52-predictor-6c9d8b7f5d" has successfully progressed.',
                "status": "True",
                "type": "PredictorReady",
            },
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "status": "True", "type": "Ready"},
            {"lastTransitionTime": "2026-01-01T10:05:00Z", "severity": "Info", "status": "False", "type": "Stopped"},
        ],
        "deploymentMode": "Standard",
        "modelStatus": {
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "transitionStatus": "UpToDate",
        },
        "observedGeneration": 1,
        "url": "http://isvc-7d4f0a52-mlops-serving.example.com",
    },
}


def deployment(manifest: Document, **status: int) -> Document:
    template = manifest["metadata"]["annotations"][TEMPLATE_ANNOTATION]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "isvc-7d4f0a52-predictor", "namespace": "mlops-serving", "generation": 2},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "isvc.isvc-7d4f0a52-predictor"}},
            "template": {
                "metadata": {
                    "annotations": {TEMPLATE_ANNOTATION: template},
                    "labels": {"app": "isvc.isvc-7d4f0a52-predictor"},
                },
                "spec": {
                    "containers": [{"name": "kserve-container", "image": "nvcr.io/nvidia/tritonserver:24.08-py3"}]
                },
            },
        },
        "status": {
            "availableReplicas": 2,
            "conditions": [{"reason": "MinimumReplicasAvailable", "status": "True", "type": "Available"}],
            "observedGeneration": 2,
            "readyReplicas": 2,
            "replicas": 2,
            "updatedReplicas": 2,
            **status,
        },
    }


def pod(
    status: Document, *, revision: str | None = R2, created: str = "2026-01-01T10:05:00Z", template: str = "6c9d8b7f5d"
) -> Document:
    labels = {
        "serving.kserve.io/inferenceservice": "isvc-2e8b6f10",
        "component": "predictor",
        "pod-template-hash": template,
    }
    if revision is not None:
        labels["serving.knative.dev/revision"] = revision
    return {"metadata": {"name": "pod", "creationTimestamp": created, "labels": labels}, "status": status}


def waiting(
    reason: str,
    message: str = "",
    *,
    container: str = "kserve-container",
    last: Document | None = None,
    init: bool = False,
) -> Document:
    state: Document = {
        "name": container,
        "ready": False,
        "restartCount": 1,
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    if last is not None:
        state["lastState"] = {"terminated": last}
    return {"phase": "Pending", "initContainerStatuses" if init else "containerStatuses": [state]}


CRASH = waiting("CrashLoopBackOff", "back-off 10s restarting failed container")


def with_status(document: Document, **changes: t.Any) -> Document:
    changed = copy.deepcopy(document)
    changed["status"].update(changes)
    return changed


def with_condition(document: Document, kind: str, **fields: str) -> Document:
    changed = copy.deepcopy(document)
    for condition in changed["status"]["conditions"]:
        if condition["type"] == kind:
            condition.update(fields)
            return changed
    raise AssertionError(kind)


class TestKnative:
    def test_canary(self) -> None:
        seen = observe(KNATIVE)
        assert (seen.uid, seen.resource_version, seen.generation) == (
            "0a4c6d3e-9f35-4c9b-8a55-1f6c8f7f0002",
            "48213",
            5,
        )
        assert seen.owner == "2e8b6f10-5a3d-4d0e-8b1a-0c3f1f1f0002"
        assert (seen.mode, seen.ready, seen.deleting, seen.percent) == ("Knative", True, False, 10)
        assert seen.url == "http://isvc-2e8b6f10.mlops-serving.example.com"
        assert (seen.latest_created, seen.latest_ready, seen.latest_rolledout, seen.previous_rolledout) == (
            R2,
            R2,
            R1,
            None,
        )
        plain = tuple(dataclasses.replace(target, url=None) for target in seen.traffic)
        assert plain == (TrafficTarget(R2, 10, "latest", latest=True), TrafficTarget(R1, 90, "prev"))
        assert str(seen.traffic[0].url).startswith("http://latest-")
        assert seen.shares == {R2: 10, R1: 90}
        assert seen.serving
        assert seen.failures == ()
        assert seen.not_ready_because == ""

    def test_shares_of_one_revision_add_up_and_0_is_no_share(self) -> None:
        both = with_status(KNATIVE)
        targets = both["status"]["components"]["predictor"]["traffic"]
        targets[0]["revisionName"] = R1
        assert observe(both).shares == {R1: 100}
        targets[0].update(revisionName=R2, percent=0)
        targets[1]["percent"] = 100
        assert observe(both).shares == {R1: 100}

    @pytest.mark.parametrize("status", ["Unknown", "False"])
    def test_not_ready_while_stable_serves(self, status: str) -> None:
        words = f'Revision "{R2}" is waiting.'
        loading = with_condition(
            with_condition(KNATIVE, "Ready", status=status), "PredictorReady", status=status, message=words
        )
        seen = observe(loading)
        assert seen.ready is (None if status == "Unknown" else False)
        assert seen.serving
        assert seen.not_ready_because == f"PredictorReady: {words}"

    def test_reason_without_message(self) -> None:
        loading = with_condition(KNATIVE, "PredictorRouteReady", status="Unknown", reason="IngressNotConfigured")
        assert observe(loading).not_ready_because == "PredictorRouteReady: IngressNotConfigured"

    def test_that_it_was_stopped_is_no_reason_once_it_starts(self) -> None:
        """KServe corrects the condition of the address last."""
        starting = with_condition(KNATIVE, "IngressReady", status="False", reason="Stopped", message="")
        starting = with_condition(starting, "PredictorReady", status="Unknown", reason="RevisionMissing", message="")
        assert observe(starting).not_ready_because == "PredictorReady: RevisionMissing"

    def test_being_deleted(self) -> None:
        going = copy.deepcopy(KNATIVE)
        going["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
        assert observe(going).deleting

    def test_first_look_at_a_service_without_status(self) -> None:
        fresh = {"metadata": {"annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"}}, "spec": {}}
        assert observe(fresh) == Observed(live=fresh, mode="Standard")
        assert not observe(fresh).serving

    def test_nothing_there(self) -> None:
        assert observe(None) == Observed()
        assert not observe(None).serving
        assert observe(None).percent is None
        assert observe(None).shares == {}

    def test_the_mode_in_the_status_counts_more_than_the_annotation(self) -> None:
        assert observe(with_status(KNATIVE, deploymentMode="RawDeployment")).mode == "Standard"

    def test_no_mode(self) -> None:
        assert observe({"metadata": {}, "spec": {"predictor": None}}).mode is None


class TestPods:
    @pytest.mark.parametrize(
        "reason",
        [
            "CrashLoopBackOff",
            "ImagePullBackOff",
            "ErrImageNeverPull",
            "InvalidImageName",
            "CreateContainerConfigError",
            "CreateContainerError",
            "RunContainerError",
        ],
    )
    def test_terminal_reasons(self, reason: str) -> None:
        found = observe(KNATIVE, pods=[pod(waiting(reason, "what it says"))]).failures
        assert found == (Failure(reason, "container kserve-container: what it says", R2),)

    @pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "ErrImagePull"])
    def test_reasons_that_may_pass(self, reason: str) -> None:
        assert observe(KNATIVE, pods=[pod(waiting(reason))]).failures == ()

    def test_storage_initializer_with_its_last_words(self) -> None:
        last = {
            "exitCode": 1,
            "reason": "Error",
            "message": "Failed to fetch model. No model found in s3://mlops-artifacts/nothing/.\n",
        }
        status = waiting("CrashLoopBackOff", "back-off 20s", container="storage-initializer", last=last, init=True)
        (failure,) = observe(KNATIVE, pods=[pod(status)]).failures
        assert str(failure) == (
            "CrashLoopBackOff: container storage-initializer: exit code 1: "
            "Failed to fetch model. No model found in s3://mlops-artifacts/nothing/."
        )

    def test_a_running_container_that_crashed_once_is_no_failure(self) -> None:
        status = {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "kserve-container",
                    "restartCount": 1,
                    "state": {"running": {}},
                    "lastState": {"terminated": {"exitCode": 1}},
                }
            ],
        }
        assert observe(KNATIVE, pods=[pod(status)]).failures == ()

    def test_pods_of_an_older_revision_are_not_looked_at(self) -> None:
        assert observe(KNATIVE, pods=[pod(CRASH, revision=R1)]).failures == ()

    def test_pods_that_are_on_their_way_out_tell_nothing_of_what_comes(self) -> None:
        """After a stop and a start the revisions have the names of those before, and the pods of those may still be there."""
        before = pod(CRASH)
        before["metadata"]["deletionTimestamp"] = "2026-01-01T10:06:00Z"
        told = {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": {"modelRevisionName": R2}}
        seen = observe(with_status(KNATIVE, modelStatus=told), pods=[before, pod({"phase": "Running"})])
        assert seen.failures == ()
        assert (seen.pods, seen.staying) == (2, 1)
        # What comes may fail as well.
        assert [failure.reason for failure in observe(KNATIVE, pods=[before, pod(CRASH)]).failures] == [
            "CrashLoopBackOff"
        ]

    def test_pods_that_have_ended_hold_nothing(self) -> None:
        ended = [pod({"phase": phase}) for phase in ("Succeeded", "Failed")]
        seen = observe(KNATIVE, pods=[*ended, pod({"phase": "Pending"})])
        assert (seen.pods, seen.staying) == (1, 1)

    def test_no_gpu(self) -> None:
        words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
        status = {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}],
        }
        assert observe(KNATIVE, pods=[pod(status)]).failures == (Failure("NoGPU", words, R2),)
        status["conditions"][0]["message"] = "0/3 nodes are available: 3 Insufficient cpu."
        assert observe(KNATIVE, pods=[pod(status)]).failures == ()

    def test_a_revision_without_room_waits_for_it(self) -> None:
        """Knative calls it failed, and ready when an autoscaler has brought a node or other pods have ended."""

        def told(words: str) -> tuple[Failure, ...]:
            message = f'Revision "{R2}" failed with message: {words}.'
            failed = with_condition(
                KNATIVE, "PredictorConfigurationReady", status="False", reason="RevisionFailed", message=message
            )
            return observe(failed).failures

        preemption = "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        assert told(f"0/1 nodes are available: 1 Insufficient cpu. {preemption}") == ()
        assert len(told("0/1 nodes are available: 1 Insufficient nvidia.com/gpu")) == 1
        assert len(told("Container failed with: no such model")) == 1

    def test_standard_mode_looks_at_the_newest_template(self) -> None:
        old = pod(CRASH, revision=None, created="2026-01-01T10:00:00Z", template="old")
        new = pod({"phase": "Running"}, revision=None, created="2026-01-01T10:05:00Z", template="new")
        assert observe(STANDARD, pods=[old, new]).failures == ()
        assert observe(STANDARD, pods=[old]).failures == (
            Failure("CrashLoopBackOff", "container kserve-container: back-off 10s restarting failed container", None),
        )

    def test_standard_mode_of_releases_that_number_deployments(self) -> None:
        numbered = with_status(STANDARD)
        numbered["status"]["components"]["predictor"]["latestCreatedRevision"] = "2"
        assert len(observe(numbered, pods=[pod(CRASH, revision=None)]).failures) == 1


class TestConditions:
    def test_failed_revision(self) -> None:
        words = f'Revision "{R2}" failed with message: Initial scale was never achieved.'
        failed = with_condition(
            KNATIVE, "PredictorConfigurationReady", status="False", reason="RevisionFailed", message=words
        )
        assert observe(failed).failures == (Failure("RevisionFailed", words, R2),)

    def test_failed_revision_that_is_an_older_one(self) -> None:
        words = f'Revision "{R1}" failed with message: Initial scale was never achieved.'
        failed = with_condition(
            KNATIVE, "PredictorConfigurationReady", status="False", reason="RevisionFailed", message=words
        )
        assert observe(failed).failures == ()

    def test_what_admission_refused_to_kserve(self) -> None:
        words = (
            'fails to reconcile knative service: admission webhook "validation.webhook.serving.knative.dev" denied the request: '
            "validation failed: must not set the field(s): spec.template.spec.nodeSelector"
        )
        refused = with_condition(KNATIVE, "PredictorReady", status="False", reason="ReconcileFailed", message=words)
        assert observe(refused).failures == (Failure("ReconcileFailed", words, None),)

    def test_what_kserve_will_try_again(self) -> None:
        words = "fails to reconcile knative service: context deadline exceeded"
        late = with_condition(KNATIVE, "PredictorReady", status="False", reason="ReconcileFailed", message=words)
        assert observe(late).failures == ()


class TestModelStatus:
    @pytest.mark.parametrize(
        ("model", "failure"),
        [
            (
                {
                    "transitionStatus": "InvalidSpec",
                    "lastFailureInfo": {
                        "reason": "NoSupportingRuntime",
                        "message": "No runtime found to support specified framework/version",
                    },
                },
                Failure("NoSupportingRuntime", "No runtime found to support specified framework/version", None),
            ),
            (
                {
                    "transitionStatus": "BlockedByFailedLoad",
                    "lastFailureInfo": {
                        "reason": "ModelLoadFailed",
                        "message": "boom",
                        "exitCode": 1,
                        "location": f"{R2}-deployment-6f7475d4b6-jvr8q",
                    },
                },
                Failure("ModelLoadFailed", "boom", R2),
            ),
        ],
    )
    def test_terminal(self, model: Document, failure: Failure) -> None:
        assert observe(with_status(KNATIVE, modelStatus=model)).failures == (failure,)

    def test_an_earlier_revision_that_did_not_load(self) -> None:
        info = {"reason": "ModelLoadFailed", "message": "boom", "location": f"{R1}-deployment-77ffcf5964-d4zbf"}
        for model in (
            {"transitionStatus": "BlockedByFailedLoad"},
            {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": info},
        ):
            assert observe(with_status(KNATIVE, modelStatus=model)).failures == ()

    @pytest.mark.parametrize("transition", ["UpToDate", "InProgress", ""])
    def test_an_earlier_failure_that_is_over(self, transition: str) -> None:
        model = {"transitionStatus": transition, "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "boom"}}
        assert observe(with_status(KNATIVE, modelStatus=model)).failures == ()


def test_failure_in_words() -> None:
    assert str(Failure("NoGPU", "0/3 nodes")) == "NoGPU: 0/3 nodes"
    assert str(Failure("BlockedByFailedLoad", "")) == "BlockedByFailedLoad"


class TestStandard:
    MANIFEST = rendered(runtime_config={"deploymentMode": "Standard"}).manifest

    def test_observed(self) -> None:
        seen = observe(STANDARD, deployment=deployment(self.MANIFEST))
        assert (seen.mode, seen.ready, seen.url) == ("Standard", True, "http://isvc-7d4f0a52-mlops-serving.example.com")
        assert (seen.latest_created, seen.traffic, seen.shares) == (None, (), {})
        assert seen.serving
        assert not observe(STANDARD, deployment=deployment(self.MANIFEST, availableReplicas=0)).serving
        assert not observe(STANDARD).serving

    @pytest.mark.parametrize(
        ("status", "words"),
        [
            ({}, None),
            ({"observedGeneration": 1}, "the Deployment's change has not been seen by its controller yet"),
            (
                {"updatedReplicas": 1, "replicas": 3, "availableReplicas": 2},
                "1 of 2 replicas are new, 2 available, 2 old ones left",
            ),
            ({"availableReplicas": 1}, "2 of 2 replicas are new, 1 available, 0 old ones left"),
            ({"replicas": 3}, "2 of 2 replicas are new, 2 available, 1 old ones left"),
        ],
    )
    def test_rolled_out(self, status: dict[str, int], words: str | None) -> None:
        assert rolled_out(deployment(self.MANIFEST, **status), self.MANIFEST) == words

    def test_no_deployment_yet(self) -> None:
        assert rolled_out(None, self.MANIFEST) == "KServe has not made the Deployment yet"

    def test_deployment_without_status(self) -> None:
        fresh = {**deployment(self.MANIFEST), "status": None}
        assert rolled_out(fresh, self.MANIFEST) == "the Deployment's change has not been seen by its controller yet"

    def test_scaled_to_zero(self) -> None:
        idle = deployment(self.MANIFEST, replicas=0, updatedReplicas=0, availableReplicas=0)
        idle["spec"]["replicas"] = 0
        assert rolled_out(idle, self.MANIFEST) is None

    def test_deployment_of_an_earlier_rendering(self) -> None:
        other = rendered(artifact_uri="s3://models/other/", runtime_config={"deploymentMode": "Standard"}).manifest
        assert (
            rolled_out(deployment(other), self.MANIFEST) == "KServe has not put what is wanted into the Deployment yet"
        )
        foreign = deployment(self.MANIFEST)
        foreign["spec"]["template"]["metadata"]["annotations"] = None
        assert rolled_out(foreign, self.MANIFEST) == "KServe has not put what is wanted into the Deployment yet"
