# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What intents become: Knative, Standard with KEDA, Standard without."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, Refused
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import (
    RENDERER_VERSION,
    TEMPLATE_ANNOTATION,
    Rendered,
    Target,
    render,
)
from ansible_collections.mlops.serving.tests.unit.domain.samples import ID, NAME, NAMESPACE, intent, predictor, rendered

DEFAULT_RESOURCES = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
STANDARD = {"deploymentMode": "Standard"}


def annotations(rendered: Rendered) -> dict[str, str]:
    """Without the digest, which has tests of its own."""
    found = dict(rendered.manifest["metadata"]["annotations"])
    assert len(found.pop(TEMPLATE_ANNOTATION)) == 16
    return found


class TestWhole:
    def test_knative(self) -> None:
        found = rendered(traffic={"canaryTrafficPercent": 10}, autoscaling={"minReplicas": 1, "maxReplicas": 2})
        assert found.mode == "Knative"
        manifest = found.manifest
        assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
        assert (manifest["apiVersion"], manifest["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
        assert (manifest["metadata"]["name"], manifest["metadata"]["namespace"]) == (NAME, NAMESPACE)
        assert manifest["metadata"]["labels"] == {
            "mlops.tenancy/tenant_id": "acme",
            "mlops.tenancy/project_id": "vision",
            "mlops.platform/endpoint_id": ID,
        }
        assert annotations(found) == {
            "serving.kserve.io/deploymentMode": "Knative",
            "serving.kserve.io/enable-tag-routing": "true",
            "serving.kserve.io/enable-prometheus-scraping": "true",
        }
        assert manifest["spec"] == {
            "predictor": {
                "minReplicas": 1,
                "maxReplicas": 2,
                "canaryTrafficPercent": 10,
                "model": {
                    "modelFormat": {"name": "triton"},
                    "protocolVersion": "v2",
                    "storageUri": "s3://models/good/",
                    "resources": DEFAULT_RESOURCES,
                },
            }
        }

    def test_standard_with_keda(self) -> None:
        found = rendered(autoscaling={"keda": True})
        assert found.mode == "Standard"
        assert annotations(found) == {
            "serving.kserve.io/deploymentMode": "Standard",
            "serving.kserve.io/autoscalerClass": "keda",
        }
        predictor = found.manifest["spec"]["predictor"]
        assert predictor["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "8002",
            "prometheus.io/path": "/metrics",
        }
        assert predictor["autoScaling"] == {
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ]
        }
        assert set(predictor) == {"model", "annotations", "autoScaling"}

    def test_standard_without_keda(self) -> None:
        found = rendered(
            runtime="kserve", runtime_config=STANDARD, autoscaling={"scaleMetric": "cpu", "scaleTarget": 60}
        )
        assert annotations(found) == {"serving.kserve.io/deploymentMode": "Standard"}
        predictor = found.manifest["spec"]["predictor"]
        assert predictor["annotations"]["prometheus.io/port"] == "8080"
        assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("cpu", 60)
        assert "autoScaling" not in predictor

    def test_warnings_come_along(self) -> None:
        assert len(rendered(runtime_config={"batcher": True}).warnings) == 1


# the row's fields, path below the predictor, what is there
FIELDS: list[tuple[dict[str, t.Any], str, t.Any]] = [
    ({"autoscaling": {"minReplicas": 0}}, "minReplicas", 0),
    ({"autoscaling": {"maxReplicas": 3}}, "maxReplicas", 3),
    ({"autoscaling": {"maxReplicas": 0}}, "maxReplicas", None),
    ({"autoscaling": {"containerConcurrency": 0}}, "containerConcurrency", 0),
    ({"autoscaling": {"scaleMetric": "rps", "scaleTarget": 20}}, "scaleMetric", "rps"),
    ({"autoscaling": {"scaleMetric": "rps", "scaleTarget": 20}}, "scaleTarget", 20),
    ({"traffic": {"canary_percent": 0}}, "canaryTrafficPercent", 0),
    ({"traffic": {}}, "canaryTrafficPercent", None),
    ({"runtime_config": {"timeout": 60}}, "timeout", 60),
    ({"runtime_config": {"serviceAccountName": "s3"}}, "serviceAccountName", "s3"),
    ({"runtime_config": {"nodeSelector": {"gpu": "a100"}}}, "nodeSelector", {"gpu": "a100"}),
    ({"runtime_config": {"nodeSelector": {}}}, "nodeSelector", None),
    ({"runtime_config": {"tolerations": [{"key": "gpu"}]}}, "tolerations", [{"key": "gpu"}]),
    ({"runtime_config": {"tolerations": []}}, "tolerations", None),
    ({"runtime_config": {"batcher": {"maxBatchSize": 8}}}, "batcher", {"maxBatchSize": 8, "maxLatency": 500}),
    ({"runtime_config": {"modelFormatVersion": "2"}}, "model.modelFormat", {"name": "triton", "version": "2"}),
    ({"runtime_config": {"runtimeVersion": "24.08-py3"}}, "model.runtimeVersion", "24.08-py3"),
    ({"runtime_config": {"env": {"A": "1"}}}, "model.env", [{"name": "A", "value": "1"}]),
    ({"runtime_config": {"env": {}}}, "model.env", None),
    ({"runtime_config": {"args": ["--x"]}}, "model.args", ["--x"]),
    ({"runtime_config": {}}, "model.name", None),
    ({"runtime_config": {}}, "triton", None),
    ({"runtime_config": {}}, "model.runtime", None),
    ({"runtime_config": {"modelFormat": "onnx"}}, "model.runtime", "kserve-tritonserver"),
    ({"runtime": "kserve", "runtime_config": {"protocolVersion": "grpc-v1"}}, "model.protocolVersion", "grpc-v1"),
    ({"runtime": "kserve"}, "model.protocolVersion", None),
    ({"runtime": "kserve"}, "model.modelFormat", {"name": "sklearn"}),
    ({"runtime_config": {"resources": {"limits": {"cpu": "2000m"}}}}, "model.resources", {"limits": {"cpu": "2"}}),
    ({"runtime_config": {"resources": {}}}, "model.resources", DEFAULT_RESOURCES),
]


@pytest.mark.parametrize(("fields", "path", "value"), FIELDS)
def test_every_field(fields: dict[str, t.Any], path: str, value: t.Any) -> None:
    found: t.Any = predictor(**fields)
    for key in path.split("."):
        found = found.get(key)
    assert found == value


class TestGpu:
    @pytest.mark.parametrize(
        ("config", "requests", "limits"),
        [
            ({"gpu": True}, "1", "1"),
            ({"gpu": "2"}, "2", "2"),
            ({"gpu": False}, None, None),
            ({"gpu": True, "resources": {"limits": {"nvidia.com/gpu": 4}}}, "4", "4"),
            ({"resources": {"requests": {"nvidia.com/gpu": 3}}}, "3", "3"),
            ({"gpu": True, "resources": {"requests": {"cpu": "1"}}}, "1", "1"),
            ({"resources": {"limits": {"cpu": "1"}}}, None, None),
        ],
    )
    def test_in_both_requests_and_limits(
        self, config: dict[str, t.Any], requests: str | None, limits: str | None
    ) -> None:
        resources = predictor(runtime_config=config)["model"]["resources"]
        assert resources.get("requests", {}).get("nvidia.com/gpu") == requests
        assert resources.get("limits", {}).get("nvidia.com/gpu") == limits

    def test_beside_the_default_resources(self) -> None:
        resources = predictor(runtime_config={"gpu": True})["model"]["resources"]
        assert resources["requests"] == {"cpu": "250m", "memory": "512Mi", "nvidia.com/gpu": "1"}
        assert resources["limits"] == {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
        assert predictor()["model"]["resources"] == DEFAULT_RESOURCES


class TestKeda:
    @pytest.mark.parametrize(
        ("autoscaling", "metrics"),
        [
            ({}, [("cpu", 80)]),
            ({"scaleMetric": "memory"}, [("memory", 80)]),
            ({"scaleMetric": "cpu", "scaleTarget": 55}, [("cpu", 55)]),
            ({"scaleTarget": 55}, [("cpu", 55)]),
        ],
    )
    def test_metric_of_resources(self, autoscaling: dict[str, t.Any], metrics: list[tuple[str, int]]) -> None:
        found = predictor(autoscaling={"keda": True, **autoscaling})
        assert "scaleMetric" not in found
        assert "scaleTarget" not in found
        assert [
            (m["resource"]["name"], m["resource"]["target"]["averageUtilization"])
            for m in found["autoScaling"]["metrics"]
        ] == metrics

    def test_metrics_as_given(self) -> None:
        metric = {"type": "External", "external": {"metric": {"query": "up"}, "target": {"value": "5"}}}
        behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
        found = predictor(autoscaling={"keda": True, "metrics": [metric], "behavior": behavior, "scaleTarget": 5})
        assert found["autoScaling"] == {"metrics": [metric], "behavior": behavior}


class TestAnnotationsAndLabels:
    @pytest.mark.parametrize(("config", "value"), [({}, "true"), ({"enablePrometheusScraping": False}, "false")])
    def test_scraping_in_knative_mode(self, config: dict[str, t.Any], value: str) -> None:
        found = rendered(runtime_config={"deploymentMode": "Knative", **config})
        assert annotations(found)["serving.kserve.io/enable-prometheus-scraping"] == value
        assert "annotations" not in found.manifest["spec"]["predictor"]

    def test_no_scraping_in_standard_mode(self) -> None:
        found = rendered(runtime_config={**STANDARD, "enablePrometheusScraping": False})
        assert "annotations" not in found.manifest["spec"]["predictor"]
        assert "serving.kserve.io/enable-prometheus-scraping" not in annotations(found)

    def test_ones_of_the_row(self) -> None:
        found = rendered(runtime_config={"annotations": {"owner": "a"}, "labels": {"team": "b"}})
        assert annotations(found)["owner"] == "a"
        assert found.manifest["metadata"]["labels"]["team"] == "b"

    @pytest.mark.parametrize("name", ["hpa", "external", "none"])
    def test_autoscaler_class(self, name: str) -> None:
        assert (
            annotations(rendered(runtime_config={**STANDARD, "autoscalerClass": name}))[
                "serving.kserve.io/autoscalerClass"
            ]
            == name
        )

    def test_no_empty_labels(self) -> None:
        assert rendered(tenant_id="", project_id="").manifest["metadata"]["labels"] == {
            "mlops.platform/endpoint_id": ID
        }


class TestMode:
    @pytest.mark.parametrize(
        ("fields", "target", "mode"),
        [
            ({}, {}, "Knative"),
            ({}, {"default_mode": "Standard"}, "Standard"),
            ({}, {"default_mode": "Standard", "current_mode": "Knative"}, "Knative"),
            ({}, {"default_mode": "Knative", "current_mode": "Standard"}, "Standard"),
            ({"runtime_config": STANDARD}, {"default_mode": "Knative"}, "Standard"),
            ({"traffic": {"canary_percent": 5}}, {"default_mode": "Standard"}, "Knative"),
            ({"autoscaling": {"keda": True}}, {"current_mode": "Standard"}, "Standard"),
        ],
    )
    def test_the_rows_word_then_the_stored_one_then_the_clusters(
        self, fields: dict[str, t.Any], target: dict[str, t.Any], mode: str
    ) -> None:
        assert rendered(target, **fields).mode == mode

    @pytest.mark.parametrize(
        ("fields", "current", "text"),
        [
            (
                {"runtime_config": STANDARD},
                "Knative",
                "endpoint demo: runtime_config.deploymentMode = 'Standard': the endpoint runs in Knative mode, and KServe does not let "
                "it change to Standard. Stay in Knative mode, or delete the endpoint and create it again.",
            ),
            (
                {"traffic": {"canary_percent": 5}},
                "Standard",
                "endpoint demo: traffic.canaryTrafficPercent = 5: needs Knative mode; the endpoint runs in Standard mode, and KServe "
                "does not let it change to Knative. Leave it out, or delete the endpoint and create it again.",
            ),
            (
                {"autoscaling": {"keda": True}},
                "Knative",
                "endpoint demo: autoscaling.keda = true: needs Standard mode; the endpoint runs in Knative mode, and KServe "
                "does not let it change to Standard. Leave it out, or delete the endpoint and create it again.",
            ),
        ],
    )
    def test_cannot_change(self, fields: dict[str, t.Any], current: str, text: str) -> None:
        with pytest.raises(Refused) as caught:
            rendered({"current_mode": current}, **fields)
        assert str(caught.value) == text

    @pytest.mark.parametrize(
        ("metric", "mode", "words"),
        [
            ("rps", "Standard", "is a metric of Knative's autoscaler"),
            ("cpu", "Knative", "is no metric of Knative's autoscaler"),
        ],
    )
    def test_of_the_cluster_decides_about_the_metric(self, metric: str, mode: str, words: str) -> None:
        with pytest.raises(InvalidIntent) as caught:
            rendered({"default_mode": mode}, autoscaling={"scaleMetric": metric})
        assert (caught.value.endpoint, caught.value.field) == ("demo", "autoscaling.scaleMetric")
        assert words in str(caught.value)

    @pytest.mark.parametrize(
        ("version", "config", "spelled"),
        [
            ((0, 15, 2), {}, "Serverless"),
            ((0, 15, 2), STANDARD, "RawDeployment"),
            ((0, 17, 0), {}, "Knative"),
            ((0, 20, 0), STANDARD, "Standard"),
        ],
    )
    def test_is_spelled_for_the_release(
        self, version: tuple[int, int, int], config: dict[str, t.Any], spelled: str
    ) -> None:
        found = rendered({"kserve_version": version}, runtime_config=config)
        assert annotations(found)["serving.kserve.io/deploymentMode"] == spelled
        assert found.mode in ("Knative", "Standard")

    @pytest.mark.parametrize("version", [(0, 16, 0), (0, 19, 0)])
    def test_releases_that_cannot_work(self, version: tuple[int, int, int]) -> None:
        with pytest.raises(Refused, match=r"^endpoint demo: kserve = "):
            rendered({"kserve_version": version})


class TestNames:
    def test_standard_mode_limits_the_host(self) -> None:
        long = Target("n" * 40, NAME)
        assert render(intent(), long).mode == "Knative"
        with pytest.raises(InvalidIntent, match=r"^endpoint demo: namespace = "):
            render(intent(runtime_config=STANDARD), long)
        assert render(intent(runtime_config=STANDARD), Target("n" * 40, NAME, long_hosts=True)).mode == "Standard"

    def test_a_bad_name_is_refused(self) -> None:
        with pytest.raises(InvalidIntent, match=r"^endpoint demo: name = 'Demo'"):
            render(intent(), Target(NAMESPACE, "Demo"))


class TestDigest:
    """A change that makes no revision by itself must make one, or a percentage would wake the model before."""

    BASE = rendered().manifest["metadata"]["annotations"][TEMPLATE_ANNOTATION]

    def digest(self, **fields: t.Any) -> str:
        return t.cast(str, rendered(**fields).manifest["metadata"]["annotations"][TEMPLATE_ANNOTATION])

    @pytest.mark.parametrize(
        "fields",
        [
            {"autoscaling": {"minReplicas": 1}},
            {"autoscaling": {"containerConcurrency": 0}},
            {"artifact_uri": "s3://models/other/"},
            {"runtime_config": {"modelFormatVersion": "2"}},
            {"runtime_config": {"timeout": 300}},
            {"runtime_config": {"env": {"A": ""}}},
            {"runtime_config": {"labels": {"a": "b"}}},
            {"runtime_config": {"annotations": {"serving.knative.dev/rollout-duration": "60s"}}},
            {"tenant_id": "other"},
        ],
    )
    def test_changes_with_the_template(self, fields: dict[str, t.Any]) -> None:
        assert self.digest(**fields) != self.BASE

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"traffic": {"canary_percent": 0}},
            {"traffic": {"canary_percent": 50}},
            {"url": "http://x", "status": "READY"},
        ],
    )
    def test_stays_with_the_percentage(self, fields: dict[str, t.Any]) -> None:
        assert self.digest(**fields) == self.BASE

    @pytest.mark.parametrize(
        "fields",
        [
            {"autoscaling": {"minReplicas": 2}},
            {"autoscaling": {"maxReplicas": 5}},
            {"autoscaling": {"scaleMetric": "cpu", "scaleTarget": 50}},
        ],
    )
    def test_stays_with_the_scale_in_standard_mode(self, fields: dict[str, t.Any]) -> None:
        assert self.digest(runtime_config=STANDARD, **fields) == self.digest(runtime_config=STANDARD)

    def test_is_the_same_in_every_process(self) -> None:
        # Part of what is on clusters: another value here would make a revision of every endpoint.
        assert (RENDERER_VERSION, self.BASE) == (1, "dc554047183c1379")
