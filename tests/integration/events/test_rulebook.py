# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped rulebook in a real ansible-rulebook: from an event on the platform's own stream to an endpoint that is served."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rulebook import START, Rulebook
from waiting import until

SUBJECT = "mlops.serving.{}_requested"


@pytest.fixture
def rulebook(world: Any, nats_url: str, tmp_path: Path) -> Iterator[Rulebook]:
    made = Rulebook(tmp_path, {"DATABASE_URL": world.url, "NATS_URL": nats_url, "DEPLOY_MODE": "simulate"})
    yield made
    made.end()


@pytest.fixture
def publish(loop: Any, nats_url: str) -> Iterator[Any]:
    import nats

    connection = loop.do(nats.connect(nats_url))

    def send(kind: str, world: Any, endpoint: str) -> None:
        event = {"tenant_id": world.tenant, "project_id": world.project, "endpoint_id": endpoint, "name": "demo"}

        async def both() -> None:
            stream = connection.jetstream()
            await stream.publish(
                SUBJECT.format(kind), json.dumps(event).encode(), headers={"Nats-Msg-Id": uuid.uuid4().hex}
            )

        loop.do(both())

    yield send
    with contextlib.suppress(Exception):  # the next test's rulebook makes it anew
        loop.do(connection.jetstream().delete_stream("MLOPS_SERVING"))
    loop.do(connection.close())


def test_from_an_event_to_a_served_endpoint_and_over_a_worker_that_is_killed(
    rulebook: Rulebook, publish: Any, world: Any, versions: list[str]
) -> None:
    until(rulebook.working, START, told=rulebook.output)

    first = world.endpoint("demo", versions[0])
    publish("deploy", world, first)
    until(lambda: world.row("demo")["status"] == "READY", told=rulebook.output)
    assert world.shares("demo") == {"s3://models/add_sub/1/": 100}

    killed = rulebook.workers()
    assert killed
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: rulebook.working(times=2), START, told=rulebook.output)
    world.sql("update endpoints set model_version_id = %s where id = %s", versions[1], first)
    publish("deploy", world, first)
    until(lambda: world.shares("demo") == {"s3://models/add_sub/2/": 100}, 60, told=rulebook.output)

    world.sql("update endpoints set status = 'DELETING' where id = %s", first)
    publish("delete", world, first)
    until(lambda: not world.sql("select 1 from serving.simulated_service"), told=rulebook.output)
    rulebook.end()
    assert "Traceback" not in rulebook.output()
