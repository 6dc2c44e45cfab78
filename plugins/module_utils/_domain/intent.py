# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an endpoint's row asks for, checked and in one form."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from . import checks
from .errors import InvalidIntent, ServingError
from .keys import canonical_keys
from .marks import check_not_reserved
from .model_address import repository_uri
from .versions import KNATIVE, STANDARD, normal_mode

__all__ = ("Endpoint", "Intent", "check_payload", "parse")

_PROTOCOLS = ("v1", "v2", "grpc-v1", "grpc-v2")
_AUTOSCALERS = ("hpa", "keda", "external", "none")
# What the storage initializer can fetch (KServe python/storage; a ClusterStorageContainer may know more).
_SCHEMES = (
    "s3://",
    "gs://",
    "pvc://",
    "file://",
    "http://",
    "https://",
    "hdfs://",
    "webhdfs://",
    "hf://",
    "oci://",
    "oci+native://",
)
_DEFAULT_FORMAT = "sklearn"
_DEFAULT_BATCHER = {"maxBatchSize": 32, "maxLatency": 500}


@dataclass(frozen=True)
class Endpoint:
    """A row of ``endpoints`` joined with its row of ``model_versions``, as it is stored."""

    id: str
    name: str
    tenant_id: str = ""
    project_id: str = ""
    status: str = "CREATING"
    url: str | None = None
    runtime: str = "kserve"
    model_id: str | None = None
    model_version_id: str | None = None
    version: int | None = None
    artifact_uri: str | None = None
    traffic: t.Any = None
    autoscaling: t.Any = None
    runtime_config: t.Any = None
    intent_hash: str = ""
    columns: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Intent:
    """A checked intent: every field has its type, every spelling is the canonical one, None means not asked for."""

    endpoint: Endpoint
    triton: bool
    model_format: str
    model_format_version: str | None
    protocol_version: str | None
    runtime_version: str | None
    artifact_uri: str
    mode: str | None
    mode_field: str | None
    canary_percent: int | None
    min_replicas: int | None
    max_replicas: int | None
    keda: bool
    autoscaler_class: str | None
    scale_metric: str | None
    scale_target: int | None
    metrics: list[dict[str, t.Any]] | None
    behavior: dict[str, t.Any] | None
    container_concurrency: int | None
    gpu: int
    resources: dict[str, dict[str, str]] | None
    batcher: dict[str, int] | None
    timeout: int | None
    env: list[dict[str, t.Any]] | None
    args: list[str] | None
    node_selector: dict[str, str] | None
    tolerations: list[dict[str, t.Any]] | None
    service_account_name: str | None
    annotations: dict[str, str]
    labels: dict[str, str]
    scraping: bool
    stopped: bool
    warnings: tuple[str, ...] = ()


def parse(endpoint: Endpoint, *, strict: bool) -> Intent:
    """Checks a row.

    :param strict: an unknown key is an error; otherwise a warning, so that rows in the wild keep serving
    :raises InvalidIntent: with the endpoint's name, the field, its value and the cure
    """
    try:
        return _parse(endpoint, strict)
    except ServingError as error:
        raise error.at(endpoint.name) from None


def check_payload(
    runtime: t.Any,
    traffic: t.Any,
    autoscaling: t.Any,
    runtime_config: t.Any,
    *,
    endpoint_name: str,
    artifact_uri: str | None = None,
) -> Intent:
    """The same check for an intent that is not stored yet. Without an artifact_uri only the rest is checked."""
    return parse(
        Endpoint(
            id="00000000-0000-0000-0000-000000000000",
            name=endpoint_name,
            runtime=runtime,
            traffic=traffic,
            autoscaling=autoscaling,
            runtime_config=runtime_config,
            artifact_uri="s3://not-checked/" if artifact_uri is None else artifact_uri,
        ),
        strict=True,
    )


def _parse(endpoint: Endpoint, strict: bool) -> Intent:
    traffic, notes = canonical_keys("traffic", endpoint.traffic, strict=strict)
    scaling, more = canonical_keys("autoscaling", endpoint.autoscaling, strict=strict)
    config, most = canonical_keys("runtime_config", endpoint.runtime_config, strict=strict)
    warnings = notes + more + most

    def ask(section: dict[str, t.Any], name: str, check: t.Callable[..., t.Any], **limits: t.Any) -> t.Any:
        prefix = {id(traffic): "traffic", id(scaling): "autoscaling"}.get(id(section), "runtime_config")
        return check(f"{prefix}.{name}", section[name], **limits) if name in section else None

    runtime = checks.text("runtime", endpoint.runtime if endpoint.runtime not in (None, "") else "kserve")
    given_format = ask(config, "modelFormat", checks.text)
    triton = "triton" in runtime.lower() or (given_format or "").lower() == "triton"
    # KServe compares the names of formats letter by letter, and vLLM has capitals.
    model_format = given_format or ("triton" if triton else _DEFAULT_FORMAT)
    model_format = "triton" if model_format.lower() == "triton" else model_format
    percent = ask(traffic, "canaryTrafficPercent", checks.percent)
    keda = bool(ask(scaling, "keda", checks.boolean))
    autoscaler = ask(config, "autoscalerClass", checks.one_of, allowed=_AUTOSCALERS)
    keda = keda or autoscaler == "keda"
    if (
        autoscaler == "keda"
        and scaling.get("keda") is not None
        and not checks.boolean("autoscaling.keda", scaling["keda"])
    ):
        raise InvalidIntent(
            "contradicts autoscaling.keda = false",
            field="runtime_config.autoscalerClass",
            value=autoscaler,
            cure="keep one of them",
        )
    if keda and autoscaler not in (None, "keda"):
        raise InvalidIntent(
            "contradicts autoscaling.keda = true",
            field="runtime_config.autoscalerClass",
            value=autoscaler,
            cure="keep one of them",
        )
    mode, mode_field = _mode(config, percent, keda)
    intent = Intent(
        endpoint=endpoint,
        triton=triton,
        model_format=model_format,
        model_format_version=ask(config, "modelFormatVersion", checks.tag),
        protocol_version=_protocol(ask(config, "protocolVersion", checks.one_of, allowed=_PROTOCOLS), triton),
        runtime_version=ask(config, "runtimeVersion", checks.tag),
        artifact_uri=_artifact(endpoint, triton),
        mode=mode,
        mode_field=mode_field,
        canary_percent=percent,
        min_replicas=ask(scaling, "minReplicas", checks.whole),
        max_replicas=ask(scaling, "maxReplicas", checks.whole),
        keda=keda,
        autoscaler_class=autoscaler,
        scale_metric=ask(scaling, "scaleMetric", checks.one_of, allowed=("cpu", "memory", "concurrency", "rps")),
        scale_target=ask(scaling, "scaleTarget", checks.whole, low=1),
        metrics=ask(scaling, "metrics", checks.objects),
        behavior=ask(scaling, "behavior", checks.mapping),
        container_concurrency=ask(scaling, "containerConcurrency", checks.whole),
        gpu=ask(config, "gpu", checks.gpu) or 0,
        resources=ask(config, "resources", checks.quantities),
        batcher=ask(config, "batcher", _batcher),
        timeout=ask(config, "timeout", checks.whole, low=1),
        env=ask(config, "env", checks.environment),
        args=ask(config, "args", checks.texts),
        node_selector=ask(config, "nodeSelector", checks.text_map),
        tolerations=ask(config, "tolerations", checks.objects),
        service_account_name=ask(config, "serviceAccountName", checks.text),
        annotations=ask(config, "annotations", checks.text_map) or {},
        labels=ask(config, "labels", checks.text_map) or {},
        scraping=_default(ask(config, "enablePrometheusScraping", checks.boolean), True),
        stopped=bool(ask(config, "stopped", checks.boolean)),
        warnings=tuple(warnings),
    )
    check_not_reserved("runtime_config.annotations", intent.annotations)
    check_not_reserved("runtime_config.labels", intent.labels)
    _check_together(intent)
    return dataclasses.replace(intent, warnings=(*warnings, *_no_effect(intent)))


def _mode(config: dict[str, t.Any], percent: int | None, keda: bool) -> tuple[str | None, str | None]:
    """The deployment mode that the row asks for, in words or by what it needs, and the field that says so."""
    where = "runtime_config.deploymentMode"
    given = config.get("deploymentMode")
    mode = normal_mode(checks.text(where, given)) if given is not None else None
    if given is not None and mode is None:
        raise InvalidIntent("is not a deployment mode", field=where, value=given, cure="use Knative or Standard")
    if percent is not None and mode == STANDARD:
        raise InvalidIntent(
            f"a canary needs Knative: KServe ignores the percentage in {given} mode and would replace the model at once",
            field="traffic.canaryTrafficPercent",
            value=percent,
            cure="set runtime_config.deploymentMode to Knative, or leave the percentage out",
        )
    if keda and mode == KNATIVE:
        raise InvalidIntent(
            f"KEDA scales only in Standard mode, not in {given}",
            field="autoscaling.keda",
            value=True,
            cure="set runtime_config.deploymentMode to Standard, or leave keda out",
        )
    if keda and percent is not None:
        raise InvalidIntent(
            "a canary needs Knative mode, and KEDA needs Standard mode",
            field="traffic.canaryTrafficPercent",
            value=percent,
            cure="leave autoscaling.keda out, or leave the percentage out",
        )
    if mode is None and percent is not None:
        return KNATIVE, "traffic.canaryTrafficPercent"
    if mode is None and keda:
        return STANDARD, "autoscaling.keda"
    return mode, where if mode is not None else None


def _protocol(given: str | None, triton: bool) -> str | None:
    if triton and given not in (None, "v2"):
        raise InvalidIntent(
            "Triton speaks the v2 protocol only",
            field="runtime_config.protocolVersion",
            value=given,
            cure="set it to v2 or leave it out",
        )
    return "v2" if triton else given


def _artifact(endpoint: Endpoint, triton: bool) -> str:
    uri = checks.text("model_versions.artifact_uri", endpoint.artifact_uri) if endpoint.artifact_uri else ""
    if not uri:
        if endpoint.model_version_id is None:
            raise InvalidIntent(
                "the endpoint names no model version",
                field="model_version_id",
                cure="set model_version to a registered version",
            )
        raise InvalidIntent(
            "the model version has no artifact to serve",
            field="model_versions.artifact_uri",
            cure="register its artifact_uri with mlops.serving.model_version",
        )
    if not uri.startswith(_SCHEMES):
        raise InvalidIntent(
            "is not an address that KServe can fetch",
            field="model_versions.artifact_uri",
            value=uri,
            cure="use s3://bucket/prefix/ or one of " + ", ".join(_SCHEMES),
        )
    return repository_uri("model_versions.artifact_uri", uri) if triton else uri


def _batcher(where: str, given: t.Any) -> dict[str, int] | None:
    """true is KServe's batcher with its defaults, false none; a mapping says how."""
    if isinstance(given, dict):
        return {
            **_DEFAULT_BATCHER,
            **{key: checks.whole(f"{where}.{key}", value, low=1) for key, value in given.items()},
        }
    try:
        return dict(_DEFAULT_BATCHER) if checks.boolean(where, given) else None
    except InvalidIntent:
        raise InvalidIntent(
            "is not a mapping",
            field=where,
            value=given,
            cure="write {maxBatchSize: 32, maxLatency: 500}, or true for that",
        ) from None


def _no_effect(intent: Intent) -> t.Iterator[str]:
    """What is asked for and rendered, or left out, and changes nothing."""
    if intent.batcher is not None and intent.protocol_version == "v2":
        yield (
            "runtime_config.batcher has no effect with the v2 protocol: KServe's batcher passes such requests through; "
            "use dynamic_batching in the model's config.pbtxt"
        )
    if intent.stopped and intent.canary_percent is not None:
        yield "traffic.canaryTrafficPercent has no effect while the endpoint is stopped"
    if intent.keda and intent.scale_target is not None and intent.scale_metric is None and intent.metrics:
        yield "autoscaling.scaleTarget has no effect beside autoscaling.metrics, which have targets of their own"


def _check_together(intent: Intent) -> None:
    low, high = intent.min_replicas, intent.max_replicas
    if low is not None and high and low > high:
        raise InvalidIntent(
            f"is more than maxReplicas {high}",
            field="autoscaling.minReplicas",
            value=low,
            cure="raise maxReplicas or lower minReplicas",
        )
    if intent.scale_metric in ("concurrency", "rps") and (intent.keda or intent.mode == STANDARD):
        raise InvalidIntent(
            "is a metric of Knative's autoscaler, which Standard mode does not have",
            field="autoscaling.scaleMetric",
            value=intent.scale_metric,
            cure="use cpu or memory, or autoscaling.metrics with KEDA",
        )
    if intent.scale_metric in ("cpu", "memory") and intent.mode == KNATIVE:
        raise InvalidIntent(
            "is no metric of Knative's autoscaler",
            field="autoscaling.scaleMetric",
            value=intent.scale_metric,
            cure="use concurrency or rps, or set runtime_config.deploymentMode to Standard",
        )
    if intent.metrics is not None and not intent.keda:
        raise InvalidIntent(
            "are scaled on by KEDA only",
            field="autoscaling.metrics",
            value=intent.metrics,
            cure="set autoscaling.keda to true",
        )
    if intent.behavior is not None and not intent.keda:
        raise InvalidIntent(
            "is followed with KEDA only",
            field="autoscaling.behavior",
            value=intent.behavior,
            cure="set autoscaling.keda to true",
        )
    for i, metric in enumerate(intent.metrics or ()):
        _check_metric(f"autoscaling.metrics[{i}]", metric)


def _check_metric(where: str, metric: dict[str, t.Any]) -> None:
    """KServe's own rules (inference_service_validation.go), told before anything is written."""
    kind = (
        checks.one_of(f"{where}.type", metric.get("type", ""), ("Resource", "External", "PodMetric"))
        if metric.get("type")
        else None
    )
    if kind is None:
        raise InvalidIntent("is missing", field=f"{where}.type", cure="use Resource, External or PodMetric")
    part = {"Resource": "resource", "External": "external", "PodMetric": "podmetric"}[kind]
    body = checks.mapping(f"{where}.{part}", metric.get(part, {}))
    if kind == "Resource":
        checks.one_of(f"{where}.resource.name", body.get("name", ""), ("cpu", "memory"))
    elif not checks.mapping(f"{where}.{part}.metric", body.get("metric", {})).get("query"):
        raise InvalidIntent(
            "is missing", field=f"{where}.{part}.metric.query", cure="write the query that gives the value"
        )
    if not checks.mapping(f"{where}.{part}.target", body.get("target", {})):
        raise InvalidIntent("is missing", field=f"{where}.{part}.target", cure="say at which value to add replicas")


def _default(value: bool | None, otherwise: bool) -> bool:
    return otherwise if value is None else value
