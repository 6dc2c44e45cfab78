# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates as users write them: what is taken, and in which words the rest is refused."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.gates import Gate, parse_gates
from hypothesis import given
from hypothesis import strategies as st

GOOD: list[tuple[dict[str, t.Any], Gate]] = [
    ({"metric": "errors", "max": "1%"}, Gate("errors", "errors", max=0.01)),
    ({"metric": "errors", "max": 0.01}, Gate("errors", "errors", max=0.01)),
    ({"metric": "errors", "max": " 0.5 % "}, Gate("errors", "errors", max=0.005)),
    ({"metric": "errors", "max": "0.01"}, Gate("errors", "errors", max=0.01)),
    ({"metric": "errors", "max": 0}, Gate("errors", "errors", max=0.0)),
    (
        {"metric": "errors", "max": "1%", "over_stable": "0.5%"},
        Gate("errors", "errors", max=0.01, over_stable=0.005),
    ),
    ({"metric": "latency", "p99": "500ms"}, Gate("latency", "p99", max=0.5, quantile=0.99)),
    ({"metric": "latency", "p99.9": 2}, Gate("latency", "p99.9", max=2.0, quantile=0.999)),
    (
        {"metric": "latency", "p95": "0.25 s", "over_stable": "1%"},
        Gate("latency", "p95", max=0.25, quantile=0.95, over_stable=0.01),
    ),
    ({"metric": "mean_latency", "max": "200ms"}, Gate("mean_latency", "mean_latency", max=0.2)),
    ({"metric": "queue_share", "max": "50%"}, Gate("queue_share", "queue_share", max=0.5, looks=3)),
    (
        {"metric": "prometheus", "query": "up", "max": "5", "min": 1, "name": "load", "looks": 4},
        Gate("prometheus", "load", max=5.0, min=1.0, query="up", looks=4),
    ),
    ({"metric": "prometheus", "query": "up", "min": 1}, Gate("prometheus", "prometheus", min=1.0, query="up", looks=3)),
    (
        {"metric": "command", "command": ["/bin/check", 3]},
        Gate("command", "command", command=("/bin/check", "3"), looks=1),
    ),
    (
        {"metric": "url", "url": "https://checks.example/x?y=1", "name": "drift", "looks": None},
        Gate("url", "drift", url="https://checks.example/x?y=1", looks=1),
    ),
]

BAD: list[tuple[t.Any, str, str]] = [
    ("errors", "gates", "write a list"),
    (["errors"], "gates[0]", "key: value"),
    ([{}], "gates[0].metric", "use one of errors, latency"),
    ([{"metric": "cpu", "max": 1}], "gates[0].metric", "metric: prometheus"),
    ([{"metric": "errors"}], "gates[0]", "write max: 1%"),
    ([{"metric": "errors", "maxx": "1%"}], "gates[0].maxx", "did you mean max?"),
    ([{"metric": "errors", "max": "1%"}, {"metric": "errors", "zzz": 1}], "gates[1].zzz", "a gate of errors knows max"),
    ([{"metric": "errors", "max": 1}], "gates[0].max", 'write "1%" if you mean'),
    ([{"metric": "errors", "max": "5"}], "gates[0].max", 'write "5%" if you mean'),
    ([{"metric": "errors", "max": "101%"}], "gates[0].max", "less than 100%"),
    ([{"metric": "errors", "max": "100%"}], "gates[0].max", "less than 100%"),
    ([{"metric": "errors", "max": -0.1}], "gates[0].max", "0% or more"),
    ([{"metric": "errors", "max": "nan"}], "gates[0].max", 'write it as "1%"'),
    ([{"metric": "errors", "over_stable": True}], "gates[0].over_stable", 'write it as "1%"'),
    ([{"metric": "errors", "max": "1%"}, {"metric": "errors", "max": "2%"}], "gates[1].metric", "one gate of it"),
    ([{"metric": "latency"}], "gates[0]", "p99: 500ms"),
    ([{"metric": "latency", "p97": "1s"}], "gates[0].p97", "knows p50, p90"),
    ([{"metric": "latency", "p99": "fast"}], "gates[0].p99", "500ms or 2s"),
    ([{"metric": "latency", "p99": 0}], "gates[0].p99", "more than 0"),
    ([{"metric": "latency", "p99": 1}, {"metric": "latency", "p50": 1, "p99": 2}], "gates[1].p99", "one gate of it"),
    ([{"metric": "latency", "p50": 1, "p99": 2, "over_stable": "1%"}], "gates[0].over_stable", "one gate for each"),
    ([{"metric": "mean_latency", "over_stable": "1%", "max": 1}], "gates[0].over_stable", "knows max"),
    ([{"metric": "mean_latency"}], "gates[0]", "write max"),
    ([{"metric": "queue_share", "max": "50%", "looks": 0}], "gates[0].looks", "from 1 to 1000"),
    ([{"metric": "prometheus", "max": 1}], "gates[0].query", "needs it"),
    ([{"metric": "prometheus", "query": "up"}], "gates[0]", "max or min"),
    ([{"metric": "prometheus", "query": "up", "max": "5%"}], "gates[0].max", "own unit"),
    ([{"metric": "prometheus", "query": "up", "max": 1, "min": 2}], "gates[0].min", "swap them"),
    ([{"metric": "prometheus", "query": "up", "max": 1, "name": "errors"}], "gates[0].name", "built-in"),
    ([{"metric": "prometheus", "query": "up", "max": 1}] * 2, "gates[1].name", "name of its own"),
    ([{"metric": "command", "command": "check it"}], "gates[0].command", "write a list"),
    ([{"metric": "command", "command": ["check"]}], "gates[0].command[0]", "full path"),
    ([{"metric": "url", "url": "ftp://x"}], "gates[0].url", "full address"),
    ([{"metric": "url", "url": "http://[x"}], "gates[0].url", "full address"),
    ([{"metric": "url", "url": "http://me:hidden@checks.example"}], "gates[0].url", "do without"),
]


def test_without_gates_errors_are_judged() -> None:
    both = Gate("errors", "errors", max=0.01, over_stable=0.01)
    assert parse_gates(None) == parse_gates([]) == (both,)
    assert parse_gates(None, stable=False) == (Gate("errors", "errors", max=0.01),)


@pytest.mark.parametrize(("given", "gate"), GOOD)
def test_good(given: dict[str, t.Any], gate: Gate) -> None:
    assert parse_gates([given]) == (gate,)


@pytest.mark.parametrize(("given", "field", "cure"), BAD)
def test_bad(given: t.Any, field: str, cure: str) -> None:
    with pytest.raises(InvalidIntent) as caught:
        parse_gates(given)
    assert caught.value.field == field
    assert cure in str(caught.value.cure)
    assert "hidden" not in str(caught.value)


def test_a_comparison_needs_something_to_compare_with() -> None:
    with pytest.raises(InvalidIntent, match="no stable revision") as caught:
        parse_gates([{"metric": "errors", "max": "1%", "over_stable": "1%"}], stable=False)
    assert caught.value.field == "gates[0].over_stable"


def test_one_latency_gate_with_two_quantiles_is_two() -> None:
    gates = parse_gates([{"metric": "latency", "p99": "1s", "p50": "100ms"}])
    assert [(gate.name, gate.max, gate.quantile) for gate in gates] == [("p50", 0.1, 0.5), ("p99", 1.0, 0.99)]


def test_tests_are_what_alpha_is_divided_among() -> None:
    assert [gate.tests for gate in parse_gates([item for item, _unused in GOOD[:1]])] == [1]
    assert [gate.tests for gate in parse_gates([GOOD[5][0], GOOD[8][0], GOOD[9][0], GOOD[10][0], GOOD[12][0]])] == [
        2,
        2,
        1,
        0,
        0,
    ]


@pytest.mark.parametrize("gate", [gate for _unused, gate in GOOD])
def test_a_stored_gate_is_the_same_gate(gate: Gate) -> None:
    assert parse_gates([json.loads(json.dumps(gate.to_json()))]) == (gate,)


def test_a_stored_gate_reads_as_written() -> None:
    (gate,) = parse_gates([{"metric": "latency", "p99": 0.5, "over_stable": 0.01}])
    assert gate.to_json() == {"metric": "latency", "p99": "500ms", "over_stable": "1%"}


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-6, 3600))
def test_limits_survive_being_stored(ratio: float, seconds: float) -> None:
    gates = parse_gates([{"metric": "errors", "max": ratio}, {"metric": "mean_latency", "max": f"{seconds:.9f}"}])
    assert parse_gates([gate.to_json() for gate in gates]) == gates
