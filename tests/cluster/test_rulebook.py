# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped rulebook on a real cluster: a request is published, ansible-rulebook takes it in, Triton answers through Envoy."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from rulebook import START, Rulebook

from .desk import Desk
from .test_deploy import KNATIVE, ONE
from .waiting import wait_for

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")


@pytest.fixture
def desk(cluster: t.Any, namespace: t.Any, database: str) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        yield desk


@pytest.fixture
def rulebook(desk: Desk, nats_url: str, tmp_path: Path) -> t.Iterator[Rulebook]:
    told = ("DATABASE_URL", "K8S_AUTH_KUBECONFIG", "DEPLOY_MODE", "KSERVE_NAMESPACE", "DEPLOY_TIMEOUT_SECONDS")
    book = Rulebook(tmp_path, {"NATS_URL": nats_url, **{name: desk.environment[name] for name in told}})
    yield book
    book.end()


def test_from_a_request_to_answers_a_change_and_a_deletion(desk: Desk, rulebook: Rulebook, nats_url: str) -> None:
    desk.version(1, desk.namespace.storage_uri)
    desk.version(2, desk.namespace.storage_uri_v2)
    wait_for(rulebook.working, bool, timeout=START, what="a worker behind the rulebook")

    def becomes(good: t.Callable[[dict[str, t.Any]], bool], what: str) -> None:
        try:
            wait_for(lambda: desk.row("demo"), good, timeout=240, what=what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{rulebook.output()}") from None

    demo = {"model": "add_sub", "runtime": "kserve-triton", "autoscaling": ONE, "runtime_config": KNATIVE}
    asked = desk.module("deploy_request", name="demo", model_version=1, nats_servers=[nats_url], **demo)
    assert asked["published"] == 1
    becomes(lambda row: row["status"] == "READY", "the endpoint serves")
    assert desk.infer("demo") == {"OUTPUT0": [11.0, 22.0], "OUTPUT1": [9.0, 18.0], "model_version": "1"}
    first = desk.row("demo")["stable_revision"]

    # The same once more is one more event, and neither a write nor a revision.
    desk.module("deploy_request", name="demo", again=True, nats_servers=[nats_url])

    with desk.load("demo", rate=20) as load:
        desk.module("deploy_request", name="demo", model_version=2, nats_servers=[nats_url])
        becomes(lambda row: row["stable_revision"] not in (None, first), "the second version serves")
    assert load.failed == 0, load.errors
    assert desk.infer("demo")["model_version"] == "2"
    assert desk.shares("demo") == {desk.row("demo")["stable_revision"]: 100}
    assert first.endswith("-00001")
    assert desk.row("demo")["stable_revision"].endswith("-00002")

    desk.module("deploy_request", name="demo", state="absent", nats_servers=[nats_url])
    becomes(lambda row: row["status"] == "DELETED", "the endpoint is removed")
    assert desk.service("demo") is None
