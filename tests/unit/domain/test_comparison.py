# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a difference between what was rendered and what is live."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.comparison import (
    combined,
    differences,
    template_differences,
    with_percent,
    without_percent,
)
from ansible_collections.mlops.serving.tests.unit.domain.samples import rendered, share

Document = dict[str, t.Any]
METRIC = {"type": "External", "external": {"metric": {"query": "up"}, "target": {"type": "Value", "value": 50}}}
OURS = rendered(
    traffic={"canaryTrafficPercent": 10},
    autoscaling={"minReplicas": 1},
    runtime_config={
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
        "args": ["--x", "--y"],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": ""}],
        "labels": {"team": "a"},
    },
).manifest


def change(path: str, value: t.Any, document: Document | None = None) -> Document:
    """A copy in which one field is something else; None takes it away. In the path ~ stands for a slash in a key."""
    changed = copy.deepcopy(OURS if document is None else document)
    at: t.Any = changed
    *parents, last = (step.replace("~", "/") for step in path.split("/"))
    for step in parents:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is None and not isinstance(at, list):
        at.pop(last)
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return changed


# What KServe's webhook and the API server make of our rendering, and others add.
SAME: list[tuple[str, t.Any]] = [
    ("metadata/annotations/serving.kserve.io~deploymentMode", "Serverless"),
    ("metadata/annotations/modelFormat", "triton"),
    ("metadata/labels/of-others", "x"),
    ("metadata/resourceVersion", "7"),
    ("status", {"url": "http://x"}),
    ("spec/predictor/model/name", ""),
    ("spec/predictor/model/runtime", "kserve-tritonserver"),
    ("spec/predictor/automountServiceAccountToken", False),
    ("spec/predictor/model/resources/requests/cpu", "1000m"),
    ("spec/predictor/model/resources/requests/memory", "1024Mi"),
    ("spec/predictor/model/resources/limits/memory", "2Gi"),
    ("spec/predictor/model/env", [{"name": "OTHER", "value": "x"}, {"name": "B"}, {"name": "A", "value": "1"}]),
    ("spec/predictor/tolerations", [{"key": "gpu", "operator": "Exists"}]),
]
DIFFERENT: list[tuple[str, t.Any, str]] = [
    (
        "metadata/annotations/serving.kserve.io~deploymentMode",
        "Standard",
        "metadata.annotations.serving.kserve.io/deploymentMode",
    ),
    (
        "metadata/annotations/serving.kserve.io~deploymentMode",
        None,
        "metadata.annotations.serving.kserve.io/deploymentMode",
    ),
    ("metadata/labels/team", "b", "metadata.labels.team"),
    ("metadata/labels/team", None, "metadata.labels.team"),
    ("spec/predictor/minReplicas", 2, "spec.predictor.minReplicas"),
    ("spec/predictor/minReplicas", None, "spec.predictor.minReplicas"),
    ("spec/predictor/canaryTrafficPercent", 20, "spec.predictor.canaryTrafficPercent"),
    ("spec/predictor/model/storageUri", "s3://other/", "spec.predictor.model.storageUri"),
    ("spec/predictor/model/resources/requests/cpu", "500m", "spec.predictor.model.resources.requests.cpu"),
    ("spec/predictor/model/resources/limits", None, "spec.predictor.model.resources.limits.cpu"),
    ("spec/predictor/model/env/0/value", "2", "spec.predictor.model.env.A.value"),
    ("spec/predictor/model/env", [{"name": "B"}], "spec.predictor.model.env.A"),
    ("spec/predictor/model/args", ["--y", "--x"], "spec.predictor.model.args.0"),
    ("spec/predictor/model/args", ["--x"], "spec.predictor.model.args"),
    ("spec/predictor/model/args", None, "spec.predictor.model.args"),
    ("spec/predictor/tolerations/0/operator", "Equal", "spec.predictor.tolerations.0.operator"),
]


@pytest.mark.parametrize(("path", "value"), SAME)
def test_same(path: str, value: t.Any) -> None:
    assert differences(OURS, change(path, value), OURS) == []


@pytest.mark.parametrize(("path", "value", "told"), DIFFERENT)
def test_different(path: str, value: t.Any, told: str) -> None:
    assert told in differences(OURS, change(path, value))


def test_nothing_differs_from_itself() -> None:
    assert differences(OURS, OURS) == []
    assert differences(OURS, OURS, OURS) == []


def test_nothing_is_there() -> None:
    assert "spec.predictor.model.storageUri" in differences(OURS, {})


@pytest.mark.parametrize("live", [50, "50", "50.0", "50000m"])
def test_targets_of_metrics_are_quantities(live: t.Any) -> None:
    ours = rendered(autoscaling={"keda": True, "metrics": [METRIC]}).manifest
    path = "spec/predictor/autoScaling/metrics/0/external/target/value"
    assert differences(ours, change(path, live, ours)) == []
    assert differences(ours, change(path, "51", ours)) == [path.replace("/", ".")]


def test_an_empty_label_is_not_the_same_as_none() -> None:
    ours = rendered(runtime_config={"labels": {"empty": ""}}).manifest
    assert differences(ours, change("metadata/labels/empty", None, ours)) == ["metadata.labels.empty"]


class TestCleared:
    LEAN = rendered(runtime_config={"env": {"B": ""}}).manifest

    def test_what_we_rendered_before_must_be_gone(self) -> None:
        assert differences(self.LEAN, change("spec/predictor/minReplicas", None, OURS), OURS) == [
            "metadata.annotations.mlops.platform/template",
            "metadata.labels.team",
            "spec.predictor.canaryTrafficPercent",
            "spec.predictor.model.args",
            "spec.predictor.model.env.A",
            "spec.predictor.model.resources.limits.cpu",
            "spec.predictor.model.resources.limits.memory",
            "spec.predictor.model.resources.requests.cpu",
            "spec.predictor.model.resources.requests.memory",
            "spec.predictor.tolerations",
        ]

    def test_is_no_difference_once_it_is_gone(self) -> None:
        assert differences(self.LEAN, self.LEAN, OURS) == []

    def test_what_others_set_may_stay(self) -> None:
        live = copy.deepcopy(self.LEAN)
        live["spec"]["predictor"]["logger"] = {"mode": "all"}
        assert differences(self.LEAN, live, OURS) == []


class TestPercent:
    def test_is_no_part_of_the_template(self) -> None:
        live = with_percent(OURS, 50)
        assert differences(OURS, live, OURS) == ["spec.predictor.canaryTrafficPercent"]
        assert template_differences(OURS, live, OURS) == []
        assert template_differences(OURS, live) == []

    @pytest.mark.parametrize("percent", [0, 50, None])
    def test_with_another_one(self, percent: int | None) -> None:
        before = copy.deepcopy(OURS)
        changed = with_percent(OURS, percent)
        assert share(changed) == percent
        changed["spec"]["predictor"]["timeout"] = 1
        assert before == OURS

    def test_without_one(self) -> None:
        assert "canaryTrafficPercent" not in without_percent(OURS)["spec"]["predictor"]
        assert without_percent({"metadata": {}}) == {"metadata": {}, "spec": {"predictor": {}}}


class TestCombined:
    def test_has_the_fields_of_all(self) -> None:
        one = rendered(runtime_config={"env": {"A": "1", "C": "1"}, "timeout": 60}).manifest
        other = rendered(
            artifact_uri="s3://other/", runtime_config={"env": {"B": "2", "C": "2"}}, autoscaling={"minReplicas": 1}
        ).manifest
        both = combined(one, other)
        assert both is not None
        predictor = both["spec"]["predictor"]
        assert (predictor["timeout"], predictor["minReplicas"]) == (60, 1)
        assert predictor["model"]["storageUri"] == "s3://other/"
        assert {item["name"]: item["value"] for item in predictor["model"]["env"]} == {"A": "1", "B": "2", "C": "2"}

    def test_of_nothing(self) -> None:
        assert combined() is None
        assert combined(None, None) is None
        assert combined(None, OURS, None) == OURS
