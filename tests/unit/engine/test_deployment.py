# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One endpoint's way: written down before it is written, retried where that helps, stopped where it must."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Drift,
    InvalidIntent,
    LeaseLost,
    Refused,
    StaleWrite,
    Unavailable,
)
from ansible_collections.mlops.serving.plugins.module_utils._engine.deployment import (
    Deployment,
    Result,
    Settings,
    owned,
)
from ansible_collections.mlops.serving.tests.unit.domain.samples import ID, NAME, NAMESPACE, endpoint, rendered
from ansible_collections.mlops.serving.tests.unit.engine.fakes import Cluster, Database, Store

KEY = (NAMESPACE, NAME)
URL = f"http://{NAME}.example.local"


class Desk:
    """One endpoint, its store and its cluster, and a log of what both were told."""

    def __init__(self, **fields: t.Any) -> None:
        self.log: list[str] = []
        self.database = Database(self.log)
        self.cluster = Cluster(self.log)
        self.store = Store(self.database)
        self.row = self.database.add(endpoint(**fields))
        self.pauses: list[float] = []

    def want(self, model: str, percent: int | None = None, **fields: t.Any) -> None:
        traffic = {} if percent is None else {"canaryTrafficPercent": percent}
        hashed = f"{model}{percent}{fields}"
        self.database.change(ID, artifact_uri=f"s3://models/{model}/", traffic=traffic, intent_hash=hashed, **fields)

    def start(self, **settings: t.Any) -> Deployment:
        return Deployment(self.database.take(ID), Settings(**settings), self.database.time)

    def run(self, deployment: Deployment | None = None, limit: int = 50, **settings: t.Any) -> Result:
        deployment = deployment or self.start(**settings)
        self.log.clear()
        self.pauses.clear()
        for _turn in range(limit):
            pause = deployment.advance(self.store, self.cluster)
            if pause is None:
                assert deployment.result.done
                return deployment.result
            self.pauses.append(pause)
        raise AssertionError(f"no end: {self.log}")

    @property
    def writes(self) -> list[str]:
        return [line for line in self.log if line.split(" ")[0] in ("create", "apply", "delete")]

    @property
    def shares(self) -> dict[str, int]:
        return simulation.look(self.cluster.services[KEY]).shares


def served(**fields: t.Any) -> Desk:
    """An endpoint whose first model serves."""
    desk = Desk(**fields)
    assert desk.run().status == "READY"
    return desk


class TestWay:
    def test_of_a_first_deployment(self) -> None:
        desk = Desk()
        result = desk.run()
        assert desk.log == ["take", "record_pending", "create good None", "record_converged"]
        assert (result.status, result.url, result.changed, result.error) == ("READY", URL, True, None)
        assert (result.mode, result.revision, result.writes) == (
            "Knative",
            f"{NAME}-predictor-00001",
            ["first deployment"],
        )
        assert (result.name, result.id, result.namespace, result.service) == ("demo", ID, NAMESPACE, NAME)
        assert (desk.row.endpoint.status, desk.row.endpoint.url, desk.row.serving_mode) == ("READY", URL, "Knative")
        assert desk.row.record.pending is None

    def test_of_a_change_of_model(self) -> None:
        desk = served()
        desk.want("m2")
        assert desk.run().status == "READY"
        assert desk.log == ["take", "record_pending", "apply m2 0", "apply m2 None", "record_converged"]
        assert desk.row.record.stable_revision == f"{NAME}-predictor-00002"

    def test_of_a_canary_that_leaves_the_stable_record_alone(self) -> None:
        desk = served()
        desk.want("m2", 10)
        assert desk.run().revision == f"{NAME}-predictor-00001"
        assert desk.row.record.stable_spec["spec"]["predictor"]["model"]["storageUri"] == "s3://models/good/"
        assert desk.row.record.applied_spec["spec"]["predictor"]["model"]["storageUri"] == "s3://models/m2/"

    def test_of_nothing_to_do(self) -> None:
        desk = served()
        result = desk.run()
        assert desk.log == ["take", "record_converged"]
        assert (result.changed, result.writes) == (False, [])

    def test_of_a_deletion(self) -> None:
        desk = served()
        desk.database.change(ID, status="DELETING")
        result = desk.run()
        assert desk.log == ["take", "delete", "record_deleted"]
        assert (result.status, result.changed, result.url) == ("DELETED", True, None)
        assert KEY not in desk.cluster.services

    def test_of_a_deletion_beside_a_service_of_another(self) -> None:
        desk = served()
        desk.cluster.services[KEY]["object"]["metadata"]["labels"]["mlops.platform/endpoint_id"] = "another"
        desk.database.change(ID, status="DELETING")
        result = desk.run()
        assert desk.writes == []
        assert result.status == "DELETED"
        assert "belongs to endpoint another" in str(result.note)

    def test_waits_less_and_less_often(self) -> None:
        desk = Desk()
        desk.cluster.poll_seconds = 1.0
        deployment = desk.start()
        assert deployment.advance(desk.store, desk.cluster) == 0.0
        desk.cluster.ticking = False
        assert [deployment.advance(desk.store, desk.cluster) for _turn in range(7)] == [
            1.0,
            2.0,
            3.0,
            4.0,
            5.0,
            5.0,
            5.0,
        ]
        assert deployment.result.waits_for

    def test_shows_what_is_ours_of_before_and_after(self) -> None:
        desk = served()
        desk.cluster.services[KEY]["object"]["metadata"]["labels"]["of-others"] = "x"
        desk.want("m2")
        result = desk.run()
        assert result.before is not None
        assert result.after is not None
        assert set(result.before["metadata"]["labels"]) == set(result.after["metadata"]["labels"])
        assert "mlops.platform/template" not in result.after["metadata"]["annotations"]
        assert result.before["spec"]["predictor"]["model"]["storageUri"] == "s3://models/good/"
        assert result.after["spec"]["predictor"]["model"]["storageUri"] == "s3://models/m2/"
        assert "status" not in result.before

    def test_tells_the_cluster_everything_that_was_written_before(self) -> None:
        desk = served(runtime_config={"env": {"A": "1"}})
        desk.want("m2", runtime_config={"timeout": 60})
        desk.cluster.trouble.next("apply", StaleWrite("changed meanwhile"))
        desk.run()
        previous = desk.cluster.previous[-1]
        assert previous is not None
        assert previous["spec"]["predictor"]["model"]["env"] == [{"name": "A", "value": "1"}]
        assert previous["spec"]["predictor"]["timeout"] == 60


class TestKilled:
    @pytest.mark.parametrize("calls", range(6))
    def test_at_any_point_the_next_one_ends_like_it(self, calls: int) -> None:
        desk = served()
        desk.want("m2")
        victim = desk.start()
        for _turn in range(calls):
            if victim.advance(desk.store, desk.cluster) is None:
                break
        assert desk.run().status == "READY"
        assert desk.shares == {f"{NAME}-predictor-00002": 100}

    @pytest.mark.parametrize("percent", [None, 10])
    def test_between_writing_down_and_writing(self, percent: int | None) -> None:
        desk = served()
        desk.want("m2", percent)
        desk.cluster.trouble.next("apply", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            desk.run()
        assert desk.row.record.pending is not None
        assert desk.run().status == "READY"
        assert len(desk.cluster.services[KEY]["revisions"]) == 2

    def test_the_late_one_writes_nothing(self) -> None:
        desk = served()
        desk.want("m2")
        late = desk.start()
        desk.run()
        desk.log.clear()
        desk.want("m3")
        assert late.advance(desk.store, desk.cluster) is None
        assert isinstance(late.result.error, LeaseLost)
        assert desk.writes == []


class TestStaleWrite:
    def test_starts_again(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.trouble.next("apply", StaleWrite("1"), StaleWrite("2"))
        assert desk.run().status == "READY"
        assert desk.writes == ["apply m2 0", "apply m2 None"]
        assert [pause for pause in desk.pauses if pause > 0][:2] == [0.05, 0.1]

    def test_that_somebody_really_caused(self) -> None:
        desk = served()
        desk.want("m2")
        once = [1]

        def elsewhere() -> None:
            if once:
                once.clear()
                desk.cluster.versions[KEY] += 1

        desk.cluster.before_write = elsewhere
        assert desk.run().status == "READY"
        assert desk.shares == {f"{NAME}-predictor-00002": 100}

    def test_after_which_a_cleared_variable_is_gone_all_the_same(self) -> None:
        desk = served(runtime_config={"env": {"A": "1"}})
        desk.want("good", runtime_config={})
        desk.cluster.trouble.next("apply", StaleWrite("changed meanwhile"))
        assert desk.run().status == "READY"
        assert "env" not in desk.cluster.services[KEY]["object"]["spec"]["predictor"]["model"]

    def test_for_ever_ends_with_the_deadline(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.trouble.always("apply", StaleWrite("changed meanwhile"))
        result = desk.run(timeout=0.0)
        assert isinstance(result.error, StaleWrite)
        assert result.status == "READY"
        assert desk.row.last_error is not None

    def test_again_and_again_is_not_taken_for_drift(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.trouble.next("apply", *[StaleWrite("x")] * 8)
        assert desk.run().error is None


class TestLeaseLost:
    @pytest.mark.parametrize(
        ("where", "method"),
        [("store", "renew"), ("cluster", "take"), ("store", "record_pending"), ("cluster", "apply")],
    )
    def test_stops_without_another_write(self, where: str, method: str) -> None:
        desk = served()
        desk.want("m2")
        trouble = desk.database.trouble if where == "store" else desk.cluster.trouble
        trouble.always(method, LeaseLost("another worker has it now"))
        result = desk.run(ttl=0.0)
        assert result.status == "superseded"
        assert isinstance(result.error, LeaseLost)
        assert result.error.endpoint == "demo"
        assert desk.writes == []
        assert not {"record_failed", "record_converged", "release"} & set(desk.log)

    def test_at_the_end_is_no_success(self) -> None:
        desk = Desk()
        desk.database.trouble.always("record_converged", LeaseLost("another worker has it now"))
        assert desk.run().status == "superseded"


class TestUnavailable:
    def test_is_tried_again_with_longer_pauses(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.trouble.next("observe", *[Unavailable("cannot read: timed out")] * 5)
        assert desk.run().status == "READY"
        assert desk.pauses[:5] == [1.0, 2.0, 4.0, 8.0, 15.0]

    def test_waits_as_it_was_told(self) -> None:
        desk = Desk()
        desk.cluster.trouble.next("create", Unavailable("429", retry_after=3.0))
        desk.run()
        assert desk.pauses[0] == 3.0

    def test_is_given_up_and_what_served_serves_on(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.trouble.always("apply", Unavailable("cannot apply: 503"))
        result = desk.run()
        assert len(desk.pauses) == 5
        assert isinstance(result.error, Unavailable)
        assert str(result.error) == "endpoint demo: cannot apply: 503."
        assert (result.status, desk.row.endpoint.status, desk.row.leased) == ("READY", "READY", False)
        assert desk.row.last_error == str(result.error)
        assert desk.shares == {f"{NAME}-predictor-00001": 100}
        desk.cluster.trouble.always("apply", None)
        assert desk.run().error is None
        assert desk.shares == {f"{NAME}-predictor-00002": 100}

    def test_is_given_up_with_nothing_that_serves(self) -> None:
        desk = Desk()
        desk.cluster.trouble.always("create", Unavailable("cannot create: 503"))
        assert desk.run().status == "ERROR"
        assert desk.row.endpoint.status == "ERROR"

    def test_now_and_then_is_not_given_up(self) -> None:
        desk = Desk()
        away = Unavailable("away")
        desk.cluster.trouble.next("observe", *[away, None] * 8)
        desk.cluster.ticking = False
        deployment = desk.start()
        for _turn in range(16):
            assert deployment.advance(desk.store, desk.cluster) is not None

    def test_after_the_deadline_is_not_tried_again(self) -> None:
        desk = Desk()
        desk.cluster.trouble.always("observe", Unavailable("away"))
        assert isinstance(desk.run(timeout=0.0).error, Unavailable)
        assert desk.pauses == []

    def test_store_that_is_away_too_is_no_crash(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.trouble.always("observe", Unavailable("away"))
        desk.database.trouble.always("record_failed", Unavailable("the database is away"))
        assert str(desk.run().error) == "endpoint demo: away."


class TestRowThatChangesMeanwhile:
    def test_is_followed(self) -> None:
        desk = served()
        desk.want("m2")
        deployment = desk.start(ttl=0.0)
        deployment.advance(desk.store, desk.cluster)
        desk.want("m3")
        result = desk.run(deployment)
        assert result.status == "READY"
        assert "apply m3 0" in desk.writes
        assert not any("m2 None" in write for write in desk.writes)
        assert desk.row.applied_hash == desk.row.endpoint.intent_hash
        assert result.after is not None
        assert result.after["spec"]["predictor"]["model"]["storageUri"] == "s3://models/m3/"

    def test_to_be_deleted_is_deleted(self) -> None:
        desk = served()
        desk.want("m2")
        deployment = desk.start(ttl=0.0)
        deployment.advance(desk.store, desk.cluster)
        desk.database.change(ID, status="DELETING", intent_hash="h9")
        assert desk.run(deployment).status == "DELETED"

    def test_is_not_asked_for_at_every_step(self) -> None:
        desk = served()
        desk.want("m2")
        desk.database.trouble.always("renew", AssertionError("too early"))
        assert desk.run(ttl=60.0).status == "READY"


class TestErrors:
    def test_what_cannot_be_is_told_and_nothing_is_written(self) -> None:
        desk = served()
        desk.want("m2", 150)
        result = desk.run()
        assert isinstance(result.error, InvalidIntent)
        assert desk.log == ["record_failed"]
        assert (result.status, desk.row.endpoint.status) == ("READY", "READY")
        assert "traffic.canaryTrafficPercent = 150" in str(desk.row.last_error)

    def test_a_row_that_cannot_be_while_it_is_stopped_is_not_said_to_serve(self) -> None:
        desk = served()
        desk.want("good", runtime_config={"stopped": True})
        assert desk.run().status == "STOPPED"
        desk.want("good", runtime_config={"stopped": "perhaps"})
        result = desk.run()
        assert isinstance(result.error, InvalidIntent)
        assert (result.status, desk.row.endpoint.status) == ("ERROR", "ERROR")

    def test_what_admission_refuses_is_final(self) -> None:
        desk = Desk()
        desk.cluster.trouble.next("create", Refused("admission webhook denied the request: no tenants here"))
        result = desk.run()
        assert result.status == "ERROR"
        assert "no tenants here" in str(desk.row.last_error)
        assert desk.pauses == []

    def test_a_candidate_that_does_not_load_leaves_the_endpoint_ready(self) -> None:
        desk = served()
        desk.want("bad")
        result = desk.run()
        assert isinstance(result.error, Refused)
        assert (result.status, desk.row.endpoint.status) == ("READY", "READY")
        assert "CrashLoopBackOff" in str(desk.row.last_error)
        assert desk.row.record.pending is not None

    def test_an_endpoint_that_never_served_is_in_error(self) -> None:
        desk = Desk(artifact_uri="s3://models/bad/")
        assert desk.run().status == "ERROR"

    def test_a_write_that_does_not_stay_ends_the_try(self) -> None:
        desk = served()

        def stubborn(manifest: dict[str, t.Any]) -> dict[str, t.Any]:
            manifest["spec"]["predictor"]["minReplicas"] = 7
            return manifest

        desk.cluster.keeps = stubborn
        desk.want("good", autoscaling={"minReplicas": 1})
        result = desk.run()
        assert isinstance(result.error, Drift)
        assert "spec.predictor.minReplicas" in str(result.error)
        assert len(desk.writes) == 3
        assert result.status == "READY"

    def test_what_nobody_expected_is_not_hidden(self) -> None:
        desk = Desk()
        desk.cluster.trouble.next("observe", KeyError("surprise"))
        with pytest.raises(KeyError, match="surprise"):
            desk.run()

    def test_the_deadline(self) -> None:
        desk = served()
        desk.want("m2")
        desk.cluster.ticking = False
        result = desk.run(timeout=0.0)
        assert "did not get ready in time" in str(result.error)
        assert result.status == "READY"
        assert desk.writes == ["apply m2 0"]

    def test_the_stored_mode_holds(self) -> None:
        desk = served()
        desk.want("m2", runtime_config={"deploymentMode": "Standard"})
        assert "does not let it change to Standard" in str(desk.run().error)
        assert desk.writes == []


def test_release_gives_the_endpoint_back() -> None:
    desk = served()
    deployment = desk.start()
    deployment.release(desk.store)
    assert not desk.row.leased
    desk.database.trouble.always("release", Unavailable("away"))
    deployment.release(desk.store)


def test_owned_of_nothing() -> None:
    assert owned(None, None) is None
    assert owned(None, rendered().manifest) is None
    live = copy.deepcopy(rendered().manifest)
    live["metadata"]["labels"]["of-others"] = "x"
    shown = owned(live, None)
    assert shown is not None
    assert "of-others" in shown["metadata"]["labels"]
