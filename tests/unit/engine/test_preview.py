# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode: says what a run would do first, and writes nothing."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused
from ansible_collections.mlops.serving.plugins.module_utils._engine.deployment import Result, Settings
from ansible_collections.mlops.serving.plugins.module_utils._engine.preview import preview
from ansible_collections.mlops.serving.tests.unit.domain.samples import ID
from ansible_collections.mlops.serving.tests.unit.engine.test_deployment import KEY, Desk, served


def check(desk: Desk) -> Result:
    """Looks, and holds that nothing was written anywhere."""
    claim = desk.database.take(ID)
    rows, services = copy.deepcopy(desk.database.rows), copy.deepcopy(desk.cluster.services)
    desk.cluster.ticking = False
    desk.log.clear()
    result = preview(claim, desk.cluster, Settings(), desk.database.time)
    assert desk.database.rows == rows
    assert desk.cluster.services == services
    assert set(desk.log) <= {"dry run"}
    assert result.done
    return result


def test_first_deployment() -> None:
    desk = Desk()
    result = check(desk)
    assert (result.changed, result.status, result.mode, result.writes) == (
        True,
        "READY",
        "Knative",
        ["first deployment"],
    )
    assert result.before is None
    assert result.after is not None
    assert desk.log == ["dry run"]


def test_change_of_model() -> None:
    desk = served()
    desk.want("m2")
    result = check(desk)
    assert result.changed
    assert result.writes == ["stage at 0 %; changed: spec.predictor.model.storageUri"]
    assert result.before is not None
    assert result.after is not None
    assert result.before["spec"]["predictor"]["model"]["storageUri"] == "s3://models/good/"
    assert result.after["spec"]["predictor"]["model"]["storageUri"] == "s3://models/m2/"


def test_nothing_to_do() -> None:
    desk = served()
    result = check(desk)
    assert (result.changed, result.writes, result.status, result.error) == (False, [], "READY", None)
    assert desk.log == []


@pytest.mark.parametrize("row", [{"status": "DEPLOYING"}, {"url": "http://old"}])
def test_a_row_that_would_be_set_right(row: dict[str, str]) -> None:
    desk = served()
    desk.database.change(ID, **row)
    assert check(desk).changed


def test_deletion() -> None:
    desk = served()
    desk.database.change(ID, status="DELETING")
    result = check(desk)
    assert (result.changed, result.status, result.writes) == (True, "DELETED", ["the endpoint is to be deleted"])
    assert KEY in desk.cluster.services
    assert result.after is None


def test_deletion_of_what_is_gone() -> None:
    desk = Desk(status="DELETING")
    result = check(desk)
    assert (result.changed, result.status, result.writes) == (True, "DELETED", [])


def test_something_to_wait_for() -> None:
    desk = served()
    desk.want("m2")
    deployment = desk.start()
    deployment.advance(desk.store, desk.cluster)
    result = check(desk)
    assert (result.changed, result.writes) == (True, [])


def test_what_admission_would_refuse() -> None:
    desk = Desk()
    desk.cluster.trouble.next("apply", Refused("admission webhook denied the request: no tenants here"))
    result = check(desk)
    assert (result.changed, result.writes) == (False, [])
    assert "endpoint demo: admission webhook denied the request" in str(result.error)


def test_what_a_run_would_refuse() -> None:
    desk = Desk(traffic={"canaryTrafficPercent": 0})
    result = check(desk)
    assert "nothing to stage beside" in str(result.error)


def test_what_cannot_be() -> None:
    desk = served()
    desk.want("m2", 150)
    result = check(desk)
    assert "traffic.canaryTrafficPercent = 150" in str(result.error)
    assert not result.changed


def test_warnings() -> None:
    assert len(check(Desk(runtime_config={"batcher": True})).warnings) == 1
