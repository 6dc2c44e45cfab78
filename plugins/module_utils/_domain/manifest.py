# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An intent as an InferenceService. The only place that knows how one looks."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

from .errors import InvalidIntent, Refused, ServingError
from .intent import Intent
from .marks import (
    AUTOSCALER_ANNOTATION,
    ENDPOINT_LABEL,
    MODE_ANNOTATION,
    PROJECT_LABEL,
    SCRAPING_ANNOTATION,
    STOP_ANNOTATION,
    TAG_ROUTING_ANNOTATION,
    TEMPLATE_ANNOTATION,
    TENANT_LABEL,
)
from .naming import check_name, check_standard_host
from .versions import KNATIVE, STANDARD, Version, check_kserve, check_stop, mode_spelling

__all__ = (
    "API_VERSION",
    "ENDPOINT_LABEL",
    "KIND",
    "MODE_ANNOTATION",
    "PROJECT_LABEL",
    "RENDERER_VERSION",
    "TEMPLATE_ANNOTATION",
    "TENANT_LABEL",
    "Rendered",
    "Target",
    "marked",
    "render",
)

# Part of every intent's hash: raise it when the same intent is rendered differently, and endpoints are applied again.
RENDERER_VERSION = 1

API_VERSION = "serving.kserve.io/v1beta1"
KIND = "InferenceService"

# What does not touch a pod: in Standard mode it changes without restarting any. In Knative mode it is part of the revision.
_SCALING = (
    "minReplicas",
    "maxReplicas",
    "scaleMetric",
    "scaleTarget",
    "autoScaling",
    "containerConcurrency",
    "timeout",
)

_GPU = "nvidia.com/gpu"
_DEFAULT_RESOURCES = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
_DEFAULT_UTILIZATION = 80
# Where the model servers really answer in Standard mode; nothing listens on KServe's own 9091 there.
_TRITON_METRICS_PORT = "8002"
_SERVER_METRICS_PORT = "8080"


@dataclass(frozen=True)
class Target:
    """Where an intent is rendered to.

    :param default_mode: the cluster's default deployment mode, for intents that need neither
    :param kserve_version: of the installed KServe; None renders for the newest
    :param current_mode: the mode in which the endpoint was deployed before: KServe does not let it change
    :param long_hosts: a domainTemplate lifts the limit on name and namespace in Standard mode
    """

    namespace: str
    name: str
    default_mode: str = KNATIVE
    kserve_version: Version | None = None
    current_mode: str | None = None
    long_hosts: bool = False


@dataclass(frozen=True)
class Rendered:
    manifest: dict[str, t.Any]
    mode: str
    warnings: tuple[str, ...]


def render(intent: Intent, target: Target) -> Rendered:
    """Renders an intent; always the ``predictor.model`` form, as KServe rewrites the older ones (KServe #2232).

    :raises InvalidIntent: for what this target cannot do
    :raises Refused: for a KServe release, or a change, that cannot work
    """
    try:
        return _render(intent, target)
    except ServingError as error:
        raise error.at(intent.endpoint.name) from None


def _render(intent: Intent, target: Target) -> Rendered:
    mode = _mode(intent, target)
    check_kserve(mode, target.kserve_version)
    check_name(target.name)
    if mode == STANDARD and not target.long_hosts:
        check_standard_host(target.name, target.namespace)
    manifest: dict[str, t.Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": target.name,
            "namespace": target.namespace,
            "labels": _labels(intent),
            "annotations": _annotations(intent, mode, target.kserve_version),
        },
        "spec": {"predictor": _predictor(intent, mode)},
    }
    return Rendered(manifest=marked(manifest, mode), mode=mode, warnings=intent.warnings)


def marked(manifest: dict[str, t.Any], mode: str) -> dict[str, t.Any]:
    """The manifest with the digest of its template, which makes every change of it a revision, and proves it afterwards."""
    left_out = ("canaryTrafficPercent", *(_SCALING if mode == STANDARD else ()))
    metadata = manifest["metadata"]
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != TEMPLATE_ANNOTATION
    }
    predictor = {key: value for key, value in manifest["spec"]["predictor"].items() if key not in left_out}
    content = json.dumps([metadata.get("labels") or {}, annotations, predictor], sort_keys=True)
    annotations[TEMPLATE_ANNOTATION] = hashlib.sha256(content.encode()).hexdigest()[:16]
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _mode(intent: Intent, target: Target) -> str:
    """The row's own word, else the mode the endpoint already has, else the cluster's default."""
    asked, current = intent.mode, target.current_mode
    if asked is not None and current is not None and asked != current:
        values = {"traffic.canaryTrafficPercent": intent.canary_percent, "autoscaling.keda": True}
        needs = f"needs {asked} mode; " if intent.mode_field in values else ""
        raise Refused(
            f"{needs}the endpoint runs in {current} mode, and KServe does not let it change to {asked}",
            field=intent.mode_field,
            value=values.get(str(intent.mode_field), asked),
            cure=f"{'leave it out' if needs else f'stay in {current} mode'}, or delete the endpoint and create it again",
        )
    mode = asked or current or target.default_mode
    if mode == STANDARD and intent.scale_metric in ("concurrency", "rps"):
        raise InvalidIntent(
            "is a metric of Knative's autoscaler, and this endpoint runs in Standard mode",
            field="autoscaling.scaleMetric",
            value=intent.scale_metric,
            cure="use cpu or memory",
        )
    if mode == KNATIVE and intent.scale_metric in ("cpu", "memory"):
        raise InvalidIntent(
            "is no metric of Knative's autoscaler, and this endpoint runs in Knative mode",
            field="autoscaling.scaleMetric",
            value=intent.scale_metric,
            cure="use concurrency or rps, or set runtime_config.deploymentMode to Standard",
        )
    return mode


def _labels(intent: Intent) -> dict[str, str]:
    endpoint = intent.endpoint
    own = {TENANT_LABEL: endpoint.tenant_id, PROJECT_LABEL: endpoint.project_id, ENDPOINT_LABEL: endpoint.id}
    return {**intent.labels, **{key: value for key, value in own.items() if value}}


def _annotations(intent: Intent, mode: str, kserve: Version | None) -> dict[str, str]:
    annotations = dict(intent.annotations)
    annotations[MODE_ANNOTATION] = mode_spelling(mode, kserve)
    autoscaler = "keda" if intent.keda else intent.autoscaler_class
    if autoscaler is not None:
        annotations[AUTOSCALER_ANNOTATION] = autoscaler
    if mode == KNATIVE:
        # From the first write on: added later it would make a revision, and green's own address needs the tag.
        annotations[TAG_ROUTING_ANNOTATION] = "true"
        annotations[SCRAPING_ANNOTATION] = "true" if intent.scraping else "false"
    if intent.stopped:
        check_stop(kserve)
        annotations[STOP_ANNOTATION] = "true"
    return annotations


def _predictor(intent: Intent, mode: str) -> dict[str, t.Any]:
    predictor: dict[str, t.Any] = {
        "minReplicas": intent.min_replicas,
        # 0 means no limit, which is said by leaving it out: KServe does not give a 0 back.
        "maxReplicas": intent.max_replicas or None,
        "containerConcurrency": intent.container_concurrency,
        "timeout": intent.timeout,
        "serviceAccountName": intent.service_account_name,
        "nodeSelector": intent.node_selector or None,
        "tolerations": intent.tolerations or None,
        "batcher": intent.batcher,
        # Nothing is split while nothing serves.
        "canaryTrafficPercent": None if intent.stopped else intent.canary_percent,
        "model": _model(intent),
    }
    if mode == STANDARD and intent.scraping:
        port = _TRITON_METRICS_PORT if intent.triton else _SERVER_METRICS_PORT
        predictor["annotations"] = {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": port,
            "prometheus.io/path": "/metrics",
        }
    predictor.update(
        _keda(intent) if intent.keda else {"scaleMetric": intent.scale_metric, "scaleTarget": intent.scale_target}
    )
    return {key: value for key, value in predictor.items() if value is not None}


def _keda(intent: Intent) -> dict[str, t.Any]:
    """KServe refuses scaleMetric beside KEDA, so it becomes the metric that it means."""
    metrics: list[dict[str, t.Any]] = list(intent.metrics or ())
    if intent.scale_metric is not None or not metrics:
        # KServe renders an empty trigger list without a metric, which KEDA's CRD refuses.
        target: dict[str, t.Any] = {
            "type": "Utilization",
            "averageUtilization": intent.scale_target or _DEFAULT_UTILIZATION,
        }
        metrics.append({"type": "Resource", "resource": {"name": intent.scale_metric or "cpu", "target": target}})
    scaling: dict[str, t.Any] = {"metrics": metrics}
    if intent.behavior:
        scaling["behavior"] = intent.behavior
    return {"autoScaling": scaling}


def _model(intent: Intent) -> dict[str, t.Any]:
    model_format = {"name": intent.model_format, "version": intent.model_format_version}
    model: dict[str, t.Any] = {
        "modelFormat": {key: value for key, value in model_format.items() if value is not None},
        # Triton serves other formats too; then only the runtime's name says so.
        "runtime": "kserve-tritonserver" if intent.triton and intent.model_format != "triton" else None,
        "protocolVersion": intent.protocol_version,
        "runtimeVersion": intent.runtime_version,
        "storageUri": intent.artifact_uri,
        "resources": _resources(intent),
        "env": intent.env or None,
        "args": intent.args or None,
    }
    return {key: value for key, value in model.items() if value is not None}


def _resources(intent: Intent) -> dict[str, dict[str, str]]:
    given = intent.resources or _DEFAULT_RESOURCES
    resources = {side: dict(amounts) for side, amounts in given.items()}
    if intent.gpu and not any(_GPU in amounts for amounts in resources.values()):
        for side in ("requests", "limits"):
            resources.setdefault(side, {})[_GPU] = str(intent.gpu)
    elif any(_GPU in amounts for amounts in resources.values()):
        # Kubernetes wants both sides of an extended resource, and equal.
        asked = resources.get("limits", {}).get(_GPU) or resources["requests"][_GPU]
        for side in ("requests", "limits"):
            resources.setdefault(side, {}).setdefault(_GPU, asked)
    return resources
