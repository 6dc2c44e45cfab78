# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a folder of models to answers through Envoy: published, registered, deployed, and a second version as a canary."""

from __future__ import annotations

import typing as t

import pytest

from tools.cluster import serving

from .desk import PROJECT, ROOT, TENANT, Desk

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

ACCOUNT = "model-reader"
DEPLOYED = {
    "name": "demo",
    "model": "add_sub",
    "runtime": "kserve-triton",
    "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
    "runtime_config": {
        "modelFormat": "triton",
        "runtimeVersion": "24.08-py3",
        "deploymentMode": "Knative",
        "serviceAccountName": ACCOUNT,
    },
}


@pytest.fixture
def desk(cluster: t.Any, namespace: t.Any, database: str) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        yield desk


def publish(desk: Desk, folder: str, version: int) -> str:
    """As the README has it: one playbook, which also makes the KServe side and the row."""
    service = desk.cluster.kube.get(f"/api/v1/namespaces/{serving.S3_NAMESPACE}/services/s3")
    return desk.playbook(
        "upload_triton",
        triton_repository_src=str(ROOT / "examples/triton/model-repository"),
        triton_repository_name="published",
        triton_repository_models=[{"name": "add_sub", "path": folder}],
        triton_repository_bucket=serving.BUCKET,
        triton_repository_endpoint_url=f"http://{service['spec']['clusterIP']}:{serving.S3_PORT}",
        triton_repository_region="us-east-1",
        triton_repository_access_key=serving.WRITER[0],
        triton_repository_secret_key=serving.WRITER[1],
        triton_repository_model_version={
            "model": "add_sub",
            "version": version,
            "tenant_id": TENANT,
            "project_id": PROJECT,
        },
        triton_repository_readers=[
            {
                "namespace": desk.namespace.name,
                "name": "models",
                "service_account": ACCOUNT,
                "endpoint": serving.S3_ENDPOINT,
                "access_key": serving.READER[0],
                "secret_key": serving.READER[1],
            }
        ],
    )


def test_from_a_folder_to_answers_and_a_canary(desk: Desk) -> None:
    output = publish(desk, "add_sub", 1)
    assert "storageUri: s3://mlops-artifacts/models/published/" in output
    for secret in (serving.WRITER[1], serving.READER[1]):
        assert secret not in output
    # As KServe 0.20 reads them: the storage initializer knows true and false here, and 0 and 1 elsewhere.
    secret = desk.cluster.kube.get(f"/api/v1/namespaces/{desk.namespace.name}/secrets/models")
    told = {name.rpartition("/")[2]: text for name, text in secret["metadata"]["annotations"].items()}
    assert told["s3-endpoint"] == serving.S3_ENDPOINT
    assert (told["s3-usehttps"], told["s3-usevirtualbucket"]) == ("0", "false")
    account = desk.cluster.kube.get(f"/api/v1/namespaces/{desk.namespace.name}/serviceaccounts/{ACCOUNT}")
    assert account["secrets"] == [{"name": "models"}]
    desk.playbook("deploy", endpoints=[{**DEPLOYED, "model_version": 1}])
    first = {"OUTPUT0": [11.0, 22.0], "OUTPUT1": [9.0, 18.0], "model_version": "1"}
    assert desk.infer("demo") == first

    again = publish(desk, "add_sub", 1)
    assert "changed=0" in again, again

    publish(desk, "add_sub_v2", 2)
    with desk.load("demo", rate=20) as load:
        desk.playbook("deploy", endpoints=[{**DEPLOYED, "model_version": 2, "traffic": {"canaryTrafficPercent": 20}}])
    assert load.failed == 0, load.errors
    assert sorted(desk.shares("demo").values()) == [20, 80]
    answered = {desk.infer("demo")["model_version"] for _time in range(60)}
    assert answered == {"1", "2"}
