# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose word counts in a ConfigMap of three parties, and that a second run changes nothing."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.mlops.serving.plugins.module_utils._domain.config_merge import digest, merged
from hypothesis import example, given
from hypothesis import strategies as st

RELEASED = {
    "ingress": json.dumps({"domain": "example.com", "class": "istio"}),
    "mode": "Serverless",
    "_example": "text",
}


def opened(data: t.Mapping[str, str], key: str) -> t.Any:
    return json.loads(data[key])


def test_on_an_empty_cluster_the_release_and_the_settings_are_written() -> None:
    found = merged(RELEASED, {"ingress": {"class": "kourier"}, "mode": "Knative"})
    assert opened(found.data, "ingress") == {"domain": "example.com", "class": "kourier"}
    assert found.data["mode"] == "Knative"
    assert found.data["_example"] == "text"
    assert found.kept == []


def test_what_people_changed_stays_and_is_told_where_the_release_says_otherwise() -> None:
    first = merged(RELEASED, {})
    live = {**first.data, "ingress": json.dumps({"domain": "models.acme.org", "class": "istio", "path": "/x"})}
    found = merged(RELEASED, {}, before=first.written, live=live)
    assert found.data == live
    assert found.kept == ["ingress.domain"]


def test_a_new_release_changes_what_nobody_touched() -> None:
    first = merged(RELEASED, {})
    live = {**first.data, "ingress": json.dumps({"domain": "models.acme.org", "class": "istio"})}
    newer = {"ingress": json.dumps({"domain": "example.org", "class": "gateway", "new": 1}), "mode": "Standard"}
    found = merged(newer, {}, before=first.written, live=live)
    assert opened(found.data, "ingress") == {"domain": "models.acme.org", "class": "gateway", "new": 1}
    assert found.data["mode"] == "Standard"
    assert "_example" not in found.data


def test_a_setting_counts_more_than_a_change_and_is_no_warning() -> None:
    first = merged(RELEASED, {"ingress": {"class": "kourier"}})
    live = {**first.data, "ingress": json.dumps({"domain": "example.com", "class": "edited"})}
    found = merged(RELEASED, {"ingress": {"class": "kourier"}}, before=first.written, live=live)
    assert opened(found.data, "ingress")["class"] == "kourier"
    assert found.kept == []


def test_a_setting_that_is_taken_out_gives_the_release_its_word_back() -> None:
    first = merged(RELEASED, {"mode": "Knative"})
    assert merged(RELEASED, {}, before=first.written, live=first.data).data["mode"] == "Serverless"


def test_a_key_that_a_release_no_longer_has_goes_and_a_key_of_people_stays() -> None:
    first = merged({**RELEASED, "old": "1"}, {})
    found = merged(RELEASED, {}, before=first.written, live={**first.data, "ours": "2"})
    assert "old" not in found.data
    assert found.data["ours"] == "2"


def test_without_a_memory_all_that_differs_is_of_people_and_what_is_missing_is_new() -> None:
    live = {"ingress": json.dumps({"domain": "models.acme.org"})}
    found = merged(RELEASED, {}, live=live)
    assert opened(found.data, "ingress") == {"domain": "models.acme.org", "class": "istio"}
    assert found.data["mode"] == "Serverless"
    assert found.kept == ["ingress.domain"]


def test_other_spaces_are_no_change() -> None:
    first = merged(RELEASED, {})
    live = {**first.data, "ingress": json.dumps(opened(first.data, "ingress"), indent=7)}
    assert merged(RELEASED, {}, before=first.written, live=live).data == live
    assert digest(live) == digest(first.data)


def test_images_in_json_and_in_keys_go_through_the_map() -> None:
    released = {
        "storageInitializer": json.dumps({"image": "kserve/storage-initializer:v1", "memory": "1Gi"}),
        "queue-sidecar-image": "gcr.io/k/queue:v1",
    }
    found = merged(released, {}, images={"docker.io": "r.io/hub", "gcr.io": "r.io/g"})
    assert opened(found.data, "storageInitializer") == {
        "image": "r.io/hub/kserve/storage-initializer:v1",
        "memory": "1Gi",
    }
    assert found.data["queue-sidecar-image"] == "r.io/g/k/queue:v1"


def test_a_digest_knows_what_else_was_found() -> None:
    assert digest({"a": "1"}, "keda.sh") != digest({"a": "1"})
    assert digest({"a": "1", "_example": "x"}, "b", "c") == digest({"a": "1"}, "c", "b")


def test_settings_are_written_as_configmaps_have_them() -> None:
    data = merged({"flag": "false"}, {"flag": True, "number": 5}).data
    assert data == {"flag": "true", "number": "5"}


_TEXTS = st.sampled_from(["", "1", "true", "on", "[]", "{broken"])
_FIELDS = st.sampled_from(["a", "b"])
_OBJECTS = st.dictionaries(_FIELDS, _TEXTS | st.dictionaries(_FIELDS, _TEXTS, max_size=2), max_size=2)
_DATA = st.dictionaries(st.sampled_from(["k", "l", "_example"]), _TEXTS | _OBJECTS.map(json.dumps), max_size=3)
_SETTINGS = st.dictionaries(st.sampled_from(["k", "l"]), _TEXTS | _OBJECTS, max_size=2)


@given(_DATA, _SETTINGS, st.none() | _DATA, st.none() | _DATA)
@example({"l": '{"a": ""}'}, {"k": "", "l": {"b": "", "a": ""}}, None, {"k": "", "l": ""})
def test_a_second_run_changes_nothing(
    released: dict[str, str], settings: dict[str, t.Any], before: dict[str, str] | None, live: dict[str, str] | None
) -> None:
    first = merged(released, settings, before=before, live=live)
    second = merged(released, settings, before=first.written, live=first.data)
    assert second.data == first.data
    assert second.written == first.written
