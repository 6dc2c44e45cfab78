# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: what is refused, with the field and the cure, and what is stored and read again."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.plan import Plan, parse_plan, plan_from_json
from ansible_collections.mlops.serving.plugins.module_utils._domain.spans import seconds


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"steps": [5, 5]}, "steps[1]", "does not rise"),
        ({"steps": [10, 5]}, "steps[1]", "does not rise"),
        ({"steps": [0, 5]}, "steps[0]", "is out of range"),
        ({"steps": [10, 150]}, "steps[1]", "is out of range"),
        ({"steps": ["1.5"]}, "steps[0]", "is not a whole number"),
        ({"steps": []}, "steps", "is not a list of percentages"),
        ({"gates": [{"metric": "happiness", "max": 1}]}, "gates[0].metric", "is not a metric"),
        ({"gates": [{"metric": ["errors"]}]}, "gates[0].metric", "is not a metric"),
        (
            {"gates": [{"metric": "prometheus", "name": "x", "query": "up", "max": 1}]},
            "gates[0].query",
            "has no data source",
        ),
        ({"evidence": "prometheus"}, "evidence", "has no address"),
        ({"prometheus_url": "http://user:secret@prometheus"}, "prometheus_url", "holds a user or a password"),
        ({"gateway_url": "10.0.0.1"}, "gateway_url", "is not an address"),
        ({"strategy": "ab", "winner": "ask"}, "duration", "is missing"),
        ({"strategy": "ab", "split": 100}, "split", "is out of range"),
        ({"strategy": "ab", "duration": "3h"}, "duration", "is not shorter than timeout"),
        ({"strategy": "blue_green", "steps": [1]}, "steps", "has no meaning for strategy blue_green"),
        ({"watch": "1m"}, "watch", "has no meaning for strategy canary"),
        ({"approvals": [7]}, "approvals[0]", "is not a step of the plan"),
        ({"request_rate": 5}, "request_rate", "has nothing to send"),
        ({"requests": [{"path": "v2"}]}, "requests[0].path", "is not a path"),
        ({"requests": [{"path": "/v2", "expects": {}}]}, "requests[0].expects", "is not a key"),
        ({"hooks": [{"at": "lunch", "url": "http://x"}]}, "hooks[0].at", "is not a value"),
        ({"hooks": [{"at": "start"}]}, "hooks[0]", "needs at and url"),
        ({"bake": "1h"}, "bake", "is longer than step_timeout"),
        ({"step_timeout": "soon"}, "step_timeout", "is not a span of time"),
        ({"interval": 0}, "interval", "is less than"),
        ({"alpha": 0.9}, "alpha", "is out of range"),
        ({"min_requests": -1}, "min_requests", "is out of range"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, t.Any], field: str, words: str) -> None:
    with pytest.raises(InvalidIntent) as refused:
        parse_plan(asked)
    assert refused.value.field == field
    assert words in refused.value.what
    assert refused.value.cure
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"steps": ["1%", "25", 100], "approvals": ["25%", "promote"], "harm_budget": 0},
        {"strategy": "ab", "split": 30, "duration": "10m", "winner": "ask"},
        {
            "strategy": "blue_green",
            "watch": "30s",
            "requests": [{"path": "/v2/health/ready", "expect": {"status": 200}}],
        },
        {"strategy": "rollback"},
        {
            "hooks": [
                {"at": "after_step", "url": "https://x/y?z=1", "steps": [5], "headers_from_env": {"Authorization": "T"}}
            ]
        },
        {"gates": [{"metric": "latency", "p99": "500ms"}, {"metric": "errors", "max": "0.1%"}]},
    ],
)
def test_a_plan_is_stored_and_read_again(asked: dict[str, t.Any]) -> None:
    plan = parse_plan(asked)
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.words()


def test_what_strategies_mean() -> None:
    assert parse_plan({}).steps == (1, 5, 10, 25, 50)
    assert parse_plan({"steps": [10, 100]}).steps == (10,)
    assert parse_plan({"strategy": "blue_green"}) == Plan(
        strategy="blue_green", steps=(), approvals=("promote",), gates=parse_plan({}).gates
    )
    assert parse_plan({"strategy": "blue_green", "watch": "1m"}).approvals == (99,)
    assert parse_plan({"strategy": "ab", "winner": "ask", "duration": 60}).approvals == ("promote",)
    assert parse_plan({"harm_budget": 0}).harm_budget is None


@pytest.mark.parametrize(
    ("text", "number"), [("500ms", 0.5), ("2 s", 2), ("5m", 300), ("1h", 3600), (1.5, 1.5), ("10", 10)]
)
def test_spans_of_time(text: t.Any, number: float) -> None:
    assert seconds("x", text) == number


@pytest.mark.parametrize("text", ["", "1 week", "-5s", True, None, "5mm"])
def test_what_is_no_span_of_time(text: t.Any) -> None:
    with pytest.raises(InvalidIntent):
        seconds("x", text)
