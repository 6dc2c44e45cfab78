# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster adapter and its modules with KServe, Knative and a Triton that really serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

ROOT = Path(__file__).resolve().parents[2]
NAME = "adapter"


class Modules:
    """Runs the modules as ``ansible localhost -m`` does."""

    def __init__(self, cluster: t.Any, namespace: t.Any) -> None:
        self.namespace = namespace
        self.kserve = KServeCluster.connect({"kubeconfig": str(cluster.kubeconfig)})
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig),
            "KSERVE_NAMESPACE": namespace.name,
        }

    def run(self, module: str, *, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        command = [
            *(str(Path(sys.executable).parent / "ansible"), "localhost", "-m", f"mlops.serving.{module}"),
            *("-e", json.dumps({"ansible_python_interpreter": sys.executable}), "-a", json.dumps(arguments)),
            *(["--check"] if check else []),
        ]
        ran = subprocess.run(
            command, env=self._environment, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
        )
        # localhost | CHANGED => { ... }
        assert "SUCCESS => {" in ran.stdout or "CHANGED => {" in ran.stdout, ran.stdout + ran.stderr
        return t.cast(dict[str, t.Any], json.loads(ran.stdout.partition("=> ")[2]))

    def apply(self, storage_uri: str, *, check: bool = False, **predictor: t.Any) -> dict[str, t.Any]:
        return self.run(
            "inferenceservice", check=check, inferenceservices=[self.manifest(storage_uri, **predictor)], timeout=240
        )

    def manifest(self, storage_uri: str, **predictor: t.Any) -> dict[str, t.Any]:
        return {
            "metadata": {
                "name": NAME,
                "annotations": {
                    "serving.kserve.io/deploymentMode": "Knative",
                    "serving.kserve.io/enable-tag-routing": "true",
                },
            },
            "spec": {
                "predictor": {
                    "minReplicas": 1,
                    "maxReplicas": 1,
                    "model": {
                        "modelFormat": {"name": "triton"},
                        "runtimeVersion": "24.08-py3",
                        "storageUri": storage_uri,
                        "resources": {
                            "requests": {"cpu": "20m", "memory": "64Mi"},
                            "limits": {"cpu": "1", "memory": "512Mi"},
                        },
                    },
                    **predictor,
                }
            },
        }


@pytest.fixture
def modules(cluster: t.Any, namespace: t.Any) -> t.Iterator[Modules]:
    found = Modules(cluster, namespace)
    yield found
    found.kserve.delete(namespace.name, NAME)
    found.kserve.close()


def test_the_module_deploys_splits_promotes_and_removes(modules: Modules) -> None:
    space = modules.namespace
    predicted = modules.apply(space.storage_uri, check=True)
    assert predicted["changed"] is True
    assert modules.kserve.get(space.name, NAME) is None

    first = modules.apply(space.storage_uri)
    assert first["changed"] is True, first
    assert first["inferenceservices"][0]["ready"] is True
    # KServe's webhook has added protocolVersion and annotations: none of it is a change.
    again = modules.apply(space.storage_uri)
    assert (again["changed"], again["inferenceservices"][0]["writes"]) == (False, [])
    assert modules.apply(space.storage_uri, check=True)["changed"] is False

    canary = modules.apply(space.storage_uri_v2, canaryTrafficPercent=20)
    assert [write.partition(";")[0].partition(":")[0] for write in canary["inferenceservices"][0]["writes"]] == [
        "stage at 0 %",
        f"{NAME}-predictor-00002 is ready",
    ]
    info = modules.run("inferenceservice_info", namespaces=[space.name])["inferenceservices"][0]
    assert {target["revision"]: target["percent"] for target in info["traffic"]} == {
        f"{NAME}-predictor-00002": 20,
        f"{NAME}-predictor-00001": 80,
    }
    assert info["canary_traffic_percent"] == 20

    promoted = modules.apply(space.storage_uri_v2)
    assert promoted["inferenceservices"][0]["revisions"]["latest_rolled_out"] == f"{NAME}-predictor-00002"
    assert "canaryTrafficPercent" not in (modules.kserve.get(space.name, NAME) or {})["spec"]["predictor"]

    would = modules.run(
        "inferenceservice", check=True, state="absent", inferenceservices=[{"metadata": {"name": NAME}}]
    )
    assert would["changed"]
    kept = modules.kserve.get(space.name, NAME) or {"metadata": {"deletionTimestamp": "gone"}}
    assert "deletionTimestamp" not in kept["metadata"], "check mode deleted it"
    gone = modules.run(
        "inferenceservice", state="absent", inferenceservices=[{"metadata": {"name": NAME}}], timeout=120
    )
    assert gone["changed"] is True
    assert modules.kserve.get(space.name, NAME) is None
    assert (
        modules.run("inferenceservice", state="absent", inferenceservices=[{"metadata": {"name": NAME}}])["changed"]
        is False
    )


def applied_annotations(service: dict[str, t.Any]) -> dict[str, str]:
    """Those that the module wrote, without what KServe's webhook added."""
    return {key: value for key, value in service["metadata"]["annotations"].items() if key != "modelFormat"}


def test_taking_over_makes_no_revision(modules: Modules) -> None:
    space = modules.namespace
    modules.apply(space.storage_uri)
    before = modules.kserve.observe(space.name, NAME)
    live = modules.kserve.get(space.name, NAME) or {}
    for epoch in (1, 2, 3):
        modules.kserve.take(space.name, NAME, epoch)
        manifest = modules.manifest(space.storage_uri)
        manifest["metadata"].update(namespace=space.name, annotations=applied_annotations(live))
        manifest = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", **manifest}
        modules.kserve.apply(manifest, fence=epoch)
    after = modules.kserve.observe(space.name, NAME)
    assert (after.generation, after.latest_created) == (before.generation, before.latest_created)
    # Revisions are numbered: had one of the touches made a revision, the next change would not be the second.
    changed = modules.apply(space.storage_uri_v2)
    assert changed["inferenceservices"][0]["revisions"]["latest_created"] == f"{NAME}-predictor-00002"


def test_serving_info_reads_the_real_versions(modules: Modules) -> None:
    info = modules.run("serving_info", namespace=modules.namespace.name)
    assert (info["kubernetes"], info["kserve"], info["knative"]) == ("1.34.3", "0.20.0", "0.48.1")
    assert info["default_mode"] in ("Knative", "Standard")
    assert info["domain"] == "example.com"
    assert info["request_metrics"] is True
    assert info["gpus"] == {"allocatable": 0, "nodes": 0, "free": 0}
    assert info["missing_rights"] == []
    assert not {"kserve", "knative", "default_mode", "domain", "request_metrics"} & set(info["unread"])
