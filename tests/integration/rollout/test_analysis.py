"""Module rollout_analysis: two revisions, or one, judged by what they answer now."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.modules import rollout_analysis

NOW = {"endpoint": "demo", "deploy_mode": "simulate", "duration": "1s", "interval": "0.1"}


@pytest.fixture
def canary(world: Any, served: dict[str, str], reconcile: Any) -> Any:
    """``canary("3")``: half of the traffic goes to this version, set by hand."""

    def set_by_hand(version: str) -> None:
        world.sql(
            """update endpoints set model_version_id = %s, traffic = '{"canaryTrafficPercent": 50}' where name = 'demo'""",
            served[version],
        )
        reconcile()

    return set_by_hand


def test_one_revision_alone(world: Any, served: dict[str, str], run: Any) -> None:
    before = world.everything()
    told = run("rollout_analysis", **NOW)
    assert (told["verdict"], told["changed"], told["stable"]) == ("ok", False, None)
    assert told["candidate"]["share"] == 100
    assert told["candidate"]["requests"] > 1000
    assert told["candidate"]["requests"] / told["seconds"] == pytest.approx(told["rate"], rel=0.2)
    assert [finding["gate"] for finding in told["findings"]] == ["errors"]
    assert set(told) - {"changed", "invocation", "warnings"} == set(yaml.safe_load(rollout_analysis.RETURN))
    assert world.everything() == before


def test_a_limit_that_is_broken_fails_the_task(served: dict[str, str], run: Any) -> None:
    told = run(
        "rollout_analysis", **{**NOW, "duration": "30s"}, gates=[{"metric": "latency", "p99": "1ms"}], fails=True
    )
    assert told["verdict"] == "fail"
    assert told["seconds"] < 5, "it ends as soon as it is sure"
    assert "p99" in told["msg"]
    assert told["failure"]["code"] == "refused"
    kept = run("rollout_analysis", **NOW, gates=[{"metric": "latency", "p99": "1ms"}], fail_on=[])
    assert kept["verdict"] == "fail"


def test_two_revisions_are_compared(canary: Any, run: Any) -> None:
    canary("3")
    told = run("rollout_analysis", **NOW, gates=[{"metric": "errors", "over_stable": "1%"}], fails=True)
    assert told["verdict"] == "fail"
    assert (told["candidate"]["share"], told["stable"]["share"]) == (50, 50)
    assert told["candidate"]["error_ratio"] > 0.1 > 0.02 > told["stable"]["error_ratio"]
    assert "of stable's" in told["msg"]
    # The other way round there is nothing to say, but that stable is the worse one.
    sides = {"candidate": told["stable"]["revision"], "stable": told["candidate"]["revision"]}
    other = run("rollout_analysis", **NOW, revisions=sides)
    assert other["verdict"] == "ok"
    assert other["stable_worse"] > 100


def test_good_ones_pass(canary: Any, run: Any) -> None:
    canary("2")
    told = run("rollout_analysis", **NOW, fail_on=["fail", "no_data"])
    assert told["verdict"] == "ok"
    assert [finding["gate"] for finding in told["findings"]] == ["errors", "errors over stable"]


def test_nobody_asks_it(world: Any, served: dict[str, str], run: Any) -> None:
    world.sql("""update model_versions set metrics = '{"simulate": {"rps": 0}}' where version = 1""")
    assert run("rollout_analysis", **NOW)["verdict"] == "no_data"
    told = run("rollout_analysis", **NOW, fail_on=["no_data"], fails=True)
    assert "no request has reached the candidate" in told["msg"]


def test_what_cannot_be_is_refused(world: Any, served: dict[str, str], run: Any) -> None:
    world.endpoint("new", served["1"])
    for options, words in (
        ({"endpoint": "nobody"}, "there is no such endpoint"),
        ({"endpoint": "new"}, "it is not deployed yet"),
        ({"deploy_mode": "kserve"}, "it is deployed in mode simulate"),
        ({"duration": "soon"}, "duration = 'soon': is not a span of time"),
        ({"gates": [{"metric": "errors", "over_stable": "1%"}]}, "only one revision serves"),
        ({"gates": [{"metric": "mood"}]}, "gates[0].metric"),
        ({"evidence": "prometheus"}, "set prometheus_url"),
    ):
        told = run("rollout_analysis", **{**NOW, **options}, fails=True)
        assert words.lower() in told["msg"].lower(), told["msg"]
