# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of a manifest: collected, left out, patched, told apart; and the order in which they come to a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.apply_order import (
    CUSTOM_RESOURCES,
    DEFINITIONS,
    NAMESPACES,
    stages,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.documents import (
    Item,
    collect,
    merge,
    merge_by_name,
    prepare,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent


def document(kind: str, name: str = "a", api: str = "v1", namespace: str | None = "n", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def items(*documents: dict[str, Any]) -> list[Item]:
    return collect("file.yaml", documents)


def test_lists_are_taken_apart_and_what_a_server_says_is_left_out() -> None:
    answered = document("ConfigMap", "b", status={"x": 1})
    answered["metadata"].update(creationTimestamp=None, resourceVersion="5", uid="u", managedFields=[])
    found = collect("f", [None, {}, {"apiVersion": "v1", "kind": "List", "items": [document("Secret"), answered]}])
    assert [str(item) for item in found] == ["Secret n/a (f, document 3)", "ConfigMap n/b (f, document 3)"]
    assert found[1].document == document("ConfigMap", "b")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["text"], "document 1 is no mapping"),
        ([{"kind": "Pod"}], "apiVersion: f, document 1 does not say it"),
        ([{}, {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "x"}}], "document 2 (Pod) has no name"),
        ([{"apiVersion": "v1", "kind": "List", "items": [{"kind": "Pod"}]}], "document 1, item 1 does not say it"),
    ],
)
def test_what_is_no_object_is_named(wrong: list[Any], words: str) -> None:
    with pytest.raises(InvalidIntent) as caught:
        collect("f", wrong)
    assert words in str(caught.value)


def test_exclusion() -> None:
    given = items(document("ConfigMap", "a"), document("ConfigMap", "b"), document("Secret", "a"))
    found = prepare(given, [{"kind": "ConfigMap", "name": "a", "namespace": None}, {"kind": "Nothing"}], [])
    assert [item.name for item in found.items] == ["b", "a"]
    assert found.warnings == ["exclude[2] kind Nothing fits no document"]
    with pytest.raises(InvalidIntent, match="says nothing"):
        prepare(given, [{}], [])


def test_patches() -> None:
    given = items(document("Deployment", spec={"replicas": 1, "paused": True}), document("Secret"))
    patch = {"spec": {"replicas": 3, "paused": None}}
    found = prepare(given, [], [{"target": {"kind": "Deployment"}, "patch": patch}]).items
    assert found[0].document["spec"] == {"replicas": 3}
    assert given[0].document["spec"]["replicas"] == 1, "the patch changes a copy"
    with pytest.raises(InvalidIntent, match=r"patches\[1\].target: name b fits no document"):
        prepare(given, [], [{"target": {"name": "b"}, "patch": {}}])
    with pytest.raises(InvalidIntent, match="another object"):
        prepare(given, [], [{"target": {"kind": "Secret"}, "patch": {"metadata": {"name": "z"}}}])


def test_a_patch_names_the_entries_of_a_list() -> None:
    pod = {"containers": [{"name": "a", "image": "x", "args": ["1"]}, {"name": "b"}], "volumes": [{"name": "v"}]}
    patch = {
        "containers": {"a": {"lifecycle": {"preStop": {}}, "args": ["2"]}, "c": {"image": "z"}},
        "volumes": {"v": None},
    }
    assert merge_by_name(pod, patch) == {
        "containers": [
            {"name": "a", "image": "x", "args": ["2"], "lifecycle": {"preStop": {}}},
            {"name": "b"},
            {"name": "c", "image": "z"},
        ],
        "volumes": [],
    }
    assert pod["containers"][0] == {"name": "a", "image": "x", "args": ["1"]}
    assert merge_by_name(pod, {"containers": [{"name": "d"}]})["containers"] == [{"name": "d"}]
    assert merge_by_name({"a": ["b"]}, {"a": {"b": 1}}) == {"a": {"b": 1}}, "no names: a merge patch as in the RFC"
    with pytest.raises(InvalidIntent, match="entry a is no dictionary"):
        merge_by_name(pod, {"containers": {"a": "image"}})


def test_merge_as_in_the_rfc() -> None:
    assert merge({"a": "b", "c": {"d": "e", "f": "g"}}, {"a": "z", "c": {"f": None}}) == {"a": "z", "c": {"d": "e"}}
    assert merge({"a": [{"b": "c"}]}, {"a": [1]}) == {"a": [1]}
    assert merge({}, {"a": {"bb": {"ccc": None}}}) == {"a": {"bb": {}}}
    assert merge(["a"], {"a": 1}) == {"a": 1}


def test_an_object_that_comes_twice_is_applied_once() -> None:
    one, other = document("ConfigMap", data={"a": "1"}), document("ConfigMap", data={"a": "2"})
    assert prepare(items(one, one), [], []) == (items(one, one)[1:], [])
    found = prepare(items(one, other), [], [])
    assert [item.document["data"] for item in found.items] == [{"a": "2"}]
    assert "document 2 says it otherwise and is later" in found.warnings[0]


def test_the_order() -> None:
    given = items(
        document("Widget", api="example.com/v1"),
        document("HTTPRoute", api="gateway.networking.k8s.io/v1"),
        document("ValidatingWebhookConfiguration", api="admissionregistration.k8s.io/v1"),
        document("APIService", api="apiregistration.k8s.io/v1"),
        document("Deployment", api="apps/v1"),
        document("RoleBinding", api="rbac.authorization.k8s.io/v1"),
        document("ServiceAccount"),
        document("CustomResourceDefinition", api="apiextensions.k8s.io/v1"),
        document("Namespace"),
    )
    found = stages(given)
    assert [[item.kind for item in stage] for _number, stage in found] == [
        ["Namespace"],
        ["CustomResourceDefinition"],
        ["ServiceAccount"],
        ["RoleBinding"],
        ["Deployment"],
        ["APIService"],
        ["ValidatingWebhookConfiguration"],
        ["Widget", "HTTPRoute"],
    ]
    numbers = [number for number, _stage in found]
    assert (numbers[0], numbers[1], numbers[-1]) == (NAMESPACES, DEFINITIONS, CUSTOM_RESOURCES)
