"""Models that cannot be loaded: `metrics.simulate.load_error` of a version makes one."""

from __future__ import annotations

from typing import Any

import pytest

GOOD, BAD, FIXED = "s3://models/add_sub/good/", "s3://models/add_sub/bad/", "s3://models/add_sub/fixed/"
REASON = "model.py: undefined symbol cublasLtMatmul"


@pytest.fixture
def versions(world: Any) -> list[str]:
    good, fixed = world.model(GOOD, FIXED)
    model = world.one("select model_id from model_versions where id = %s", good)["model_id"]
    return [good, str(world.version(model, 3, BAD, simulate={"load_error": REASON})), fixed]


@pytest.mark.parametrize(
    ("mode", "percent", "shares"),
    [
        ("Knative", None, {FIXED: 100}),
        ("Knative", 0, {GOOD: 100, FIXED: 0}),
        ("Knative", 20, {GOOD: 80, FIXED: 20}),
        ("Standard", None, None),
    ],
)
def test_a_candidate_that_does_not_load(
    *, world: Any, run: Any, reconcile: Any, versions: list[str], mode: str, percent: int | None, shares: dict[str, int] | None
) -> None:
    config = {"deploymentMode": mode}
    world.endpoint("demo", versions[0], runtime_config=config)
    reconcile()
    before = world.row("demo")
    traffic = {} if percent is None else {"canaryTrafficPercent": percent}
    run("endpoint", name="demo", model_version=3, traffic=traffic)
    answer = reconcile(fails=True)

    [failed] = answer["failed_endpoints"]
    assert failed["failure"]["code"] == "refused"
    assert "the new revision cannot get ready" in failed["msg"]
    assert REASON in failed["msg"]
    assert (world.row("demo")["status"], world.row("demo")["url"]) == ("READY", before["url"])
    held = world.deployment("demo")
    assert (held["last_error"], held["attempts"]) == (failed["msg"], 1)
    assert held["stable_version_id"] == versions[0]
    if mode == "Knative":
        assert world.shares("demo") == {GOOD: 100}
        assert world.service("demo")["object"]["spec"]["predictor"]["canaryTrafficPercent"] == 0
    else:
        assert world.service("demo")["state"]["deployment"]["status"]["availableReplicas"] == 1

    again = reconcile(fails=True)
    assert not again["changed"], "asking again writes nothing"
    assert again["endpoints"][0]["writes"] == []

    run("endpoint", name="demo", model_version=2)
    assert reconcile()["endpoints"][0]["status"] == "READY"
    held = world.deployment("demo")
    assert (world.row("demo")["status"], held["last_error"], held["attempts"]) == ("READY", None, 0)
    if mode == "Knative":
        assert world.shares("demo") == shares
    else:
        assert world.service("demo")["object"]["spec"]["predictor"]["model"]["storageUri"] == FIXED


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_a_first_deployment_that_does_not_load(world: Any, run: Any, reconcile: Any, versions: list[str], mode: str) -> None:
    world.endpoint("demo", versions[1], runtime_config={"deploymentMode": mode})
    answer = reconcile(fails=True)
    assert REASON in answer["msg"]
    assert (world.row("demo")["status"], world.row("demo")["url"]) == ("ERROR", None)
    held = world.deployment("demo")
    assert (held["stable_spec"], held["generation"], held["last_error"]) == (None, 0, answer["failed_endpoints"][0]["msg"])

    run("endpoint", name="demo", model_version=1)
    assert reconcile()["changed"]
    assert (world.row("demo")["status"], world.deployment("demo")["last_error"]) == ("READY", None)
    assert world.row("demo")["url"]
    if mode == "Knative":
        assert world.shares("demo") == {GOOD: 100}


def test_going_back_to_what_serves(world: Any, run: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    reconcile()
    run("endpoint", name="demo", model_version=3)
    reconcile(fails=True)
    run("endpoint", name="demo", model_version=1)
    assert reconcile()["changed"]
    assert world.shares("demo") == {GOOD: 100}
    assert (world.row("demo")["status"], world.deployment("demo")["last_error"]) == ("READY", None)
