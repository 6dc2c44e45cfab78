# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From Kubernetes alone to a served request, and back to Kubernetes alone, by the collection's playbooks."""

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

import pytest

from tools.cluster.access import Access, Space, make_space

from .desk import Desk
from .installation import ROOT, Installation, Shown

pytestmark = pytest.mark.groups("kserve", "triton", "keda", "kyverno")

TENANT = {"mlops-saas.io/tenant": "true"}
TRITON = {"modelFormat": "triton", "runtimeVersion": "24.08-py3"}
ANSWER = {"OUTPUT0": [11.0, 22.0], "OUTPUT1": [9.0, 18.0], "model_version": "1"}

# Kourier's Service is not among its documents.
ISTIO = {"knative_serving_ingress": "istio", "knative_serving_patches": []}

# Where a run is killed: what its task had just written. One of each role with `make soak-install`, some of them else.
KILLS = {
    "cert_manager": "/apis/apps/v1/namespaces/cert-manager/deployments/cert-manager-webhook",
    "knative_serving": "/apis/apps/v1/namespaces/knative-serving/deployments/webhook",
    "keda": "/apis/apps/v1/namespaces/keda/deployments/keda-operator",
    "kserve": "/api/v1/namespaces/kserve/configmaps/inferenceservice-config",
    "kyverno": "/apis/apps/v1/namespaces/kyverno/deployments/kyverno-admission-controller",
}
LONG = os.environ.get("MLOPS_INSTALL_SOAK") == "true"
CHOSEN = list(KILLS) if LONG else ["kserve"]


@pytest.fixture
def installation(bare_cluster: Access, tmp_path: Path) -> Installation:
    return Installation(bare_cluster, tmp_path)


@contextlib.contextmanager
def deployed(installation: Installation, database: str, space: Space, **modes: str) -> t.Iterator[Desk]:
    """Endpoints by name, each in its mode, that the deploy playbook has brought to serve."""
    installation.models()
    with Desk(installation.cluster, space, database) as desk:
        desk.version(1, space.storage_uri)
        common = {
            "model": "add_sub",
            "model_version": 1,
            "runtime": "kserve-triton",
            "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
        }
        endpoints = [
            {"name": name, **common, "runtime_config": {**TRITON, "deploymentMode": mode}}
            for name, mode in modes.items()
        ]
        desk.playbook("deploy", endpoints=endpoints)
        assert {name: desk.row(name)["status"] for name in modes} == dict.fromkeys(modes, "READY")
        yield desk


def told(mode: str, first: Shown, again: Shown) -> None:
    """Figures for whoever looks into .build/install-figures.txt."""
    line = f"{mode}: {first.seconds:.0f} s; second run {again.seconds:.1f} s, {again.tasks} tasks, {again.requests} requests"
    with (ROOT / ".build" / "install-figures.txt").open("a") as file:
        file.write(f"{line}\n")


def test_knative_mode_from_nothing_to_a_request_and_back(installation: Installation, database: str) -> None:
    before = installation.everything()
    looked = installation.play("install_kserve", "--check", kserve_mode="knative")
    assert looked.changed >= 4, "check mode says what would come"
    assert installation.everything() == before

    first = installation.play("install_kserve", kserve_mode="knative")
    again = installation.play("install_kserve", "-v", kserve_mode="knative")
    assert again.changed == 0, again.output
    assert installation.play("install_kserve", "--check", kserve_mode="knative").changed == 0
    told("knative", first, again)

    with installation.istio_definitions():
        istio = installation.play("install_kserve", "--check", "--diff", kserve_mode="knative", **ISTIO)
    # Knative's layer, and KServe's controller: it starts again where Istio's kinds have come.
    assert istio.changed == 2, istio.output
    assert "Deployment knative-serving/net-istio-controller" in istio.output

    space = make_space(installation.cluster, "models", TENANT)
    with deployed(installation, database, space, demo="Knative") as desk:
        assert desk.infer("demo") == ANSWER
        kept = installation.play("uninstall_kserve", fails=True)
        assert f"1 InferenceServices still serve: {desk.namespace.name}/" in kept.output
        assert desk.infer("demo") == ANSWER

        gone = installation.play("uninstall_kserve", uninstall_force=True, uninstall_crds=True)
        assert gone.changed >= 4
        desk.forget()
    after = installation.everything()
    assert {name: after[name] - before[name] for name in before} == {
        **{name: set() for name in before},
        "namespaces": {"models", "mlops-s3"},
    }
    assert installation.play("uninstall_kserve", uninstall_crds=True).changed == 0


def test_standard_mode_without_cert_manager_after_runs_that_were_killed(
    installation: Installation, database: str
) -> None:
    variables = {"kserve_mode": "standard", "kserve_certificates": "self_signed"}
    for role in CHOSEN:
        if role not in ("cert_manager", "knative_serving"):
            installation.kill("install_kserve", lambda role=role: installation.exists(KILLS[role]), **variables)
    # Its key for S3 is written by the role.
    metadata = {"name": "models", "labels": TENANT}
    installation.cluster.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    s3 = installation.s3("models")
    first = installation.play("install_kserve", **variables, kserve_s3=s3)
    assert first.changed > 0
    again = installation.play("install_kserve", "-v", **variables, kserve_s3=s3)
    assert again.changed == 0, again.output
    told("standard", first, again)
    assert not installation.exists("/api/v1/namespaces/knative-serving")
    assert not installation.exists("/api/v1/namespaces/cert-manager")

    with deployed(installation, database, Space("models"), plain="Standard") as desk:
        assert desk.infer_standard("plain") == ANSWER


@pytest.mark.long
def test_both_modes_after_runs_that_were_killed(installation: Installation, database: str) -> None:
    for role in CHOSEN:
        installation.kill("install_kserve", lambda role=role: installation.exists(KILLS[role]), kserve_mode="both")
    first = installation.play("install_kserve", kserve_mode="both")
    assert first.changed > 0
    again = installation.play("install_kserve", "-v", kserve_mode="both")
    assert again.changed == 0, again.output
    told("both", first, again)
    space = make_space(installation.cluster, "models", TENANT)
    with deployed(installation, database, space, demo="Knative", plain="Standard") as desk:
        assert desk.infer("demo") == ANSWER
        assert desk.infer_standard("plain") == ANSWER
