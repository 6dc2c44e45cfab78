# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed list of keys, in every spelling."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import keys
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.keys import canonical_keys

SPELLINGS = [
    (section, spelling, key)
    for section, known in keys.SECTIONS.items()
    for key, others in known.items()
    for spelling in (key, *others)
]
# What rows in the wild carry.
PLATFORM = {
    "traffic": ["canaryTrafficPercent", "canary_percent"],
    "autoscaling": ["minReplicas", "maxReplicas", "keda"],
    "runtime_config": [
        *(
            "modelFormat",
            "model_format",
            "format",
            "protocolVersion",
            "runtimeVersion",
            "deploymentMode",
            "deployment_mode",
        ),
        *(
            "autoscalerClass",
            "gpu",
            "resources",
            "batcher",
            "timeout",
            "serviceAccountName",
            "enablePrometheusScraping",
        ),
    ],
}


@pytest.mark.parametrize(("section", "spelling", "key"), SPELLINGS)
def test_every_spelling(section: str, spelling: str, key: str) -> None:
    assert canonical_keys(section, {spelling: 1}, strict=True) == ({key: 1}, [])


@pytest.mark.parametrize(
    ("section", "spelling"), [(s, spelling) for s, names in PLATFORM.items() for spelling in names]
)
def test_the_platforms_spellings_are_known(section: str, spelling: str) -> None:
    assert (section, spelling) in {(found, name) for found, name, _key in SPELLINGS}


def test_no_spelling_means_two_keys() -> None:
    assert len({(section, spelling) for section, spelling, _key in SPELLINGS}) == len(SPELLINGS)


@pytest.mark.parametrize("section", keys.SECTIONS)
@pytest.mark.parametrize("given", [None, {}])
def test_empty(section: str, given: t.Any) -> None:
    assert canonical_keys(section, given, strict=True) == ({}, [])


@pytest.mark.parametrize(
    ("given", "kind"),
    [([], "a list"), ("x", "a text"), (True, "a boolean"), (1, "a number"), (1.5, "a number"), ((), "tuple")],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_section_that_is_no_mapping(given: t.Any, kind: str, strict: bool) -> None:
    with pytest.raises(InvalidIntent, match=rf"^traffic = .*: must be a mapping, not {kind}. Write key: value pairs.$"):
        canonical_keys("traffic", given, strict=strict)


def test_a_value_of_a_subclass_is_named_after_its_base() -> None:
    class Tagged(str):
        __slots__ = ()

    with pytest.raises(InvalidIntent, match=r"not a text"):
        canonical_keys("traffic", Tagged("x"), strict=True)


def test_an_unknown_key_is_an_error_where_it_is_written() -> None:
    with pytest.raises(InvalidIntent) as caught:
        canonical_keys("runtime_config", {"modelFormt": "triton"}, strict=True)
    assert str(caught.value).startswith(
        "runtime_config.modelFormt = 'triton': is not a key that is known here. Did you mean modelFormat?"
    )
    assert "protocolVersion" in str(caught.value)


def test_an_unknown_key_without_a_likeness() -> None:
    with pytest.raises(InvalidIntent, match=r"traffic.xyzzy = 1: .* Use one of canaryTrafficPercent\.$"):
        canonical_keys("traffic", {"xyzzy": 1}, strict=True)


@pytest.mark.parametrize("key", ["xyzzy", 7, None])
def test_an_unknown_key_is_a_warning_where_it_is_read(key: t.Any) -> None:
    found, warnings = canonical_keys("traffic", {key: 1, "canary_percent": 5}, strict=False)
    assert found == {"canaryTrafficPercent": 5}
    assert len(warnings) == 1
    assert warnings[0].startswith(f"traffic.{key} is not a key that is known here and was left out")


def test_null_is_absent_in_any_spelling() -> None:
    given = {"canary_percent": None, "canaryTrafficPercent": 5}
    assert canonical_keys("traffic", given, strict=True) == ({"canaryTrafficPercent": 5}, [])


@pytest.mark.parametrize("strict", [True, False])
def test_two_spellings_with_two_values(strict: bool) -> None:
    with pytest.raises(InvalidIntent) as caught:
        canonical_keys("traffic", {"canaryTrafficPercent": 10, "canary_percent": 20}, strict=strict)
    assert str(caught.value) == (
        "traffic.canary_percent = 20: is given as canaryTrafficPercent too. Keep canaryTrafficPercent only."
    )


def test_two_spellings_with_one_value() -> None:
    given = {"canaryTrafficPercent": 10, "canary_percent": 10}
    assert canonical_keys("traffic", given, strict=True) == ({"canaryTrafficPercent": 10}, [])


class TestBatcher:
    @pytest.mark.parametrize(
        ("spelling", "key"),
        [
            ("maxBatchSize", "maxBatchSize"),
            ("max_batch_size", "maxBatchSize"),
            ("maxLatency", "maxLatency"),
            ("max_latency", "maxLatency"),
            ("timeout", "timeout"),
        ],
    )
    def test_every_spelling(self, spelling: str, key: str) -> None:
        found, warnings = canonical_keys("runtime_config", {"batcher": {spelling: 3}}, strict=True)
        assert found == {"batcher": {key: 3}}
        assert warnings == []

    def test_unknown_key(self) -> None:
        with pytest.raises(
            InvalidIntent, match=r"^runtime_config.batcher.maxBatch = 3: .* Did you mean maxBatchSize\?"
        ):
            canonical_keys("runtime_config", {"batcher": {"maxBatch": 3}}, strict=True)
        found, warnings = canonical_keys("runtime_config", {"batcher": {"maxBatch": 3}}, strict=False)
        assert found == {"batcher": {}}
        assert "runtime_config.batcher.maxBatch" in warnings[0]
