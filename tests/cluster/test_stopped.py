# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that are stopped by their rows and started again: no pod and no address meanwhile, and the same answers after it."""

from __future__ import annotations

import typing as t

import pytest

from .desk import Desk

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

MODES = {"one": "Knative", "two": "Standard"}
ANSWER = {"OUTPUT0": [11.0, 22.0], "OUTPUT1": [9.0, 18.0], "model_version": "1"}


@pytest.fixture
def desk(cluster: t.Any, namespace: t.Any, database: str) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        yield desk


def endpoints() -> list[dict[str, t.Any]]:
    common = {
        "model": "add_sub",
        "model_version": 1,
        "runtime": "kserve-triton",
        "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
    }
    config = {"modelFormat": "triton", "runtimeVersion": "24.08-py3"}
    return [{"name": name, **common, "runtime_config": {**config, "deploymentMode": MODES[name]}} for name in MODES]


def reconciled(desk: Desk, *, stopped: bool) -> dict[str, str]:
    """Status by endpoint, after their rows say so."""
    told = "true" if stopped else "false"
    desk.sql(f"""update endpoints set runtime_config = runtime_config || '{{"stopped": {told}}}'""")
    return {found["name"]: found["status"] for found in desk.module("reconcile")["endpoints"]}


def pods(desk: Desk) -> list[str]:
    found = desk.cluster.kube.items(f"/api/v1/namespaces/{desk.namespace.name}/pods")
    return [pod["metadata"]["name"] for pod in found]


def test_stopped_and_started_in_both_modes(desk: Desk) -> None:
    desk.version(1, desk.namespace.storage_uri)
    desk.playbook("deploy", endpoints=endpoints())
    assert len(pods(desk)) == 2

    assert reconciled(desk, stopped=True) == dict.fromkeys(MODES, "STOPPED")
    assert pods(desk) == []
    for name in MODES:
        row, service = desk.row(name), desk.service(name)
        assert (row["status"], row["url"], row["last_error"]) == ("STOPPED", None, None)
        assert service is not None
        assert "url" not in service["status"]

    assert reconciled(desk, stopped=False) == dict.fromkeys(MODES, "READY")
    assert desk.infer("one") == ANSWER
    assert desk.infer_standard("two") == ANSWER
    assert desk.shares("one") == {f"{desk.row('one')['service']}-predictor-00001": 100}
