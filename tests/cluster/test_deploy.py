# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rows in Postgres to answers of a real Triton through Envoy, as a user runs it: playbooks and modules."""

from __future__ import annotations

import typing as t

import pytest

from .desk import Desk

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

KNATIVE = {"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Knative"}
STANDARD = {"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Standard"}
ONE = {"minReplicas": 1, "maxReplicas": 1}


@pytest.fixture
def desk(cluster: t.Any, namespace: t.Any, database: str) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        yield desk


def test_an_endpoint_in_knative_mode(desk: Desk) -> None:
    desk.version(1, desk.namespace.storage_uri)
    desk.version(2, desk.namespace.storage_uri_v2)
    desk.version(3, desk.namespace.storage_uri.replace("add_sub", "nothing-here"))
    demo = {
        "name": "demo",
        "model": "add_sub",
        "model_version": 1,
        "runtime": "kserve-triton",
        "autoscaling": ONE,
        "runtime_config": KNATIVE,
    }

    output = desk.playbook("deploy", endpoints=[demo])
    assert "READY" in output
    service = desk.row("demo")
    assert service["status"] == "READY"
    assert desk.infer("demo") == {"OUTPUT0": [11.0, 22.0], "OUTPUT1": [9.0, 18.0], "model_version": "1"}

    again = desk.module("reconcile", drift=True)
    assert not again["changed"]

    with desk.load("demo", rate=20) as load:
        desk.module("endpoint", name="demo", model_version=2)
        changed = desk.module("reconcile")
    assert changed["changed"]
    assert [write.split(";")[0] for write in changed["endpoints"][0]["writes"]][0] == "stage at 0 %"
    assert load.failed == 0, load.statuses
    assert desk.infer("demo")["model_version"] == "2"

    desk.module("endpoint", name="demo", model_version=3)
    failed = desk.module("reconcile", fails=True)
    assert failed["failed_endpoints"][0]["failure"]["endpoint"] == "demo"
    row = desk.row("demo")
    assert row["status"] == "READY"
    assert "No model found in triton/nothing-here/" in row["last_error"]
    assert desk.infer("demo")["model_version"] == "2"
    assert set(desk.shares("demo").values()) == {100}

    desk.module("endpoint", name="demo", model_version=1, traffic={"canaryTrafficPercent": 10})
    desk.module("reconcile")
    assert sorted(desk.shares("demo").values()) == [10, 90]
    desk.module("endpoint", name="demo", traffic={})
    desk.module("reconcile")
    assert desk.infer("demo")["model_version"] == "1"
    assert desk.row("demo")["last_error"] is None

    desk.module("endpoint", name="demo", state="absent")
    desk.module("reconcile")
    assert desk.row("demo")["status"] == "DELETED"
    assert desk.service("demo") is None


def test_an_endpoint_in_standard_mode(desk: Desk) -> None:
    desk.version(1, desk.namespace.storage_uri)
    desk.version(2, desk.namespace.storage_uri_v2)
    desk.module(
        "endpoint",
        name="plain",
        model="add_sub",
        model_version=1,
        runtime="kserve-triton",
        autoscaling=ONE,
        runtime_config=STANDARD,
    )
    desk.module("reconcile")
    assert desk.infer_standard("plain")["model_version"] == "1"
    desk.module("endpoint", name="plain", model_version=2)
    desk.module("reconcile")
    assert desk.infer_standard("plain")["model_version"] == "2"
    assert desk.row("plain")["status"] == "READY"


def test_a_row_changed_by_hand_ends_like_one_changed_by_the_module(desk: Desk) -> None:
    desk.version(1, desk.namespace.storage_uri)
    desk.version(2, desk.namespace.storage_uri_v2)
    same = {
        "model": "add_sub",
        "model_version": 1,
        "runtime": "kserve-triton",
        "autoscaling": {"minReplicas": 0},
        "runtime_config": KNATIVE,
    }
    desk.module("endpoint", endpoints=[{"name": name, **same} for name in ("by-module", "by-hand")])
    desk.module("reconcile")

    desk.module("endpoint", name="by-module", model_version=2, runtime_config={**KNATIVE, "env": {"RELEASE": "2"}})
    desk.sql(
        'update endpoints e set model_version_id = v.id, runtime_config = e.runtime_config || \'{"env": {"RELEASE": "2"}}\''
        " from model_versions v where e.name = 'by-hand' and v.version = 2"
    )
    desk.module("reconcile")
    hand, module = desk.service("by-hand"), desk.service("by-module")
    assert hand is not None
    assert module is not None
    assert hand["spec"] == module["spec"]
    assert hand["spec"]["predictor"]["model"]["env"] == [{"name": "RELEASE", "value": "2"}]
    # The digest differs because the endpoint's id is among the labels.
    annotations = [dict(service["metadata"]["annotations"]) for service in (hand, module)]
    assert all(found.pop("mlops.platform/template") for found in annotations)
    assert annotations[0] == annotations[1]
    for name in ("by-hand", "by-module"):
        assert desk.row(name)["status"] == "READY"


def test_check_mode_asks_the_api_server_and_writes_nothing(desk: Desk) -> None:
    desk.version(1, desk.namespace.storage_uri)
    desk.module(
        "endpoint",
        name="demo",
        model="add_sub",
        model_version=1,
        runtime="kserve-triton",
        autoscaling=ONE,
        runtime_config=KNATIVE,
    )
    would = desk.module("reconcile", check=True)
    assert would["changed"]
    assert would["endpoints"][0]["writes"] == ["first deployment"]
    assert desk.service("demo") is None
    assert desk.row("demo")["status"] == "CREATING"
