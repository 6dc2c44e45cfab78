# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rows ask for: every key, every default, every contradiction."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import keys
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.intent import check_payload, parse
from ansible_collections.mlops.serving.tests.unit.domain.samples import endpoint, intent

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}
EXTERNAL = {
    "type": "External",
    "external": {"metric": {"backend": "prometheus", "query": "up"}, "target": {"type": "Value", "value": "5"}},
}

# section, canonical key, given, field of the intent, what it becomes, what else the row needs
FIELDS: list[tuple[str, str, t.Any, str, t.Any, dict[str, t.Any]]] = [
    ("traffic", "canaryTrafficPercent", "10", "canary_percent", 10, {}),
    ("autoscaling", "minReplicas", "0", "min_replicas", 0, {}),
    ("autoscaling", "maxReplicas", 4.0, "max_replicas", 4, {}),
    ("autoscaling", "keda", "true", "keda", True, {}),
    ("autoscaling", "scaleMetric", "rps", "scale_metric", "rps", {}),
    ("autoscaling", "scaleTarget", 70, "scale_target", 70, {}),
    ("autoscaling", "metrics", [CPU], "metrics", [CPU], {"keda": True}),
    ("autoscaling", "behavior", {"scaleDown": {}}, "behavior", {"scaleDown": {}}, {"keda": True}),
    ("autoscaling", "containerConcurrency", 0, "container_concurrency", 0, {}),
    ("runtime_config", "modelFormat", "xgboost", "model_format", "xgboost", {}),
    ("runtime_config", "modelFormatVersion", 2, "model_format_version", "2", {}),
    ("runtime_config", "protocolVersion", "v2", "protocol_version", "v2", {}),
    ("runtime_config", "runtimeVersion", "24.08-py3", "runtime_version", "24.08-py3", {}),
    ("runtime_config", "gpu", True, "gpu", 1, {}),
    ("runtime_config", "resources", {"limits": {"cpu": 2}}, "resources", {"limits": {"cpu": "2"}}, {}),
    ("runtime_config", "batcher", {"max_batch_size": 8}, "batcher", {"maxBatchSize": 8, "maxLatency": 500}, {}),
    ("runtime_config", "deploymentMode", "RawDeployment", "mode", "Standard", {}),
    ("runtime_config", "autoscalerClass", "hpa", "autoscaler_class", "hpa", {}),
    ("runtime_config", "timeout", 60, "timeout", 60, {}),
    ("runtime_config", "env", {"A": 1}, "env", [{"name": "A", "value": "1"}], {}),
    ("runtime_config", "args", ["--x"], "args", ["--x"], {}),
    ("runtime_config", "nodeSelector", {"gpu": True}, "node_selector", {"gpu": "true"}, {}),
    ("runtime_config", "tolerations", [{"key": "gpu"}], "tolerations", [{"key": "gpu"}], {}),
    ("runtime_config", "serviceAccountName", "s3", "service_account_name", "s3", {}),
    ("runtime_config", "annotations", {"a": 1}, "annotations", {"a": "1"}, {}),
    ("runtime_config", "labels", {"team": "a"}, "labels", {"team": "a"}, {}),
    ("runtime_config", "enablePrometheusScraping", "no", "scraping", False, {}),
    ("runtime_config", "stopped", "true", "stopped", True, {}),
]
SPELLED = [
    (section, spelling, given, field, becomes, needs)
    for section, key, given, field, becomes, needs in FIELDS
    for spelling in (key, *keys.SECTIONS[section][key])
]


def test_every_key_has_a_row_in_this_table() -> None:
    assert {row[:2] for row in FIELDS} == {(s, key) for s, known in keys.SECTIONS.items() for key in known}


@pytest.mark.parametrize(("section", "spelling", "given", "field", "becomes", "needs"), SPELLED)
def test_every_key_in_every_spelling(
    section: str, spelling: str, given: t.Any, field: str, becomes: t.Any, needs: dict[str, t.Any]
) -> None:
    found = intent(runtime="kserve", **{section: {spelling: given, **needs}})
    assert getattr(found, field) == becomes
    assert type(getattr(found, field)) is type(becomes)


def test_defaults() -> None:
    found = intent(runtime="kserve", traffic={}, autoscaling=None, runtime_config={})
    assert not found.triton
    assert (found.model_format, found.protocol_version, found.mode, found.mode_field) == ("sklearn", None, None, None)
    assert (found.canary_percent, found.min_replicas, found.max_replicas, found.keda) == (None, None, None, False)
    assert (found.gpu, found.resources, found.batcher, found.timeout) == (0, None, None, None)
    assert (found.env, found.args, found.annotations, found.labels) == (None, None, {}, {})
    assert found.scraping
    assert found.warnings == ()


class TestTriton:
    @pytest.mark.parametrize(
        ("runtime", "config", "model_format"),
        [
            ("kserve-triton", {}, "triton"),
            ("Triton", {}, "triton"),
            ("kserve", {"modelFormat": "triton"}, "triton"),
            ("kserve", {"format": "Triton"}, "triton"),
            ("kserve-triton", {"modelFormat": "onnx"}, "onnx"),
        ],
    )
    def test_by_runtime_or_format(self, runtime: str, config: dict[str, t.Any], model_format: str) -> None:
        found = intent(runtime=runtime, runtime_config=config)
        assert found.triton
        assert (found.model_format, found.protocol_version) == (model_format, "v2")

    @pytest.mark.parametrize("protocol", ["v1", "grpc-v1", "grpc-v2"])
    def test_speaks_v2_only(self, protocol: str) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(runtime_config={"protocolVersion": protocol})
        assert str(caught.value) == (
            f"endpoint demo: runtime_config.protocolVersion = '{protocol}': Triton speaks the v2 protocol only. "
            "Set it to v2 or leave it out."
        )

    def test_a_repository_on_s3_gets_its_slash(self) -> None:
        assert intent(artifact_uri="s3://b/triton/add_sub").artifact_uri == "s3://b/triton/add_sub/"
        assert intent(artifact_uri="s3://b/triton/add_sub/").artifact_uri == "s3://b/triton/add_sub/"
        assert intent(artifact_uri="gs://b/triton/add_sub").artifact_uri == "gs://b/triton/add_sub"
        assert intent(runtime="kserve", artifact_uri="s3://b/iris").artifact_uri == "s3://b/iris"


def test_formats_keep_their_capitals() -> None:
    assert intent(runtime="kserve", runtime_config={"modelFormat": "vLLM"}).model_format == "vLLM"


@pytest.mark.parametrize("runtime", [None, ""])
def test_no_runtime_is_kserve(runtime: t.Any) -> None:
    assert not intent(runtime=runtime).triton


class TestArtifact:
    @pytest.mark.parametrize("uri", [None, "", "  "])
    def test_none_is_registered(self, uri: str | None) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(artifact_uri=uri)
        assert caught.value.field == "model_versions.artifact_uri"

    def test_none_is_registered_in_words(self) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(artifact_uri=None)
        assert str(caught.value) == (
            "endpoint demo: model_versions.artifact_uri: the model version has no artifact to serve. "
            "Register its artifact_uri with mlops.serving.model_version."
        )

    def test_no_version_is_named(self) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(artifact_uri=None, model_version_id=None)
        assert str(caught.value) == (
            "endpoint demo: model_version_id: the endpoint names no model version. Set model_version to a registered version."
        )

    @pytest.mark.parametrize("uri", ["models/iris", "ftp://host/iris", "S3://b/iris", "/mnt/iris"])
    def test_an_address_that_kserve_cannot_fetch(self, uri: str) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(artifact_uri=uri)
        assert str(caught.value).startswith(
            f"endpoint demo: model_versions.artifact_uri = '{uri}': is not an address that KServe can fetch. Use s3://bucket/prefix/"
        )

    @pytest.mark.parametrize("uri", [["s3://b/"], True])
    def test_what_is_no_text(self, uri: t.Any) -> None:
        with pytest.raises(InvalidIntent, match=r"is not a text"):
            intent(artifact_uri=uri)

    @pytest.mark.parametrize(
        "scheme", ["s3", "gs", "pvc", "file", "http", "https", "hdfs", "webhdfs", "hf", "oci", "oci+native"]
    )
    def test_schemes(self, scheme: str) -> None:
        assert intent(runtime="kserve", artifact_uri=f" {scheme}://b/m ").artifact_uri == f"{scheme}://b/m"


class TestMode:
    @pytest.mark.parametrize(
        ("fields", "mode", "field"),
        [
            ({"runtime_config": {"deploymentMode": "Serverless"}}, "Knative", "runtime_config.deploymentMode"),
            ({"runtime_config": {"deployment_mode": "Standard"}}, "Standard", "runtime_config.deploymentMode"),
            ({"traffic": {"canary_percent": 5}}, "Knative", "traffic.canaryTrafficPercent"),
            ({"autoscaling": {"keda": 1}}, "Standard", "autoscaling.keda"),
            ({"runtime_config": {"autoscalerClass": "keda"}}, "Standard", "autoscaling.keda"),
            ({"autoscaling": {"keda": False}}, None, None),
            (
                {"traffic": {"canary_percent": 5}, "runtime_config": {"deploymentMode": "Knative"}},
                "Knative",
                "runtime_config.deploymentMode",
            ),
        ],
    )
    def test_in_words_or_by_need(self, fields: dict[str, t.Any], mode: str | None, field: str | None) -> None:
        found = intent(**fields)
        assert (found.mode, found.mode_field) == (mode, field)

    @pytest.mark.parametrize("given", ["ModelMesh", "knativ"])
    def test_unknown(self, given: str) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(runtime_config={"deploymentMode": given})
        assert str(caught.value) == (
            f"endpoint demo: runtime_config.deploymentMode = '{given}': is not a deployment mode. Use Knative or Standard."
        )

    @pytest.mark.parametrize("mode", ["Standard", "RawDeployment"])
    @pytest.mark.parametrize("percent", [0, 10, 100])
    def test_no_canary_in_standard_mode(self, mode: str, percent: int) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(traffic={"canaryTrafficPercent": percent}, runtime_config={"deploymentMode": mode})
        assert str(caught.value) == (
            f"endpoint demo: traffic.canaryTrafficPercent = {percent}: a canary needs Knative: KServe ignores the percentage in "
            f"{mode} mode and would replace the model at once. Set runtime_config.deploymentMode to Knative, or leave the percentage out."
        )

    def test_no_keda_in_knative_mode(self) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(autoscaling={"keda": True}, runtime_config={"deploymentMode": "Serverless"})
        assert str(caught.value).startswith(
            "endpoint demo: autoscaling.keda = true: KEDA scales only in Standard mode, not in Serverless."
        )

    def test_no_canary_with_keda(self) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(traffic={"canaryTrafficPercent": 5}, autoscaling={"keda": True})
        assert "a canary needs Knative mode, and KEDA needs Standard mode" in str(caught.value)


# the row, the field that is told, what is said
CONTRADICTIONS: list[tuple[dict[str, t.Any], str, str]] = [
    ({"traffic": {"canary_percent": 101}}, "traffic.canaryTrafficPercent", "Give a whole number from 0 to 100"),
    ({"traffic": {"canary_percent": -1}}, "traffic.canaryTrafficPercent", "Give a whole number from 0 to 100"),
    ({"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}, "autoscaling.minReplicas", "is more than maxReplicas 2"),
    (
        {"autoscaling": {"keda": True}, "runtime_config": {"autoscalerClass": "hpa"}},
        "runtime_config.autoscalerClass",
        "contradicts autoscaling.keda = true",
    ),
    (
        {"autoscaling": {"keda": "no"}, "runtime_config": {"autoscalerClass": "keda"}},
        "runtime_config.autoscalerClass",
        "contradicts autoscaling.keda = false",
    ),
    (
        {"runtime_config": {"autoscalerClass": "vpa"}},
        "runtime_config.autoscalerClass",
        "Use one of hpa, keda, external, none",
    ),
    (
        {"runtime_config": {"protocolVersion": "v3"}},
        "runtime_config.protocolVersion",
        "Use one of v1, v2, grpc-v1, grpc-v2",
    ),
    ({"autoscaling": {"scaleMetric": "gpu"}}, "autoscaling.scaleMetric", "Use one of cpu, memory, concurrency, rps"),
    ({"autoscaling": {"scaleTarget": 0}}, "autoscaling.scaleTarget", "of at least 1"),
    (
        {"autoscaling": {"keda": True, "scaleMetric": "rps"}},
        "autoscaling.scaleMetric",
        "is a metric of Knative's autoscaler",
    ),
    (
        {"autoscaling": {"scaleMetric": "concurrency"}, "runtime_config": {"deploymentMode": "Standard"}},
        "autoscaling.scaleMetric",
        "is a metric of Knative's autoscaler",
    ),
    (
        {"autoscaling": {"scaleMetric": "cpu"}, "runtime_config": {"deploymentMode": "Knative"}},
        "autoscaling.scaleMetric",
        "is no metric of Knative's autoscaler",
    ),
    (
        {"autoscaling": {"scaleMetric": "memory"}, "traffic": {"canary_percent": 5}},
        "autoscaling.scaleMetric",
        "is no metric of Knative's autoscaler",
    ),
    ({"autoscaling": {"metrics": [CPU]}}, "autoscaling.metrics", "Set autoscaling.keda to true"),
    ({"autoscaling": {"behavior": {"scaleUp": {}}}}, "autoscaling.behavior", "Set autoscaling.keda to true"),
    (
        {"autoscaling": {"keda": True, "metrics": [{}]}},
        "autoscaling.metrics[0].type",
        "Use Resource, External or PodMetric",
    ),
    (
        {"autoscaling": {"keda": True, "metrics": [{"type": "Pods"}]}},
        "autoscaling.metrics[0].type",
        "Use one of Resource, External, PodMetric",
    ),
    (
        {"autoscaling": {"keda": True, "metrics": [CPU, {"type": "Resource", "resource": {"name": "gpu"}}]}},
        "autoscaling.metrics[1].resource.name",
        "Use one of cpu, memory",
    ),
    (
        {"autoscaling": {"keda": True, "metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]}},
        "autoscaling.metrics[0].resource.target",
        "say at which value",
    ),
    (
        {"autoscaling": {"keda": True, "metrics": [{"type": "External", "external": {"metric": {}}}]}},
        "autoscaling.metrics[0].external.metric.query",
        "is missing",
    ),
    (
        {"autoscaling": {"keda": True, "metrics": [{"type": "External", "external": {"metric": {"query": "up"}}}]}},
        "autoscaling.metrics[0].external.target",
        "is missing",
    ),
    (
        {"autoscaling": {"keda": True, "metrics": [{"type": "PodMetric", "podmetric": []}]}},
        "autoscaling.metrics[0].podmetric",
        "is not a mapping",
    ),
    ({"runtime_config": {"timeout": 0}}, "runtime_config.timeout", "of at least 1"),
    ({"runtime_config": {"batcher": {"maxLatency": 0}}}, "runtime_config.batcher.maxLatency", "of at least 1"),
    ({"runtime_config": {"batcher": "fast"}}, "runtime_config.batcher", "write {maxBatchSize: 32, maxLatency: 500}"),
    ({"runtime_config": {"batcher": []}}, "runtime_config.batcher", "is not a mapping"),
    (
        {"runtime_config": {"labels": {"mlops.platform/endpoint_id": "x"}}},
        "runtime_config.labels.mlops.platform/endpoint_id",
        "is written by the collection",
    ),
    (
        {"runtime_config": {"labels": {"mlops.tenancy/tenant_id": "x"}}},
        "runtime_config.labels.mlops.tenancy/tenant_id",
        "follows the endpoint's tenant_id",
    ),
    (
        {"runtime_config": {"annotations": {"serving.kserve.io/deploymentMode": "Standard"}}},
        "runtime_config.annotations.serving.kserve.io/deploymentMode",
        "it follows runtime_config.deploymentMode",
    ),
    (
        {"runtime_config": {"annotations": {"mlops.platform/template": "x"}}},
        "runtime_config.annotations.mlops.platform/template",
        "leave it out",
    ),
    ({"traffic": []}, "traffic", "must be a mapping, not a list"),
    (
        {"runtime_config": {"runtimeVersion": 24.1}},
        "runtime_config.runtimeVersion",
        "is a number, in which a last 0 is lost",
    ),
    ({"runtime": 7.5j}, "runtime", "is not a text"),
]


@pytest.mark.parametrize(("fields", "field", "words"), CONTRADICTIONS)
@pytest.mark.parametrize("strict", [True, False])
def test_what_cannot_be(fields: dict[str, t.Any], field: str, words: str, strict: bool) -> None:
    with pytest.raises(InvalidIntent) as caught:
        parse(endpoint(**fields), strict=strict)
    assert caught.value.endpoint == "demo"
    assert caught.value.field == field
    assert words.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    "autoscaling",
    [
        {"minReplicas": 3, "maxReplicas": 0},
        {"minReplicas": 3},
        {"minReplicas": 0, "maxReplicas": 3},
        {"keda": True, "scaleMetric": "memory"},
        {"keda": True, "metrics": [CPU, EXTERNAL]},
    ],
)
def test_what_can_be(autoscaling: dict[str, t.Any]) -> None:
    intent(autoscaling=autoscaling)


class TestUnknownKeys:
    def test_are_refused_on_the_way_in(self) -> None:
        with pytest.raises(InvalidIntent) as caught:
            intent(runtime_config={"replicas": 3})
        assert (caught.value.endpoint, caught.value.field) == ("demo", "runtime_config.replicas")

    def test_are_warnings_in_rows_of_the_wild(self) -> None:
        found = intent(
            strict=False,
            runtime_config={"replicas": 3, "batcher": {"size": 1}},
            traffic={"color": 1},
            autoscaling={"x": 1},
        )
        assert [warning.split(" ")[0] for warning in found.warnings] == [
            "traffic.color",
            "autoscaling.x",
            "runtime_config.replicas",
            "runtime_config.batcher.size",
            "runtime_config.batcher",
        ]


class TestBatcher:
    @pytest.mark.parametrize(
        ("given", "becomes"),
        [
            (True, {"maxBatchSize": 32, "maxLatency": 500}),
            ("true", {"maxBatchSize": 32, "maxLatency": 500}),
            ({}, {"maxBatchSize": 32, "maxLatency": 500}),
            ({"maxLatency": None}, {"maxBatchSize": 32, "maxLatency": 500}),
            ({"maxBatchSize": "8", "timeout": 60}, {"maxBatchSize": 8, "maxLatency": 500, "timeout": 60}),
            (False, None),
            (None, None),
        ],
    )
    def test_values(self, given: t.Any, becomes: t.Any) -> None:
        assert intent(runtime="kserve", runtime_config={"batcher": given}).batcher == becomes

    @pytest.mark.parametrize(
        ("fields", "warned"),
        [
            ({"runtime": "kserve-triton", "runtime_config": {"batcher": {}}}, True),
            ({"runtime": "kserve", "runtime_config": {"batcher": True, "protocol_version": "v2"}}, True),
            ({"runtime": "kserve", "runtime_config": {"batcher": True}}, False),
            ({"runtime": "kserve-triton", "runtime_config": {"batcher": False}}, False),
        ],
    )
    def test_warns_where_kserve_passes_requests_through(self, fields: dict[str, t.Any], warned: bool) -> None:
        warnings = intent(**fields).warnings
        assert [
            ("no effect with the v2 protocol" in warning and "config.pbtxt" in warning) for warning in warnings
        ] == [True] * warned


def test_a_scale_target_beside_metrics_is_warned_of() -> None:
    assert (
        "autoscaling.scaleTarget has no effect"
        in intent(autoscaling={"keda": True, "metrics": [CPU], "scaleTarget": 5}).warnings[0]
    )
    assert intent(autoscaling={"keda": True, "scaleTarget": 5}).warnings == ()


class TestPayload:
    def test_is_checked_like_a_row(self) -> None:
        with pytest.raises(InvalidIntent, match=r"endpoint demo: traffic.canaryTrafficPercent = 150"):
            check_payload("kserve", {"canary_percent": 150}, {}, {}, endpoint_name="demo")
        with pytest.raises(InvalidIntent, match=r"runtime_config\.replicas"):
            check_payload("kserve", {}, {}, {"replicas": 1}, endpoint_name="demo")

    def test_without_an_artifact(self) -> None:
        assert check_payload("kserve", None, None, None, endpoint_name="demo").endpoint.name == "demo"

    def test_with_a_bad_artifact(self) -> None:
        for uri in ("", "nowhere"):
            with pytest.raises(InvalidIntent):
                check_payload("kserve", None, None, None, endpoint_name="demo", artifact_uri=uri)
