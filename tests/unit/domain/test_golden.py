# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden answers: what must be there, how exact, and what a person is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.golden import differs

ANSWER = {"model_name": "add_sub", "outputs": [{"name": "OUTPUT0", "data": [11.0, 22.000001]}], "ok": True, "n": 3}


@pytest.mark.parametrize(
    "expect",
    [
        {},
        {"status": 200},
        {"json": {"model_name": "add_sub"}},
        {"json": {"outputs": [{"data": [11, 22.0]}]}, "tolerance": 1e-3},
        {"json": {"ok": True, "n": 3}},
        {"contains": "OUTPUT0"},
    ],
)
def test_as_expected(expect: dict[str, Any]) -> None:
    assert differs(expect, 200, json.dumps(ANSWER).encode()) is None


@pytest.mark.parametrize(
    ("expect", "why"),
    [
        ({"status": 404}, "status 200 instead of 404: "),
        ({"json": {"version": "2"}}, "version is missing"),
        ({"json": {"outputs": [{"data": [11.0, 23.0]}]}}, "outputs[0].data[1] is 22.000001 instead of 23.0"),
        ({"json": {"outputs": [{"data": [11.0, 22.0]}]}, "tolerance": 1e-9}, "outputs[0].data[1] is"),
        ({"json": {"outputs": [{"data": [11.0]}]}}, "outputs[0].data has 2 items instead of 1"),
        ({"json": {"n": 4}, "tolerance": 2}, "n is 3 instead of 4"),  # whole numbers are exact
        ({"json": {"ok": 1}}, "ok is true instead of 1"),
        ({"json": {"n": "3"}}, 'n is 3 instead of "3"'),
        ({"json": [1]}, "the answer is {"),
        ({"contains": "OUTPUT9"}, "the answer does not contain 'OUTPUT9'"),
    ],
)
def test_not_as_expected(expect: dict[str, Any], why: str) -> None:
    told = differs(expect, 200, json.dumps(ANSWER).encode())
    assert told is not None
    assert told.startswith(why)


def test_a_failure_is_told_with_its_words_in_one_line() -> None:
    assert (
        differs({}, 500, b'{"error":\n "out of\n memory"}') == 'status 500 instead of 200: {"error": "out of memory"}'
    )
    assert differs({}, 502, b"") == "status 502 instead of 200"
    assert differs({"json": {}}, 200, b"<html>") == "the answer is not JSON: <html>"
    assert len(differs({}, 500, b"x" * 10_000) or "") < 200
