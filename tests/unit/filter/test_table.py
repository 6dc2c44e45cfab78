# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter table: lists of dictionaries for people."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.serving.plugins.filter.table import FilterModule

table = FilterModule().filters()["table"]
ROWS = [
    {"name": "demo", "status": "READY", "url": "http://demo", "deployment": {"stable_revision": "r-00001"}},
    {"name": "demo-canary", "status": "ERROR", "url": None, "deployment": None, "port": 0},
]


def test_columns_are_as_wide_as_they_need() -> None:
    assert table(ROWS, ["name", "status", "url"]) == [
        "NAME         STATUS  URL",
        "demo         READY   http://demo",
        "demo-canary  ERROR   -",
    ]


@pytest.mark.parametrize(
    ("column", "lines"),
    [
        ("deployment.stable_revision", ["STABLE REVISION", "r-00001", "-"]),
        ("deployment.stable_revision as revision", ["REVISION", "r-00001", "-"]),
        ("name as Name of it", ["NAME OF IT", "demo", "demo-canary"]),
        ("port", ["PORT", "-", "0"]),
        ("name.first", ["FIRST", "-", "-"]),
    ],
)
def test_a_column(column: str, lines: list[str]) -> None:
    assert table(ROWS, [column]) == lines


def test_no_rows() -> None:
    assert table([], ["name", "url"]) == ["NAME  URL"]


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (None, ["name"], "give a list of dictionaries"),
        ({}, ["name"], "give a list of dictionaries"),
        ([1], ["name"], "give a list of dictionaries"),
        (ROWS, "name", "give a list of columns"),
        (ROWS, [], "give a list of columns"),
    ],
)
def test_bad_input(rows: t.Any, columns: t.Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^mlops.serving.table: {words}"):
        table(rows, columns)
