# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter inferenceservice: the renderer, for people who have neither a database nor a cluster."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.serving.plugins.filter import inferenceservice as plugin
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import Target, render
from ansible_collections.mlops.serving.tests.unit.domain.samples import ID, intent

inferenceservice = plugin.FilterModule().filters()["inferenceservice"]
MODE = "serving.kserve.io/deploymentMode"


def row(**fields: t.Any) -> dict[str, t.Any]:
    defaults = {
        "id": ID,
        "name": "demo",
        "tenant_id": "acme",
        "project_id": "vision",
        "runtime": "kserve-triton",
        "artifact_uri": "s3://models/good/",
    }
    return {**defaults, **fields}


def test_gives_what_the_modules_deploy() -> None:
    assert inferenceservice(row()) == render(intent(), Target("mlops-serving", "isvc-7d4f0a52")).manifest


def test_example_of_the_documentation() -> None:
    (task,) = yaml.safe_load(plugin.EXAMPLES)
    found = inferenceservice(task["vars"]["endpoint"], namespace="models")
    assert found["metadata"]["namespace"] == "models"


@pytest.mark.parametrize(
    ("options", "name", "namespace"),
    [
        ({}, "isvc-7d4f0a52", "mlops-serving"),
        ({"name": "demo"}, "demo", "mlops-serving"),
        ({"name_prefix": "m"}, "m-7d4f0a52", "mlops-serving"),
        ({"namespace": "tenant-{tenant_id}"}, "isvc-7d4f0a52", "tenant-acme"),
    ],
)
def test_names(options: dict[str, str], name: str, namespace: str) -> None:
    metadata = inferenceservice(row(), **options)["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (name, namespace)


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "Knative"),
        ({"default_mode": "Standard"}, "Standard"),
        ({"default_mode": "standard"}, "Standard"),
        ({"default_mode": "RawDeployment"}, "Standard"),
        ({"kserve_version": "v0.15.2"}, "Serverless"),
    ],
)
def test_modes(options: dict[str, t.Any], mode: str) -> None:
    assert inferenceservice(row(), **options)["metadata"]["annotations"][MODE] == mode


def test_unknown_keys_are_errors_unless_told_otherwise() -> None:
    wild = row(runtime_config={"replicas": 3})
    with pytest.raises(AnsibleFilterError, match=r"endpoint demo: runtime_config.replicas = 3: is not a key"):
        inferenceservice(wild)
    assert inferenceservice(wild, strict=False) == inferenceservice(row())


@pytest.mark.parametrize(
    ("endpoint", "options", "words"),
    [
        (None, {}, "give an endpoint as a mapping with at least id and name"),
        ([], {}, "give an endpoint as a mapping with at least id and name"),
        ({"name": "demo"}, {}, "give an endpoint as a mapping with at least id and name"),
        (row(name=""), {}, "give an endpoint as a mapping with at least id and name"),
        (row(artifact_uri=None), {}, "endpoint demo: model_version_id: the endpoint names no model version"),
        (row(artifact_uri=7), {}, "is not an address that KServe can fetch"),
        (
            row(traffic={"canary_percent": 150}),
            {},
            "endpoint demo: traffic.canaryTrafficPercent = 150: is out of range",
        ),
        (row(), {"namespace": "{slug}"}, "endpoint demo: namespace = '{slug}': names the column slug"),
        (row(), {"name": "No_name"}, "endpoint demo: name = 'No_name': is not a name that KServe accepts"),
        (row(id="not an id"), {}, "endpoint demo: name = 'isvc-not an i': is not a name"),
        (row(), {"kserve_version": "latest"}, "kserve_version = 'latest': is not a version"),
        (
            row(),
            {"kserve_version": 0.20},
            "kserve_version = 0.2: is not a version. Write one such as 0.20.0, in quotes",
        ),
        (row(), {"kserve_version": "0.16.0"}, "KServe 0.16 cannot update"),
        (row(), {"default_mode": "ModelMesh"}, "default_mode = 'ModelMesh': is not a deployment mode"),
    ],
)
def test_bad_input(endpoint: t.Any, options: dict[str, t.Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        inferenceservice(endpoint, **options)
    assert str(caught.value).startswith("mlops.serving.inferenceservice: ")
    assert words in str(caught.value)


def test_its_argument_stays_as_it_was() -> None:
    given = row(runtime_config={"resources": {"limits": {"cpu": "2000m"}}, "gpu": True})
    before = yaml.safe_dump(given)
    inferenceservice(given)
    assert yaml.safe_dump(given) == before
