# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as a person reads them, and as data."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import errors
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    InvalidIntent,
    ServingError,
    Unavailable,
)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ({}, "is wrong."),
        ({"cure": "write 1"}, "is wrong. Write 1."),
        ({"endpoint": "demo"}, "endpoint demo: is wrong."),
        ({"field": "traffic"}, "traffic: is wrong."),
        ({"field": "gpu", "value": "yes"}, "gpu = 'yes': is wrong."),
        ({"field": "gpu", "value": 0}, "gpu = 0: is wrong."),
        ({"field": "gpu", "value": False}, "gpu = false: is wrong."),
        ({"field": "env", "value": {"A": [1, None]}}, 'env = {"A": [1, null]}: is wrong.'),
        ({"value": "without a field"}, "is wrong."),
        (
            {"endpoint": "demo", "field": "runtime_config.gpu", "value": "yes", "cure": "write true or false"},
            "endpoint demo: runtime_config.gpu = 'yes': is wrong. Write true or false.",
        ),
        ({"field": "name", "value": "two\nlines"}, "name = 'two lines': is wrong."),
    ],
)
def test_text(where: dict[str, t.Any], text: str) -> None:
    assert str(ServingError("is wrong", **where)) == text


def test_a_long_value_is_cut() -> None:
    error = ServingError("is long", field="args", value="x" * 500)
    assert str(error) == f"args = '{'x' * 116}...: is long."
    assert error.failure["value"] == f"'{'x' * 116}..."


def test_failure_as_data() -> None:
    error = InvalidIntent("is wrong", endpoint="demo", field="gpu", value=2, cure="write 1")
    assert error.failure == {
        "code": "invalid_intent",
        "message": "endpoint demo: gpu = 2: is wrong. Write 1.",
        "endpoint": "demo",
        "field": "gpu",
        "value": "2",
        "cure": "write 1",
    }
    assert ServingError("is wrong").failure["value"] is None


def test_the_endpoint_is_named_where_it_is_known_first() -> None:
    assert str(ServingError("is wrong").at("demo").at("other")) == "endpoint demo: is wrong."


def test_each_kind_has_its_code() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__ if name != "ServingError"]
    assert sorted(kind.code for kind in kinds) == [
        "drift",
        "forbidden",
        "invalid_intent",
        "lease_lost",
        "not_found",
        "refused",
        "stale_write",
        "unavailable",
    ]
    assert all(issubclass(kind, ServingError) for kind in kinds)


def test_unavailable_knows_when_to_come_back() -> None:
    error = Unavailable("is busy", retry_after=3.0, endpoint="demo")
    assert error.retry_after == 3.0
    assert str(error) == "endpoint demo: is busy."
    assert Unavailable("is busy").retry_after is None
