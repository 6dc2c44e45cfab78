# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying and removing over a cluster of dictionaries: order, second tries, races, predictions, removal."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.objects import NotYet, Place
from ansible_collections.mlops.serving.plugins.module_utils._domain.documents import Item, Key, collect
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Drift,
    InvalidIntent,
    Refused,
    StaleWrite,
    Unavailable,
)
from ansible_collections.mlops.serving.plugins.module_utils._engine import manifest_apply, manifest_run
from ansible_collections.mlops.serving.plugins.module_utils._engine.manifest_apply import Appliance
from ansible_collections.mlops.serving.plugins.module_utils._engine.manifest_config import Config, with_config
from ansible_collections.mlops.serving.plugins.module_utils._engine.manifest_removal import Removal
from ansible_collections.mlops.serving.plugins.module_utils._engine.manifest_run import Settings

BUILT_IN = ("Namespace", "ConfigMap", "CustomResourceDefinition", "Deployment", "ValidatingWebhookConfiguration")
CLUSTER_SCOPED = ("Namespace", "CustomResourceDefinition", "ValidatingWebhookConfiguration")
WEBHOOK = Unavailable('Internal error occurred: failed calling webhook "h"')


class Cluster:
    """``errors[kind]`` are raised one after the other by writes of that kind."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.live: dict[Key, dict[str, Any]] = {}
        self.errors: dict[str, list[Exception]] = {}
        self.log: list[str] = []
        self.groups: set[str] = set()

    def place(self, _api_version: str, kind: str) -> Place | None:
        known = kind in BUILT_IN or any(key[1] == "CustomResourceDefinition" for key in self.live)
        return Place("", kind, kind not in CLUSTER_SCOPED) if known else None

    def get(self, item: Item) -> dict[str, Any] | None:
        return copy.deepcopy(self.live.get(item.key))

    def apply(
        self, item: Item, live: Any, *, manager: str, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        with self.lock:
            if self.place(item.api_version, item.kind) is None:
                raise NotYet(f"cannot apply {item}: kind")
            if self.errors.get(item.kind):
                raise self.errors[item.kind].pop(0)
            if item.namespace and ("", "Namespace", "", item.namespace) not in self.live:
                raise Refused("namespace not found", field="namespace")
            made = copy.deepcopy(item.document)
            if item.kind == "CustomResourceDefinition":
                made["status"] = {
                    "conditions": [{"type": name, "status": "True"} for name in ("NamesAccepted", "Established")]
                }
            if not dry_run:
                self.log.append(item.kind)
                self.live[item.key] = made
            return made

    def delete(self, item: Item, _live: Any, *, dry_run: bool = False) -> None:
        with self.lock:
            if not dry_run:
                self.log.append(item.kind)
                del self.live[item.key]

    def instances(self, _definition: Any) -> list[dict[str, Any]]:
        return [document for key, document in self.live.items() if key[1] == "Widget"]

    def all_of(self, _api_version: str, kind: str) -> list[dict[str, Any]]:
        return [document for key, document in self.live.items() if key[1] == kind]

    def has_group(self, group: str) -> bool:
        return group in self.groups

    def pods(self, _namespace: str, _selector: str) -> list[dict[str, Any]]:
        return [{"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted"}}]

    def events(self, _namespace: str) -> list[dict[str, Any]]:
        return []


def document(kind: str, api: str = "v1", namespace: str | None = "n", name: str = "a", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


SPACE = document("Namespace", namespace=None, name="n")
CRD = document(
    "CustomResourceDefinition",
    "apiextensions.k8s.io/v1",
    None,
    spec={"group": "example.com", "names": {"kind": "Widget"}, "scope": "Namespaced"},
)
CONFIG = document("ConfigMap", data={"a": "1"})
WIDGET = document("Widget", "example.com/v1", status_like=1)
ALL = [WIDGET, CONFIG, CRD, SPACE]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_run, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(manifest_apply, "_GRACE_SECONDS", 0.0)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def appliance(cluster: Any, *documents: dict[str, Any], **settings: Any) -> Appliance:
    return Appliance(cluster, collect("f", documents), Settings(**{"timeout": 5.0, **settings}))


def actions(run: Any) -> dict[str, str]:
    return {outcome.item.kind: outcome.action for outcome in run.outcomes}


def test_order_and_true_changes(cluster: Cluster) -> None:
    run = appliance(cluster, *ALL)
    run.run()
    assert cluster.log == ["Namespace", "CustomResourceDefinition", "ConfigMap", "Widget"]
    assert set(actions(run).values()) == {"created"}
    again = appliance(cluster, WIDGET, {**CONFIG, "data": {"a": "2"}}, CRD, SPACE)
    again.run()
    assert actions(again) == {
        "Widget": "unchanged",
        "ConfigMap": "changed",
        "CustomResourceDefinition": "unchanged",
        "Namespace": "unchanged",
    }


def test_what_a_webhook_stands_before_is_tried_again_and_holds_up_nothing_else(cluster: Cluster) -> None:
    cluster.errors["ConfigMap"] = [WEBHOOK, WEBHOOK]
    cluster.errors["Widget"] = [WEBHOOK, Unavailable("HTTP 404"), StaleWrite("in between")]
    appliance(cluster, *ALL, document("Deployment", "apps/v1"), wait=False).run()
    assert cluster.log == ["Namespace", "CustomResourceDefinition", "Deployment", "ConfigMap", "Widget"]


def test_the_time_for_second_tries_ends(cluster: Cluster) -> None:
    cluster.errors["Widget"] = [WEBHOOK] * 10000
    run = appliance(cluster, *ALL, timeout=0.05)
    with pytest.raises(Unavailable, match="failed calling webhook"):
        run.run()
    assert actions(run)["Widget"] is None
    assert actions(run)["ConfigMap"] == "created"


def test_a_refusal_is_final_and_the_others_of_its_stage_are_done(cluster: Cluster) -> None:
    cluster.errors["ConfigMap"] = [Refused("denied")]
    run = appliance(cluster, *ALL, document("Secret"), document("Deployment", "apps/v1"))
    with pytest.raises(Refused, match="denied"):
        run.run()
    assert actions(run)["Deployment"] is None


def test_check_mode_before_anything_exists(cluster: Cluster) -> None:
    run = appliance(cluster, *ALL, check=True)
    run.run()
    assert set(actions(run).values()) == {"created"}
    assert cluster.log == []
    assert run.warnings == []
    lonely = appliance(cluster, WIDGET, check=True)
    lonely.run()
    assert "no document here defines it" in lonely.warnings[0]


def test_check_mode_does_not_judge_a_resource_by_the_earlier_schema(cluster: Cluster) -> None:
    appliance(cluster, *ALL).run()
    cluster.errors["Widget"] = [Refused("field not declared in schema")]
    newer = {**CRD, "spec": {**CRD["spec"], "versions": ["more"]}}
    run = appliance(cluster, WIDGET, newer, check=True)
    run.run()
    assert actions(run) == {"Widget": "changed", "CustomResourceDefinition": "changed"}
    cluster.errors["Widget"] = [Refused("field not declared in schema")]
    with pytest.raises(Refused):
        appliance(cluster, WIDGET, CRD, check=True).run()


def test_late_says_why(cluster: Cluster) -> None:
    deployment = document("Deployment", "apps/v1", spec={"selector": {"matchLabels": {"a": "b"}}})
    run = appliance(cluster, SPACE, deployment, timeout=0.05)
    with pytest.raises(Unavailable) as caught:
        run.run()
    assert "Deployment n/a (f, document 2) is not ready after 0.05 s: its controller has not seen it yet" in str(
        caught.value
    )
    assert "pod p: Evicted" in str(caught.value)


def test_a_probe_is_answered_by_a_refusal_too(cluster: Cluster) -> None:
    appliance(cluster, *ALL).run()
    cluster.log.clear()
    cluster.errors["Widget"] = [WEBHOOK, WEBHOOK, Refused("denied the request")]
    probe = collect("probe", [WIDGET])
    appliance(cluster, SPACE).run(probe)
    assert cluster.errors["Widget"] == []
    assert cluster.log == ["Namespace"]
    cluster.errors["Widget"] = [WEBHOOK] * 10000
    with pytest.raises(Unavailable, match="admission does not answer for the probe Widget n/a"):
        appliance(cluster, SPACE, timeout=0.05).run(probe)


def removal(cluster: Any, *documents: dict[str, Any], **settings: Any) -> Removal:
    return Removal(cluster, collect("f", documents), Settings(**{"timeout": 5.0, **settings}))


def test_removal_is_the_other_way_round_and_keeps_definitions(cluster: Cluster) -> None:
    appliance(cluster, *ALL).run()
    cluster.log.clear()
    checked = removal(cluster, *ALL, check=True)
    checked.run()
    assert cluster.log == []
    run = removal(cluster, *ALL)
    run.run()
    assert actions(run) == actions(checked)
    assert cluster.log == ["Widget", "ConfigMap", "Namespace"]
    assert actions(run)["CustomResourceDefinition"] == "unchanged"
    again = removal(cluster, *ALL)
    again.run()
    assert set(actions(again).values()) == {"unchanged"}


def test_a_definition_in_use_stays_unless_forced(cluster: Cluster) -> None:
    other = {**WIDGET, "metadata": {"name": "other", "namespace": "n"}}
    appliance(cluster, *ALL, other).run()
    cluster.log.clear()
    with pytest.raises(Refused, match=r"cannot go: 1 others need them \(Widget n/other\)"):
        removal(cluster, *ALL, delete_crds=True).run()
    assert cluster.log == []
    removal(cluster, *ALL, delete_crds=True).run(force=True)
    assert cluster.log == ["Widget", "Widget", "ConfigMap", "CustomResourceDefinition", "Namespace"]


def test_a_namespace_that_a_document_names_in_vain_does_not_make_its_object_anothers(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of kinds without namespaces come back without one, whatever was applied."""

    def bare(found: Any) -> Any:
        return found and {**found, "metadata": {**found["metadata"], "namespace": None}}

    appliance(cluster, *ALL).run()
    get, instances = cluster.get, cluster.instances
    monkeypatch.setattr(cluster, "get", lambda item: bare(get(item)) if item.kind == "Widget" else get(item))
    monkeypatch.setattr(cluster, "instances", lambda definition: [bare(one) for one in instances(definition)])
    run = removal(cluster, *ALL, delete_crds=True)
    run.run()
    assert actions(run)["CustomResourceDefinition"] == "deleted"


SETTINGS = document("ConfigMap", name="settings", data={"json": '{"a": 1, "b": 1}', "plain": "x"})
READER = document("Deployment", "apps/v1", name="reader", spec={"template": {"spec": {}}})


def configured(cluster: Any, *documents: dict[str, Any], **config: Any) -> tuple[list[Any], list[str]]:
    given = Config("settings", "n", **{"restart": ("reader",), **config})
    return with_config(cluster, collect("f", documents), [given], {})


def mark(items: list[Any]) -> str:
    return str(items[1].document["spec"]["template"]["metadata"]["annotations"]["mlops.platform/settings"])


def test_a_configmap_is_merged_and_its_readers_start_again_only_when_it_says_something_else(cluster: Cluster) -> None:
    items, _kept = configured(cluster, SETTINGS, READER, data={"json": {"a": 2}})
    assert json.loads(items[0].document["data"]["json"]) == {"a": 2, "b": 1}
    first = mark(items)
    appliance(cluster, SPACE).run()
    cluster.apply(items[0], None, manager="m")
    again, kept = configured(cluster, SETTINGS, READER, data={"json": {"a": 2}})
    assert (again[0].document, mark(again), kept) == (items[0].document, first, [])
    live = cluster.live[items[0].key]
    live["data"] = {**live["data"], "plain": "by a person"}
    later, kept = configured(cluster, SETTINGS, READER, data={"json": {"a": 2}})
    assert later[0].document["data"]["plain"] == "by a person"
    assert later[0].force
    assert kept == ["ConfigMap n/settings: plain stays as it was changed on the cluster"]
    assert mark(later) != first


def test_readers_start_again_when_what_they_look_for_comes(cluster: Cluster) -> None:
    without = mark(configured(cluster, SETTINGS, READER, groups=("example.com",))[0])
    cluster.groups.add("example.com")
    assert mark(configured(cluster, SETTINGS, READER, groups=("example.com",))[0]) != without
    cluster.groups.clear()
    brought = configured(cluster, SETTINGS, READER, CRD, groups=("example.com",))[0]
    assert mark(brought) != without


def test_what_sets_nothing_may_be_missing_and_what_sets_something_may_not(cluster: Cluster) -> None:
    assert configured(cluster, READER, data={})[0] == collect("f", [READER])
    with pytest.raises(InvalidIntent, match=r"config\[1\].name: ConfigMap n/settings"):
        configured(cluster, READER, data={"plain": "y"})
    with pytest.raises(InvalidIntent, match=r"config\[1\].restart: Deployment n/reader"):
        configured(cluster, SETTINGS, data={"plain": "y"})


def test_what_is_in_use_stays_unless_forced(cluster: Cluster) -> None:
    other = {**WIDGET, "metadata": {"name": "other", "namespace": "n"}}
    appliance(cluster, *ALL, other).run()
    cluster.log.clear()
    with pytest.raises(Refused, match=r"in_use_by: 4 objects cannot go: 1 others need them \(Widget n/other\)"):
        removal(cluster, *ALL).run(in_use_by=[("example.com/v1", "Widget")])
    assert cluster.log == []
    removal(cluster, *ALL).run(in_use_by=[("example.com/v1", "Widget")], force=True)
    assert cluster.log == ["Widget", "Widget", "ConfigMap", "Namespace"]


def test_rules_that_a_controller_has_written_are_left_to_it(cluster: Cluster) -> None:
    hook = document(
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        None,
        webhooks=[{"name": "w", "rules": [1]}],
    )
    appliance(cluster, hook, wait=False).run()
    cluster.errors["ValidatingWebhookConfiguration"] = [Drift("Apply failed with 1 conflict")]
    run = appliance(cluster, hook, wait=False)
    run.run()
    assert run.outcomes[0].after["webhooks"] == [{"name": "w"}]
    cluster.errors["ConfigMap"] = [Drift("Apply failed with 1 conflict")]
    with pytest.raises(Drift):
        appliance(cluster, *ALL).run()
