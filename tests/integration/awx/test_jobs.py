# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every job template, run through ansible-runner as a controller runs jobs."""

from __future__ import annotations

import json
from typing import Any

from world import World

from .conftest import serving
from .jobs import Controller, Job

DEMO = {"endpoint": "demo", "model_version": "2"}


def good(job: Job) -> Job:
    assert job.status == "successful", job.output
    assert "[WARNING]" not in job.output, job.output
    return job


def failed(job: Job) -> Job:
    assert job.status == "failed", job.output
    assert "Traceback" not in job.output, job.output
    return job


def test_canary(controller: Controller, world: World, served: Any) -> None:
    job = good(
        controller.launch("Serving: canary", {**DEMO, "steps": "[10, 50]", "gates": "[{metric: errors, max: 2%}]"})
    )
    assert "SIMULATED" in job.output
    assert serving(world) == {"two": 100}
    row = world.one("select created_by, plan from serving.rollout")
    assert row["created_by"] == "amy (AWX job 1)"
    assert row["plan"]["steps"] == [10, 50]
    assert row["plan"]["gates"][0]["max"] == "2%"
    again = good(controller.launch("Serving: canary", DEMO))
    assert again.changed == 0
    assert world.url.partition("@")[0].rpartition(":")[2] not in job.output, "the password of the store"


def test_canary_that_is_sent_back(controller: Controller, world: World, served: Any) -> None:
    job = failed(controller.launch("Serving: canary", {**DEMO, "model_version": "3"}))
    assert "rolled back" in job.output
    assert serving(world) == {"one": 100}


def test_canary_with_an_approval(controller: Controller, world: World, served: Any) -> None:
    good(controller.launch("Serving: canary", {**DEMO, "rollout_approvals": "5,promote", "rollout_until": ""}))
    assert serving(world) == {"one": 99, "two": 1}
    good(controller.launch("Serving: canary", {"endpoint": "demo", "rollout_action": "abort"}))
    assert serving(world) == {"one": 100}


def test_ab(controller: Controller, world: World, served: Any) -> None:
    good(controller.launch("Serving: A/B", {**DEMO, "split": 40, "duration": "1s", "winner": "ask"}))
    assert serving(world) == {"one": 60, "two": 40}
    good(controller.launch("Serving: A/B", {"endpoint": "demo", "rollout_action": "resume"}))
    assert serving(world) == {"two": 100}


def test_blue_green_and_rollback(controller: Controller, world: World, served: Any) -> None:
    early = failed(controller.launch("Serving: blue/green, promote", {"endpoint": "demo"}))
    assert "Nothing to promote" in early.output
    good(controller.launch("Serving: blue/green, stage", {**DEMO, "watch": "1s"}))
    assert serving(world) == {"one": 100}
    good(controller.launch("Serving: blue/green, promote", {"endpoint": "demo"}))
    assert serving(world) == {"two": 100}
    good(controller.launch("Serving: rollback", {"endpoint": "demo"}))
    assert serving(world) == {"one": 100}


def test_deploy(controller: Controller, world: World, versions: Any) -> None:
    intent = {"name": "demo", "model": "add_sub", "model_version": 1, "runtime": "triton"}
    scope = {"tenant_id": world.tenant, "project_id": world.project}
    good(controller.launch("Serving: deploy", {"endpoints": [intent], **scope}))
    assert serving(world) == {"one": 100}
    again = good(controller.launch("Serving: deploy", {"endpoints": [intent], **scope}))
    assert again.changed == 0


def test_schedules(controller: Controller, world: World, versions: Any) -> None:
    sweep, drift = controller.definitions["controller_schedules"]
    world.endpoint("demo", versions["1"], runtime="triton", runtime_config={"deploymentMode": "Knative"})
    assert good(controller.launch(sweep["unified_job_template"], sweep["extra_data"])).changed > 0
    assert serving(world) == {"one": 100}
    again = good(controller.launch(drift["unified_job_template"], drift["extra_data"]))
    assert again.changed == 0


def test_dead_letters(controller: Controller, world: World) -> None:
    insert = (
        "insert into serving.dead_letter (stream, stream_sequence, subject, payload, reason, size)"
        " values ('S', %s, 'deploy', '{}', 'it is not JSON', 2) returning id"
    )
    numbers = [world.one(insert, number)["id"] for number in (1, 2, 3)]
    shown = good(controller.launch("Serving: dead letters, show"))
    assert shown.output.count("it is not JSON") == 3
    ids = f"{numbers[0]},{numbers[2]}"
    good(controller.launch("Serving: dead letters, end", {"state": "discarded", "ids": ids}))
    left = world.sql("select id from serving.dead_letter where discarded_at is null")
    assert left == [{"id": numbers[1]}]


def test_replay_names_the_server_that_does_not_answer(controller: Controller, world: World) -> None:
    failing = failed(controller.launch("Serving: dead letters, end", {"state": "replayed", "ids": "1"}))
    assert "127.0.0.1:1" in failing.output or "there is no" in failing.output, failing.output


def test_publish_models(controller: Controller, s3: Any, bucket: str) -> None:
    keys = {"endpoint_url": s3.endpoint_url, "access_key": s3.access_key, "secret_key": s3.secret_key}
    controller.secrets = {**controller.secrets, "Serving: S3": keys}
    job = good(controller.launch("Serving: publish models", {"triton_repository_bucket": bucket}))
    assert f"storageUri: s3://{bucket}/" in job.output
    assert s3.secret_key not in job.output
    assert s3.client().list_objects_v2(Bucket=bucket)["KeyCount"] > 0


def test_the_clusters_own_credential_reaches_the_installation(controller: Controller) -> None:
    """No server listens there: the job says so, and names the server of the credential."""
    token = "a-token-that-nobody-may-see"
    cluster = {"host": "https://127.0.0.1:1", "bearer_token": token, "verify_ssl": False}
    controller.secrets = {**controller.secrets, "Serving: cluster": cluster}
    job = failed(controller.launch("Serving: install KServe", {"kserve_mode": "standard", "serving_skip": ["kyverno"]}))
    assert "https://127.0.0.1:1" in job.output, job.output
    assert token not in json.dumps([job.output])
