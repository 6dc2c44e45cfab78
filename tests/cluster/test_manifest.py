# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module manifest on a real API server: what it says it did is what is there."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading
import typing as t
import uuid
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import (
    APPLY_PATCH,
    MERGE_PATCH,
    KubernetesClient,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused

ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "tests" / "integration" / "run_module.py"
LAUNCH = f"import sys; sys.path.insert(0, {str(ROOT / '.build')!r}); import runpy; runpy.run_path({str(RUNNER)!r})"


class Bench:
    """A namespace and a group of custom resources of one's own, and a client that looks from outside."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = f"manifest-{uuid.uuid4().hex[:8]}"
        self.group = f"{self.namespace}.example.com"
        self.crd_name = f"widgets.{self.group}"
        self.client = KubernetesClient.connect({"kubeconfig": kubeconfig})

    def module(self, *, check: bool = False, fails: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        given = {"kubeconfig": self.kubeconfig, "timeout": 60, "_ansible_check_mode": check, "_ansible_diff": True}
        answer = subprocess.run(
            [sys.executable, "-c", LAUNCH, "manifest"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {**given, **arguments}}),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        try:
            result = json.loads(answer.stdout)
        except ValueError:
            raise AssertionError(f"no result:\n{answer.stdout}\n{answer.stderr}") from None
        assert bool(result.get("failed")) == fails, result.get("msg")
        return t.cast("dict[str, t.Any]", result)

    def get(self, path: str) -> t.Any:
        """The object, None where it or its namespace is not there."""
        try:
            return self.client.get(path, action="look")
        except Refused as refused:
            assert refused.field == "namespace"
            return None

    def config(self, name: str) -> t.Any:
        return self.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")

    def custom_namespace(self) -> dict[str, t.Any]:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}

    def config_map(self, name: str = "settings", **data: str) -> dict[str, t.Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace},
            "data": data,
        }

    def crd(self) -> dict[str, t.Any]:
        schema = {
            "type": "object",
            "properties": {
                "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd_name},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
                "versions": [version],
            },
        }

    def widget(self, name: str = "one", size: int = 1) -> dict[str, t.Any]:
        return {
            "apiVersion": f"{self.group}/v1",
            "kind": "Widget",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"size": size},
        }

    def deployment(self, image: str, replicas: int = 1) -> dict[str, t.Any]:
        labels = {"app": "late"}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "late", "namespace": self.namespace},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": image}]},
                },
            },
        }

    def actions(self, result: dict[str, t.Any]) -> dict[str, str]:
        return {f"{one['kind']}/{one['name']}": one["action"] for one in result["objects"]}

    def clean(self) -> None:
        crd = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{self.crd_name}"
        for path in (crd, f"/api/v1/namespaces/{self.namespace}"):
            with contextlib.suppress(Refused):
                self.client.request("DELETE", path, action="clean up", absent_ok=True)
        self.client.close()


@pytest.fixture
def bench(cluster: t.Any) -> t.Iterator[Bench]:
    one = Bench(str(cluster.kubeconfig))
    yield one
    one.clean()


def test_a_definition_and_its_resource_in_one_file_in_the_wrong_order(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    documents = [bench.widget(), bench.config_map(a="1"), bench.crd(), bench.custom_namespace()]
    file.write_text(yaml.safe_dump_all(documents))

    predicted = bench.module(src=[str(file)], check=True)
    assert predicted["counts"] == {"created": 4, "changed": 0, "unchanged": 0, "deleted": 0}
    assert bench.get(f"/api/v1/namespaces/{bench.namespace}") is None

    made = bench.module(src=[str(file)])
    assert made["counts"]["created"] == 4
    assert bench.config("settings")["data"] == {"a": "1"}

    again = bench.module(src=[str(file)])
    assert not again["changed"]
    assert again["counts"]["unchanged"] == 4
    assert "diff" not in again

    documents[0]["spec"]["size"] = 2
    documents[1]["data"] = {"b": "2"}
    file.write_text(yaml.safe_dump_all(documents))
    for check in (True, False):
        changed = bench.module(src=[str(file)], check=check)
        assert bench.actions(changed) == {
            "Widget/one": "changed",
            "ConfigMap/settings": "changed",
            f"CustomResourceDefinition/{bench.crd_name}": "unchanged",
            f"Namespace/{bench.namespace}": "unchanged",
        }
        shown = {one["before_header"]: one for one in changed["diff"]}
        assert shown[f"ConfigMap {bench.namespace}/settings"]["after"]["data"] == {"b": "2"}
        assert bench.config("settings")["data"] == ({"a": "1"} if check else {"b": "2"})

    # Somebody else's status is no change of ours.
    bench.client.request(
        "PATCH",
        f"/apis/{bench.group}/v1/namespaces/{bench.namespace}/widgets/one/status",
        action="set a status",
        body={"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        content_type=MERGE_PATCH,
    )
    assert not bench.module(src=[str(file)])["changed"]


def test_another_managers_field_is_refused_and_taken_over_when_asked(bench: Bench) -> None:
    bench.module(definition=[bench.custom_namespace()])
    theirs = bench.config_map(a="theirs")
    bench.client.request(
        "PATCH",
        f"/api/v1/namespaces/{bench.namespace}/configmaps/settings",
        action="apply as another",
        query={"fieldManager": "argocd"},
        body=theirs,
        content_type=APPLY_PATCH,
    )
    for check in (True, False):
        refused = bench.module(definition=[bench.config_map(a="ours")], fails=True, check=check)
        assert refused["failure"]["code"] == "drift"
        assert "argocd" in refused["msg"]
        assert ".data.a" in refused["msg"]
        assert "force_conflicts" in refused["msg"]
        assert "(definition, document 1)" in refused["msg"]
    assert bench.config("settings")["data"] == {"a": "theirs"}
    assert bench.module(definition=[bench.config_map(a="ours")], force_conflicts=True)["counts"]["changed"] == 1
    assert bench.config("settings")["data"] == {"a": "ours"}


def test_a_deployment_that_never_gets_ready_says_why(bench: Bench) -> None:
    documents = [bench.custom_namespace(), bench.deployment("quay.io/nobody/nothing:none")]
    late = bench.module(definition=documents, timeout=12, fails=True)
    assert f"Deployment {bench.namespace}/late" in late["msg"]
    assert "is not ready after 12 s" in late["msg"]
    assert "0 of 1 pods are available" in late["msg"]
    assert "ErrImagePull" in late["msg"] or "ImagePullBackOff" in late["msg"]
    assert bench.actions(late)["Deployment/late"] == "created", "what was done is told in spite of the error"
    assert bench.module(definition=documents, wait=False)["changed"] is False
    none = [bench.custom_namespace(), bench.deployment("quay.io/nobody/nothing:none", replicas=0)]
    assert bench.module(definition=none)["counts"]["changed"] == 1, "no pod is wanted, so it is ready"


def test_a_ready_condition_is_waited_for(bench: Bench) -> None:
    bench.module(definition=[bench.custom_namespace(), bench.crd(), bench.widget()])
    bench.client.request(
        "PATCH",
        f"/apis/{bench.group}/v1/namespaces/{bench.namespace}/widgets/one/status",
        action="set a status",
        body={"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Tired", "message": "asleep"}]}},
        content_type=MERGE_PATCH,
    )
    late = bench.module(definition=[bench.widget()], timeout=2, fails=True)
    assert "Ready is False (Tired: asleep)" in late["msg"]


def test_removal(bench: Bench) -> None:
    documents = [bench.custom_namespace(), bench.crd(), bench.config_map(a="1"), bench.widget()]
    bench.module(definition=[*documents, bench.widget("other")])
    crd = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{bench.crd_name}"

    refused = bench.module(definition=documents, state="absent", delete_crds=True, fails=True)
    assert f"Widget {bench.namespace}/other" in refused["msg"]
    assert bench.config("settings") is not None

    predicted = bench.module(definition=documents, state="absent", check=True)
    assert predicted["counts"] == {"created": 0, "changed": 0, "unchanged": 1, "deleted": 3}
    assert bench.config("settings") is not None

    gone = bench.module(definition=documents, state="absent", delete_crds=True, force=True)
    assert gone["counts"]["deleted"] == 5
    assert bench.get(crd) is None
    assert bench.get(f"/api/v1/namespaces/{bench.namespace}") is None
    assert not bench.module(definition=documents, state="absent", delete_crds=True)["changed"]


def test_errors_come_before_anything_is_written(bench: Bench, tmp_path: Path) -> None:
    unplaced = bench.config_map(a="1")
    del unplaced["metadata"]["namespace"]
    for documents, words in (
        ([bench.custom_namespace(), unplaced], "metadata.namespace: is missing in ConfigMap settings"),
        ([bench.custom_namespace(), {"kind": "ConfigMap"}], "apiVersion: definition, document 2 does not say it"),
    ):
        assert words in bench.module(definition=documents, fails=True)["msg"]
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(bench.custom_namespace()))
    wrong = bench.module(src=[str(file)], checksum={str(file): "0" * 64}, fails=True)
    assert "has the checksum sha256:" in wrong["msg"]
    assert bench.get(f"/api/v1/namespaces/{bench.namespace}") is None
    nowhere = bench.module(definition=[bench.config_map(a="1")], fails=True)
    assert f"kubectl create namespace {bench.namespace}" in nowhere["msg"]


def test_a_secret_is_nowhere_to_be_read(bench: Bench) -> None:
    def secret(value: str) -> dict[str, t.Any]:
        return {**bench.config_map("keys"), "kind": "Secret", "stringData": {"token": value}, "data": {}}

    bench.module(definition=[bench.custom_namespace(), secret("first-and-hidden")])
    result = bench.module(definition=[secret("second-and-hidden")])
    assert result["counts"]["changed"] == 1
    assert "hidden" not in json.dumps(result)
    assert "c2Vjb25kLWFuZC1oaWRkZW4" not in json.dumps(result)
    assert "another value" in json.dumps(result["diff"])


def test_an_address_with_images_patches_and_exclusion(bench: Bench, tmp_path: Path) -> None:
    documents = [bench.custom_namespace(), bench.config_map("left-out"), bench.deployment("pause:1", replicas=0)]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(documents))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        given: dict[str, t.Any] = {
            "images": {"docker.io": "registry.example.com/hub"},
            "exclude": [{"kind": "ConfigMap"}],
            "patches": [{"target": {"kind": "Deployment"}, "patch": {"metadata": {"labels": {"a": "b"}}}}],
        }
        made = bench.module(src=[f"{address}/all.yaml"], **given)
        missing = bench.module(src=[f"{address}/other.yaml"], fails=True)
        server.shutdown()
    assert bench.actions(made) == {f"Namespace/{bench.namespace}": "created", "Deployment/late": "created"}
    live = bench.get(f"/apis/apps/v1/namespaces/{bench.namespace}/deployments/late")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/hub/library/pause:1"
    assert live["metadata"]["labels"] == {"a": "b"}
    assert "answers 404" in missing["msg"]
    away = bench.module(src=[f"{address}/all.yaml"], check=True)
    assert away["unread"] == [f"{address}/all.yaml"]
    assert away["changed"]


def test_a_probe_waits_for_the_webhook_in_its_way(bench: Bench) -> None:
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": bench.namespace},
        "webhooks": [
            {
                "name": f"widgets.{bench.group}",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 1,
                "clientConfig": {"url": "https://127.0.0.1:9/nobody"},
                "rules": [
                    {"apiGroups": [bench.group], "apiVersions": ["v1"], "operations": ["*"], "resources": ["widgets"]}
                ],
            }
        ],
    }
    given = [bench.custom_namespace(), bench.crd()]
    bench.module(definition=given, probe=[bench.widget()])
    try:
        late = bench.module(definition=[*given, hook], probe=[bench.widget()], timeout=3, fails=True)
        assert "admission does not answer for the probe" in late["msg"]
        assert "failed calling webhook" in late["msg"]
    finally:
        bench.module(definition=[hook], state="absent")
    assert bench.get(f"/apis/{bench.group}/v1/namespaces/{bench.namespace}/widgets/one") is None
