# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of InferenceServices and namespaces."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.naming import (
    candidate_names,
    check_name,
    check_standard_host,
    namespace_for,
    service_name,
    simulated_url,
)

ID = "7D4F0A52-1c1e-4a39-9c7b-0c3f1f1f0001"


def test_service_name() -> None:
    assert service_name("isvc", ID) == "isvc-7d4f0a52"
    assert service_name("isvc", ID, 12) == "isvc-7d4f0a521c1e"


def test_candidates_grow_by_a_digit_up_to_the_whole_id() -> None:
    names = list(candidate_names("isvc", ID))
    assert names[:3] == ["isvc-7d4f0a52", "isvc-7d4f0a521", "isvc-7d4f0a521c"]
    assert names[-1] == "isvc-7d4f0a521c1e4a399c7b0c3f1f1f0001"
    assert len(names) == 25


def test_candidates_end_where_a_name_gets_too_long() -> None:
    names = list(candidate_names("a" * 35, ID))
    assert [len(name) for name in names] == [44, 45, 46]


def test_a_prefix_that_leaves_no_room_is_told() -> None:
    with pytest.raises(InvalidIntent, match=r"longer than 46 characters.*Use a shorter name_prefix"):
        next(candidate_names("a" * 38, ID))


@pytest.mark.parametrize("name", ["a", "isvc-1", "a--b", "a" * 46])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n", "ä"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidIntent, match=r"is not a name that KServe accepts. Use lower-case letters"):
        check_name(name)


def test_too_long_a_name() -> None:
    with pytest.raises(InvalidIntent) as caught:
        check_name("a" * 47)
    assert caught.value.field == "name"
    assert "longer than 46 characters, which the host name of a canary cannot hold" in str(caught.value)


def test_standard_mode_makes_one_label_of_name_and_namespace() -> None:
    check_standard_host("a" * 13, "b" * 39)
    with pytest.raises(InvalidIntent) as caught:
        check_standard_host("a" * 13, "b" * 40)
    assert caught.value.field == "namespace"
    assert caught.value.value == f"{'b' * 40}/{'a' * 13}"
    assert "53 characters together" in str(caught.value)
    assert "ingress.domainTemplate" in str(caught.value)
    # <name>-predictor-<namespace> is the label.
    assert len(f"{'a' * 13}-predictor-{'b' * 39}") == 63


@pytest.mark.parametrize(
    ("template", "namespace"),
    [
        ("mlops-serving", "mlops-serving"),
        ("tenant-{tenant_slug}", "tenant-acme"),
        ("{tenant_slug}-{n}", "acme-7"),
        ("{upper}", "team"),
        ("a" * 63, "a" * 63),
    ],
)
def test_namespaces(template: str, namespace: str) -> None:
    assert namespace_for(template, {"tenant_slug": "acme", "n": 7, "upper": "TEAM"}) == namespace


@pytest.mark.parametrize("columns", [{}, {"tenant_slug": None}, {"tenant_slug": ""}])
def test_a_column_that_is_not_there(columns: dict[str, t.Any]) -> None:
    with pytest.raises(InvalidIntent) as caught:
        namespace_for("tenant-{tenant_slug}", {**columns, "name": "demo", "id": "x"})
    assert str(caught.value) == (
        "namespace = 'tenant-{tenant_slug}': names the column tenant_slug, which this endpoint's row does not have "
        "or which is empty. Use one of: id, name."
    )


@pytest.mark.parametrize("template", ["", "A", "a.b", "-a", "a-", "a" * 64, "a\n", "{Upper}", "tenant-{name}"])
def test_what_is_no_namespace(template: str) -> None:
    with pytest.raises(InvalidIntent, match=r"is not a Kubernetes namespace name. Use at most 63 lower-case letters"):
        namespace_for(template, {"name": "two words"})


def test_simulated_url() -> None:
    assert simulated_url("isvc-7d4f0a52") == "http://isvc-7d4f0a52.example.local"
