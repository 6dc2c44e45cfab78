"""What a rollout refuses before anything is written: the same rows before and after, with the cure."""

from __future__ import annotations

from typing import Any

import pytest

SIMULATED = {"endpoint": "demo", "deploy_mode": "simulate"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model_version": "2", "steps": ["10", "5"]}, "steps[1] = 5: does not rise"),
        ({"model_version": "2", "steps": ["10", "150"]}, "steps[1] = '150': is out of range"),
        ({"model_version": "2", "gates": [{"metric": "happiness"}]}, "is not a metric that is known here"),
        (
            {"model_version": "2", "gates": [{"metric": "prometheus", "name": "x", "query": "up", "max": 1}]},
            "has no data source",
        ),
        ({"model_version": "1", "strategy": "ab", "duration": "1m"}, "an A/B of a version with itself shows nothing"),
        ({"model_version": "77"}, "the endpoint's model has no such version"),
        ({}, "model_version: is missing"),
        ({"action": "promote"}, "there is no active rollout to promote"),
        ({"action": "pause"}, "there is no active rollout to pause"),
        ({"action": "rollback"}, "no promotion is on record"),
        ({"endpoint": "nobody", "model_version": "2"}, "there is no such endpoint"),
        (
            {"model_version": "2", "deploy_mode": "kserve"},
            "it is deployed in mode simulate, and this run is in mode kserve",
        ),
    ],
)
def test_refused(world: Any, served: dict[str, str], run: Any, options: dict[str, Any], words: str) -> None:
    before = world.everything()
    refused = run("rollout", fails=True, **{**SIMULATED, **options})
    assert words in refused["msg"]
    assert refused["failure"]["cure"]
    assert world.everything() == before
    assert world.sql("select 1 from serving.rollout") == []


def test_standard_mode_is_refused(world: Any, versions: dict[str, str], reconcile: Any, run: Any) -> None:
    world.endpoint("demo", versions["1"], runtime="triton", runtime_config={"deploymentMode": "Standard"})
    reconcile()
    refused = run("rollout", fails=True, **SIMULATED, model_version="2")
    assert "it is served in Standard mode, where released KServe splits no traffic" in refused["msg"]
    assert world.sql("select 1 from serving.rollout") == []


def test_an_endpoint_that_is_not_at_rest_is_refused(world: Any, served: dict[str, str], run: Any) -> None:
    world.sql("update endpoints set traffic = '{\"canaryTrafficPercent\": 20}', model_version_id = %s", served["2"])
    refused = run("rollout", fails=True, **SIMULATED, model_version="3")
    assert "the endpoint is not at rest: its row is not what is applied" in refused["msg"]


@pytest.mark.parametrize("options", [{"model_version": "2"}, {"action": "rollback", "model_version": "2"}])
def test_an_endpoint_that_is_stopped_is_refused(
    world: Any, served: dict[str, str], run: Any, reconcile: Any, options: dict[str, Any]
) -> None:
    world.sql("update endpoints set runtime_config = runtime_config || '{\"stopped\": true}'")
    reconcile()
    before = world.everything()
    refused = run("rollout", fails=True, **SIMULATED, **options)
    assert "endpoint demo: runtime_config.stopped" in refused["msg"]
    assert "the endpoint is stopped" in refused["msg"]
    assert "set runtime_config.stopped to false" in refused["failure"]["cure"]
    assert world.everything() == before
    assert world.sql("select 1 from serving.rollout") == []


def test_a_canary_by_hand_is_refused(world: Any, served: dict[str, str], run: Any, reconcile: Any) -> None:
    world.sql("update endpoints set traffic = '{\"canaryTrafficPercent\": 20}', model_version_id = %s", served["2"])
    reconcile()
    refused = run("rollout", fails=True, **SIMULATED, model_version="3")
    assert "a canary is in flight that was set by hand (20 % of version 2)" in refused["msg"]


def test_check_mode_says_what_would_begin(world: Any, served: dict[str, str], run: Any) -> None:
    before = world.everything()
    would = run("rollout", check=True, **SIMULATED, model_version="2", steps=["10"])
    assert would["changed"]
    assert would["plan"]["steps"] == [10]
    assert world.everything() == before
