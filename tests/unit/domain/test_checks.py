# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types and ranges of single fields."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import checks
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent

Check = t.Callable[..., t.Any]

GOOD: list[tuple[Check, t.Any, t.Any]] = [
    (checks.whole, 0, 0),
    (checks.whole, "7", 7),
    (checks.whole, " 7 ", 7),
    (checks.whole, 7.0, 7),
    (checks.percent, 0, 0),
    (checks.percent, "100", 100),
    (checks.boolean, True, True),
    (checks.boolean, 1, True),
    (checks.boolean, 0, False),
    *((checks.boolean, text, True) for text in ("true", "True", "yes", "on", "1", " TRUE ")),
    *((checks.boolean, text, False) for text in ("false", "False", "no", "off", "0")),
    (checks.gpu, True, 1),
    (checks.gpu, False, 0),
    (checks.gpu, 4, 4),
    (checks.gpu, 0, 0),
    (checks.gpu, "2", 2),
    (checks.gpu, "true", 1),
    (checks.gpu, "No", 0),
    (checks.gpu, "", 0),
    (checks.text, "a", "a"),
    (checks.text, " a ", "a"),
    (checks.text, 2, "2"),
    (checks.text, 24.08, "24.08"),
    (checks.mapping, {}, {}),
    (
        checks.text_map,
        {"a": "b", "n": 1, "f": 1.5, "t": True, "x": False},
        {"a": "b", "n": "1", "f": "1.5", "t": "true", "x": "false"},
    ),
    (checks.texts, ["--a", 1], ["--a", "1"]),
    (checks.texts, [], []),
    (checks.objects, [{"key": "gpu"}], [{"key": "gpu"}]),
    (
        checks.environment,
        {"A": 1, "B": True, "C": None, "D": "x"},
        [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "true"},
            {"name": "C", "value": ""},
            {"name": "D", "value": "x"},
        ],
    ),
    (
        checks.environment,
        [{"name": "A", "value": "x"}, {"name": "B"}],
        [{"name": "A", "value": "x"}, {"name": "B", "value": ""}],
    ),
    (
        checks.environment,
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    ),
    (checks.quantities, {}, {}),
    (
        checks.quantities,
        {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1024Mi"}},
        {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1024Mi"}},
    ),
]

# check, value, what the sentence says, the field's path below f
BAD: list[tuple[Check, t.Any, str, str]] = [
    *(
        (checks.whole, value, "is not a whole number. Give a whole number of at least 0", "")
        for value in (True, "x", "", 1.5, "1.5", None, [], "9" * 30, float("nan"))
    ),
    (checks.whole, -1, "is out of range. Give a whole number of at least 0", ""),
    (checks.whole, 2**31, "is out of range", ""),
    (checks.whole, 1e300, "is out of range", ""),
    (checks.percent, -1, "is out of range. Give a whole number from 0 to 100", ""),
    (checks.percent, 101, "is out of range. Give a whole number from 0 to 100", ""),
    (checks.percent, "10%", "is not a whole number. Give a whole number from 0 to 100", ""),
    (checks.percent, True, "is not a whole number", ""),
    *(
        (checks.boolean, value, "is neither true nor false. Write true or false", "")
        for value in (2, "maybe", "", None, [], 1.0 + 1)
    ),
    *(
        (checks.gpu, value, "is neither true, false nor a number of GPUs. Write true for one GPU, or how many", "")
        for value in ("a100", -1, 1.5, [], None)
    ),
    *((checks.text, value, "is not a text. Write a text, in quotes", "") for value in ("", "  ", True, None, [], {})),
    *((checks.mapping, value, "is not a mapping. Write key: value pairs", "") for value in ([], "a", 1, {1: 2})),
    (checks.text_map, {"a": []}, "is not a text", ".a"),
    (checks.text_map, {"a": None}, "is not a text", ".a"),
    (checks.texts, "--a", "is not a list of texts. Write a list, one text an item", ""),
    (checks.texts, ["a", []], "is not a text", "[1]"),
    (checks.objects, {}, "is not a list. Write a list of mappings", ""),
    (checks.objects, [1], "is not a mapping", "[0]"),
    (checks.environment, "A=1", "is not a list", ""),
    (checks.environment, [{"value": "x"}], "is not the name of a variable. Write a name such as LOG_LEVEL", "[0].name"),
    (checks.environment, {"1A": "x"}, "is not the name of a variable", "[0].name"),
    (checks.environment, {"A B": "x"}, "is not the name of a variable", "[0].name"),
    (checks.environment, {"A\n": "x"}, "is not the name of a variable", "[0].name"),
    (
        checks.environment,
        {"PYTHONPATH": "/x"},
        "KServe refuses it since 0.18. Put the code into the model's repository",
        "[0].name",
    ),
    (checks.environment, [{"name": "A", "value": "1", "valueFrom": {}}], "Give value or valueFrom, not both", "[0]"),
    (checks.environment, [{"name": "A", "valuefrom": {}}], "has keys beside name, value and valueFrom", "[0]"),
    (checks.environment, [{"name": "A", "valueFrom": "x"}], "is not a mapping", "[0].valueFrom"),
    (checks.environment, {"A": [1]}, "is not a text", "[0].value"),
    (
        checks.environment,
        [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        "is given twice. Keep one of them",
        "",
    ),
    (checks.quantities, [], "is not a mapping", ""),
    (checks.quantities, {"cpu": 1}, "is not a key that is known here. Use requests and limits", ".cpu"),
    (checks.quantities, {"limits": "1"}, "is not a mapping", ".limits"),
    (
        checks.quantities,
        {"limits": {"memory": "4 GB"}},
        "is not a quantity. Write one such as 500m, 2 or 4Gi",
        ".limits.memory",
    ),
    (checks.quantities, {"requests": {"cpu": True}}, "is not a quantity", ".requests.cpu"),
    (checks.quantities, {"requests": {"cpu": -1}}, "is not a quantity", ".requests.cpu"),
    (
        checks.quantities,
        {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}},
        "is not its limit 2, and Kubernetes wants both alike for nvidia.com/gpu",
        ".requests.nvidia.com/gpu",
    ),
    (
        checks.quantities,
        {"requests": {"memory": "2Gi"}, "limits": {"memory": "1024Mi"}},
        "is more than its limit 1024Mi. Raise the limit or ask for less",
        ".requests.memory",
    ),
]


@pytest.mark.parametrize(("check", "value", "expected"), GOOD)
def test_good(check: Check, value: t.Any, expected: t.Any) -> None:
    found = check("f", value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("check", "value", "words", "where"), BAD)
def test_bad(check: Check, value: t.Any, words: str, where: str) -> None:
    with pytest.raises(InvalidIntent) as caught:
        check("f", value)
    assert caught.value.field == f"f{where}"
    assert words in str(caught.value)


def test_whole_has_its_own_limits() -> None:
    assert checks.whole("f", 5, low=5, high=5) == 5
    with pytest.raises(InvalidIntent, match=r"from 1 to 4"):
        checks.whole("f", 5, low=1, high=4)
    with pytest.raises(InvalidIntent, match=r"of at least 1"):
        checks.whole("f", 0, low=1)


def test_one_of() -> None:
    assert checks.one_of("f", "a", ("a", "b")) == "a"
    with pytest.raises(InvalidIntent, match=r"^f = 'c': is not a value that is known here. Use one of a, b.$"):
        checks.one_of("f", "c", ("a", "b"))
    with pytest.raises(InvalidIntent, match=r"is not a text"):
        checks.one_of("f", [], ("a", "b"))
