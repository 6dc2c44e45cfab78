# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each pipeline's step writes what it is to write, and ends well only when that is true on the (simulated) cluster."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from typing import Any

import psycopg2
import pytest
from deployment_api import DOCUMENT, DeploymentApi, full_row
from world import World


@pytest.fixture(params=["plain row", "full row"])
def any_row(request: pytest.FixtureRequest, api: DeploymentApi) -> str:
    if request.param == "full row":
        api.query = full_row()
    return str(request.param)


@pytest.mark.usefixtures("any_row", "worker")
def test_canary_then_more_then_promoted(step: Any, world: World, api: DeploymentApi, served: dict[str, str]) -> None:
    first = step("rollout-canary", model_version_id=served["2"])
    assert (first.code, first.error) == (0, "")
    assert world.shares("demo") == {"s3://b/one/": 90, "s3://b/two/": 10}
    assert world.row("demo")["traffic"] == {"canaryTrafficPercent": 10}
    assert step("rollout-canary", model_version_id=served["2"]).code == 0
    # A row that tells that it is applied needs no write; the other is written in the other spelling, so that the worker answers.
    spelled = [put["traffic"] for put in api.puts]
    assert spelled == [{"canaryTrafficPercent": 10}] + ([] if api.query == full_row() else [{"canary_percent": 10}])
    assert step("rollout-canary", model_version_id=served["2"], canary_percent=50).code == 0
    assert world.shares("demo") == {"s3://b/one/": 50, "s3://b/two/": 50}
    for _again in range(2):
        promoted = step("rollout-blue-green-promote")
        assert promoted.code == 0, promoted
        assert world.shares("demo") == {"s3://b/two/": 100}
        assert "all of the traffic at http" in promoted.output


@pytest.mark.usefixtures("worker")
def test_the_command_of_the_documentation(
    parameters: dict[str, Any], api: DeploymentApi, world: Any, served: dict[str, str]
) -> None:
    api.query = full_row()
    text = DOCUMENT.read_text(encoding="utf-8")
    documented = text.split("```console\n$ python3 ")[1].split("```")[0]
    given = {
        "API": api.url,
        "TENANT": world.tenant,
        "PROJECT": world.project,
        "USER_ID": "me",
        "DEPLOYMENT": parameters["deployment_id"],
        "VERSION": served["2"],
    }
    ended = subprocess.run(
        ["bash", "-euc", f"{sys.executable} {documented}"],
        cwd=DOCUMENT.parents[1],
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert world.shares("demo") == {"s3://b/one/": 90, "s3://b/two/": 10}


@pytest.mark.usefixtures("any_row", "worker")
def test_ab_and_stage(step: Any, world: World, served: dict[str, str]) -> None:
    for key, share in (("rollout-ab", 50), ("rollout-blue-green-stage", 0)):
        ended = step(key, model_version_id=served["2"])
        assert ended.code == 0, ended
        assert world.shares("demo").get("s3://b/two/", 0) == share
        assert world.row("demo")["traffic"] == {"canaryTrafficPercent": share}
        assert str(world.row("demo")["model_version_id"]) == served["2"]


@pytest.mark.usefixtures("worker")
def test_a_model_that_does_not_load_is_the_error_with_its_reason(
    step: Any, api: DeploymentApi, world: Any, served: dict[str, str]
) -> None:
    api.query = full_row()
    ended = step("rollout-canary", model_version_id=served["4"])
    assert ended.code == 1
    assert "no such file" in ended.error
    assert world.row("demo")["status"] == "READY"  # the version before serves on
    assert world.shares("demo").get("s3://b/four/", 0) == 0
    assert (
        step("rollout-canary", model_version_id=served["2"]).code == 0
    )  # the reason of the version before is not its own


@pytest.mark.usefixtures("worker")
def test_a_model_that_does_not_load_is_an_error_although_the_row_says_ready(
    step: Any, world: World, served: dict[str, str]
) -> None:
    """The worker's second try comes after 15 s; here it is due half a second after the first has failed."""
    failed = "update serving.deployment set next_attempt_at = now() + interval '0.5 s' where last_error is not null returning 1"
    over = threading.Event()

    def hurry() -> None:
        own = psycopg2.connect(world.url)
        own.autocommit = True
        with own.cursor() as cursor:
            while not over.wait(0.2):
                cursor.execute(failed)
                if cursor.rowcount:
                    break
        own.close()

    thread = threading.Thread(target=hurry)
    thread.start()
    ended = step("rollout-canary", model_version_id=served["4"], settle_seconds=25, timeout_seconds=40)
    over.set()
    thread.join()
    assert ended.code == 1
    assert "did not become ready while the one before goes on serving" in ended.error


def test_nothing_serves(step: Any, start: Any, world: Any, served: dict[str, str]) -> None:
    world.endpoint("fresh", served["4"], runtime="triton", runtime_config={"deploymentMode": "Knative"})
    start("reconcile", follow=True, sweep=1, deploy_mode="simulate")
    ended = step("rollout-blue-green-promote", deployment_id=str(world.row("fresh")["id"]))
    assert ended.code == 1
    assert "nothing serves" in ended.error


@pytest.mark.usefixtures("any_row")
def test_ready_from_before_is_not_believed(step: Any, world: Any, served: dict[str, str]) -> None:
    """No worker runs: the row says READY all the time, and asks for what was asked."""
    for _attempt in range(2):
        ended = step("rollout-canary", model_version_id=served["2"], timeout_seconds=2)
        assert ended.code == 1
        assert "no worker has taken it up in 2 s: the status is still READY from before" in ended.error
    assert world.shares("demo") == {"s3://b/one/": 100}


def test_the_deadline(step: Any, world: Any, api: DeploymentApi, served: dict[str, str]) -> None:
    api.after_put = lambda: world.sql("update endpoints set status = 'DEPLOYING' where name = 'demo'")
    ended = step("rollout-canary", model_version_id=served["2"], timeout_seconds=2)
    assert ended.code == 1
    assert "not true after 2 s: status DEPLOYING" in ended.error
    assert 1 < ended.seconds < 30


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("traffic = '{\"canaryTrafficPercent\": 5}'", "somebody else has asked for something else"),
        ("model_version_id = null", "somebody else has asked for something else"),
        ("autoscaling = '{\"minReplicas\": 3}'", "somebody else has changed autoscaling"),
        ("status = 'DELETING'", "somebody deletes the deployment"),
    ],
)
def test_superseded(step: Any, world: Any, api: DeploymentApi, served: dict[str, str], change: str, told: str) -> None:
    own = psycopg2.connect(world.url)
    own.autocommit = True

    def meanwhile() -> None:
        threading.Timer(0.3, lambda: own.cursor().execute(f"update endpoints set {change} where name = 'demo'")).start()

    api.after_put = meanwhile
    ended = step("rollout-canary", model_version_id=served["2"])
    own.close()
    assert ended.code == 1
    assert told in ended.error


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    "trouble", [[503, 0], [200, 502], [-1, -1], [-1, -200]], ids=["get", "put", "answers", "put's answer"]
)
def test_an_api_that_stumbles(
    step: Any, world: Any, api: DeploymentApi, served: dict[str, str], trouble: list[int]
) -> None:
    api.query = full_row()
    api.trouble = [code for code in trouble if code != 200] if trouble[0] == 200 else list(trouble)
    ended = step("rollout-canary", model_version_id=served["2"])
    assert ended.code == 0, ended
    assert "next try in" in ended.output
    assert world.shares("demo") == {"s3://b/one/": 90, "s3://b/two/": 10}


@pytest.mark.usefixtures("worker")
def test_an_api_that_is_down_and_comes_back(
    step: Any, database: str, api: DeploymentApi, world: Any, served: dict[str, str]
) -> None:
    port = api.port
    api.close()
    later: list[DeploymentApi] = []
    back = ("next try in", lambda: later.append(DeploymentApi(database, port)))
    try:
        ended = step("rollout-canary", when=back, model_version_id=served["2"])
    finally:
        for each in later:
            each.close()
    assert ended.code == 0, ended
    assert "Connection refused" in ended.output
    assert world.shares("demo") == {"s3://b/one/": 90, "s3://b/two/": 10}


def test_an_api_that_stays_away(step: Any, served: dict[str, str]) -> None:
    ended = step(
        "rollout-canary", model_version_id=served["2"], deployment_base_url="http://127.0.0.1:9", timeout_seconds=2
    )
    assert ended.code == 1
    assert "did not answer until the deadline" in ended.error
    assert "Connection refused" in ended.error
    assert ended.seconds < 30


def test_refusals_are_not_tried_again(step: Any, world: World, api: DeploymentApi, served: dict[str, str]) -> None:
    before = world.everything()
    for given, told in (
        ({"deployment_id": str(uuid.uuid4())}, "there is no deployment"),
        ({"tenant_id": str(uuid.uuid4())}, "deployment not found"),
        ({"deployment_id": "demo"}, "with 422: path.deployment_id: Input should be a valid UUID"),
        ({"model_version_id": str(uuid.uuid4())}, "with 422: body.model_version_id: no such model version"),
    ):
        api.requests.clear()
        ended = step("rollout-canary", **{"model_version_id": served["2"], **given})
        assert ended.code == 1
        assert told in ended.error
        assert "next try" not in ended.output
        assert len(api.requests) <= 2
    assert world.everything() == before


def test_bad_parameters_send_nothing(step: Any, api: DeploymentApi, served: dict[str, str]) -> None:
    given: list[tuple[dict[str, Any], str]] = [
        ({"canary_percent": 101}, "canary_percent: '101' is no whole number from 0 to 100"),
        ({"canary_percent": -1}, "canary_percent: '-1'"),
        ({"deployment_id": ""}, "deployment_id: empty"),
        ({"model_version_id": " "}, "model_version_id: empty"),
        ({"deployment_base_url": "file:///etc/passwd"}, "is no http or https address"),
        ({"deployment_base_url": "http://127.0.0.1:port"}, "is no address: nonnumeric port"),
        ({"user_id": "me\r\nX-Tenant-Id: other"}, "user_id: only printable"),
        ({"timeout_seconds": "soon"}, "timeout_seconds: 'soon'"),
    ]
    for each, told in given:
        ended = step("rollout-canary", **{"model_version_id": served["2"], **each})
        assert ended.code == 1
        assert told in ended.error
    assert api.requests == []
