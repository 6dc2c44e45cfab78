# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convergence step by step: what is written, in which order, and what is waited for."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.convergence import (
    Apply,
    Converged,
    Create,
    Desired,
    Failed,
    Pending,
    Record,
    Wait,
    converge,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused, Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import ENDPOINT_LABEL
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import Failure, Observed, TrafficTarget
from ansible_collections.mlops.serving.tests.unit.domain.samples import ID, NAME, World, rendered, share

R1, R2, R3 = (f"{NAME}-predictor-0000{n}" for n in (1, 2, 3))


def seen(manifest: dict[str, t.Any], **fields: t.Any) -> Observed:
    """A look at an InferenceService in Knative mode that serves 100 % from its first revision."""
    steady = {
        "live": copy.deepcopy(manifest),
        "owner": ID,
        "mode": "Knative",
        "url": "http://demo",
        "ready": True,
        "latest_created": R1,
        "latest_ready": R1,
        "latest_rolledout": R1,
        "traffic": (TrafficTarget(R1, 100, "latest", latest=True),),
    }
    return Observed(**{**steady, **fields})


def wants(manifest: dict[str, t.Any] | None, **fields: t.Any) -> Desired:
    return Desired(ID, "demo", manifest, **fields)


def model(uri: str, percent: int | None = None, **fields: t.Any) -> dict[str, t.Any]:
    config = {"deploymentMode": "Knative", **fields.pop("runtime_config", {})}
    traffic = {} if percent is None else {"canaryTrafficPercent": percent}
    return rendered(artifact_uri=f"s3://models/{uri}/", traffic=traffic, runtime_config=config, **fields).manifest


def stable_record(manifest: dict[str, t.Any], **fields: t.Any) -> Record:
    return Record("v1", R1, manifest, manifest, **fields)


class TestFirstDeployment:
    def test_creates_waits_for_the_revision_and_for_the_traffic(self) -> None:
        world = World().want("m1")
        first = world.step()
        assert isinstance(first, Create)
        assert first.pending.revision_before is None
        assert first.pending.at == world.now
        assert isinstance(world.look(), Wait)
        end = world.run()
        assert end == Converged(f"http://{NAME}.example.local", R1, world.desired.manifest, promoted=True)
        assert world.writes == []

    @pytest.mark.parametrize("percent", [1, 50, 99, 100])
    def test_takes_all_traffic_whatever_the_percentage(self, percent: int) -> None:
        world = World().want("m1", percent)
        end = world.run()
        assert isinstance(end, Converged)
        assert world.writes == ["create m1 None"]
        assert world.shares() == {"m1": 100}
        assert (end.note or "") == (
            ""
            if percent == 100
            else f"the {percent} % take effect with the next model version; nothing is to be split now"
        )

    def test_cannot_be_staged_beside_nothing(self) -> None:
        step = World().want("m1", 0).step()
        assert isinstance(step, Failed)
        assert not step.serving
        assert step.error.code == "refused"
        assert step.error.field == "traffic.canaryTrafficPercent"
        assert "nothing to stage beside" in str(step.error)
        assert "Leave the percentage out" in str(step.error)

    def test_that_never_got_ready_is_replaced_without_staging(self) -> None:
        world = World().want("bad")
        assert isinstance(world.run(), Failed)
        assert isinstance(world.want("m1").run(), Converged)
        assert world.writes == ["apply m1 None"]

    def test_that_never_got_ready_cannot_be_staged_beside(self) -> None:
        world = World().want("bad")
        assert isinstance(world.run(), Failed)
        assert isinstance(world.want("m1", 0).step(), Failed)

    def test_of_a_model_that_does_not_load_fails_at_once_and_serves_nothing(self) -> None:
        world = World().want("bad")
        end = world.run()
        assert isinstance(end, Failed)
        assert not end.serving
        assert world.now < 1010
        assert "no such file" in str(end.error)


class TestChangeOfModel:
    def test_is_staged_at_0_and_cleared_when_ready(self) -> None:
        world = World().deploy("m1").want("m2")
        staged = world.step()
        assert isinstance(staged, Apply)
        assert share(staged.manifest) == 0
        assert staged.pending is not None
        assert staged.pending.revision_before == R1
        assert "canaryTrafficPercent" not in staged.pending.template["spec"]["predictor"]
        assert isinstance(world.look(), Wait)
        end = world.run()
        assert isinstance(end, Converged)
        assert (end.revision, end.promoted) == (R2, True)
        assert world.writes == ["apply m2 None"]
        assert all(shares in ({"m1": 100}, {"m2": 100}) for shares in world.seen_shares)

    def test_says_what_changed_in_words_that_a_person_knows(self) -> None:
        step = World().deploy("m1").want("m2", runtime_config={"env": {"LOG": "1"}}).step()
        assert isinstance(step, Apply)
        assert step.why == "stage at 0 %; changed: spec.predictor.model.env.LOG, spec.predictor.model.storageUri"

    def test_that_does_not_load_leaves_the_stable_model_alone(self) -> None:
        world = World().deploy("m1").want("bad")
        end = world.run()
        assert isinstance(end, Failed)
        assert end.serving
        assert isinstance(end.error, Refused)
        assert "CrashLoopBackOff" in str(end.error)
        assert "register a model version that loads" in str(end.error)
        assert world.shares() == {"m1": 100}
        assert world.writes == ["apply bad 0"]

    def test_after_one_that_did_not_load(self) -> None:
        world = World().deploy("m1")
        world.want("bad").run()
        assert isinstance(world.want("m2").run(), Converged)
        assert world.writes == ["apply m2 0", "apply m2 None"]
        assert all(shares in ({"m1": 100}, {"m2": 100}) for shares in world.seen_shares)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"autoscaling": {"minReplicas": 1}}),
            ({"autoscaling": {"minReplicas": 1}}, {}),
            ({}, {"runtime_config": {"modelFormat": "triton", "modelFormatVersion": "2"}}),
            ({"runtime": "kserve"}, {"runtime": "kserve", "runtime_config": {"protocolVersion": "v1"}}),
            ({}, {"runtime_config": {"annotations": {"serving.knative.dev/rollout-duration": "60s"}}}),
        ],
    )
    def test_that_changes_nothing_for_knative_does_not_wake_the_model_before(
        self, before: dict[str, t.Any], after: dict[str, t.Any]
    ) -> None:
        # Without a revision of its own, staging it at 0 % would send all traffic to m1.
        world = World().deploy("m1")
        assert isinstance(world.want("m2", **before).run(), Converged)
        assert isinstance(world.want("m2", **after).run(), Converged)
        assert all(shares == {"m2": 100} for shares in world.seen_shares)

    def test_clears_a_field_even_where_the_write_was_only_written_down(self) -> None:
        # Written down, then refused as stale (or killed): what was applied before must still be known to be in the way.
        with_env = model("m1", runtime_config={"env": {"SECRET": "1"}})
        without = model("m1")
        record = stable_record(with_env, pending=Pending(without, R1, 1.0))
        step = converge(wants(without), record, seen(with_env), 2.0)
        assert isinstance(step, Apply)
        assert "spec.predictor.model.env.SECRET" in step.why

    def test_waits_for_the_answer_to_the_write_before(self) -> None:
        # m2 is written and KServe has not made its revision. If m3 were written now, m2's revision could pass for m3's.
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 100.0))
        written = seen(model("m2", 0))
        assert isinstance(converge(wants(model("m3")), record, written, 101.0), Wait)
        assert isinstance(converge(wants(model("m3")), record, written, 131.0), Apply)
        answered = dataclasses.replace(written, latest_created=R2)
        assert isinstance(converge(wants(model("m3")), record, answered, 101.0), Apply)
        refused = dataclasses.replace(written, failures=(Failure("NoSupportingRuntime", "none"),))
        assert isinstance(converge(wants(model("m3")), record, refused, 106.0), Apply)

    def test_that_knative_refused_is_taken_back_without_a_percentage(self) -> None:
        # No revision was made of m2, and m1 makes none: at 0 % the traffic would go to the model before m1.
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 100.0))
        refused = seen(model("m2", 0), failures=(Failure("ReconcileFailed", "denied the request"),))
        step = converge(wants(model("m1")), record, refused, 110.0)
        assert isinstance(step, Apply)
        assert share(step.manifest) is None
        assert step.pending is None
        assert isinstance(converge(wants(model("m1")), record, seen(model("m1")), 111.0), Converged)


class TestCanary:
    def test_10_then_50_then_promoted(self) -> None:
        world = World().deploy("m1")
        end = world.want("m2", 10).run()
        assert isinstance(end, Converged)
        assert (end.revision, end.promoted) == (R1, False)
        assert world.writes == ["apply m2 0", "apply m2 10"]
        assert world.shares() == {"m1": 90, "m2": 10}
        assert isinstance(world.want("m2", 50).run(), Converged)
        assert world.writes == ["apply m2 50"]
        assert world.shares() == {"m1": 50, "m2": 50}
        end = world.want("m2").run()
        assert isinstance(end, Converged)
        assert (end.revision, end.promoted) == (R2, True)
        assert world.writes == ["apply m2 None"]
        assert world.shares() == {"m2": 100}

    def test_100_percent_is_a_promotion(self) -> None:
        world = World().deploy("m1")
        world.want("m2", 10).run()
        end = world.want("m2", 100).run()
        assert isinstance(end, Converged)
        assert end.promoted
        assert world.shares() == {"m2": 100}

    def test_staged_at_0_is_there_with_an_address_and_no_traffic(self) -> None:
        world = World().deploy("m1")
        assert isinstance(world.want("m2", 0).run(), Converged)
        assert world.writes == ["apply m2 0"]
        assert world.shares() == {"m1": 100}
        assert ("latest", R2) in {(target.tag, target.revision) for target in simulation.look(world.state).traffic}

    def test_staged_at_0_is_not_believed_before_the_route_knows_it(self) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 1.0))
        stale = seen(model("m2", 0), latest_created=R2, latest_ready=R2)
        assert isinstance(converge(wants(model("m2", 0)), record, stale, 2.0), Wait)

    @pytest.mark.parametrize("percent", [10, None])
    def test_is_not_raised_before_the_traffic_says_0(self, percent: int | None) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 1.0))
        early = seen(model("m2", 0), latest_created=R2, latest_ready=R2, traffic=(TrafficTarget(R2, 100, latest=True),))
        assert isinstance(converge(wants(model("m2", percent)), record, early, 2.0), Wait)
        now = dataclasses.replace(
            early, traffic=(TrafficTarget(R2, 0, "latest", latest=True), TrafficTarget(R1, 100, "prev"))
        )
        step = converge(wants(model("m2", percent)), record, now, 2.0)
        assert isinstance(step, Apply)
        assert share(step.manifest) == percent

    def test_back_to_0(self) -> None:
        world = World().deploy("m1")
        world.want("m2", 30).run()
        assert isinstance(world.want("m2", 0).run(), Converged)
        assert world.writes == ["apply m2 0"]
        assert world.shares() == {"m1": 100}

    def test_rejected_gets_nothing_while_the_next_model_comes(self) -> None:
        world = World().deploy("m1")
        world.want("rejected", 20).run()
        world.want("rejected", 0).run()
        assert isinstance(world.want("m3", 20).run(), Converged)
        assert world.writes == ["apply m3 0", "apply m3 20"]
        assert all("rejected" not in shares for shares in world.seen_shares)
        assert world.shares() == {"m1": 80, "m3": 20}

    def test_rejected_gets_nothing_while_stable_comes_back(self) -> None:
        world = World().deploy("m1")
        world.want("rejected", 20).run()
        world.want("rejected", 0).run()
        assert isinstance(world.want("m1").run(), Converged)
        assert world.writes == ["apply m1 0", "apply m1 None"]
        assert all(shares == {"m1": 100} for shares in world.seen_shares)

    def test_rejected_at_a_share_keeps_it_until_stable_is_back(self) -> None:
        world = World().deploy("m1")
        world.want("rejected", 20).run()
        assert isinstance(world.want("m1").run(), Converged)
        assert world.writes[0] == "apply m1 0"
        assert all(shares.get("rejected", 0) in (0, 20) for shares in world.seen_shares)
        assert world.shares() == {"m1": 100}

    def test_percentage_without_candidate_is_never_written(self) -> None:
        world = World().deploy("m0", "m1")
        end = world.want("m1", 30).run()
        assert isinstance(end, Converged)
        assert "take effect with the next model version" in str(end.note)
        assert world.writes == []
        assert world.shares() == {"m1": 100}

    def test_left_over_percentage_of_someone_else_is_cleared_without_moving_traffic(self) -> None:
        step = converge(wants(model("m1")), stable_record(model("m1")), seen(model("m1", 30)), 1.0)
        assert isinstance(step, Apply)
        assert share(step.manifest) is None
        assert step.pending is None

    def test_100_left_over_is_as_good_as_none(self) -> None:
        assert isinstance(
            converge(wants(model("m1")), stable_record(model("m1")), seen(model("m1", 100)), 1.0), Converged
        )

    def test_after_the_fall_back_that_a_careless_percentage_caused(self) -> None:
        world = World().deploy("m0", "m1")
        careless = copy.deepcopy(world.service)
        careless["spec"]["predictor"]["canaryTrafficPercent"] = 30
        world.write(careless)
        world.tick(), world.tick(), world.tick()
        assert world.shares() == {"m1": 30, "m0": 70}
        assert isinstance(world.want("m1").run(), Converged)
        assert world.shares() == {"m1": 100}


class TestServiceDeletedBehindOurBack:
    def test_with_a_canary_asked_the_stable_model_comes_back_first(self) -> None:
        world = World().deploy("m1")
        world.state = None
        assert isinstance(world.want("m2", 10).run(), Converged)
        assert world.writes == ["create m1 None", "apply m2 0", "apply m2 10"]
        assert all(shares.get("m2", 0) in (0, 10) for shares in world.seen_shares)
        assert world.shares() == {"m1": 90, "m2": 10}

    def test_nothing_else_is_written_before_the_stable_model_is_back(self) -> None:
        world = World().deploy("m1")
        world.state = None
        assert isinstance(world.want("m2", 10).step(), Create)
        assert isinstance(world.look(), Wait)
        world.tick()
        assert isinstance(world.look(), Wait)

    def test_with_a_stage_at_0_too(self) -> None:
        world = World().deploy("m1")
        world.state = None
        assert isinstance(world.want("m2", 0).run(), Converged)
        assert world.writes == ["create m1 None", "apply m2 0"]

    def test_and_the_stable_model_does_not_come_back(self) -> None:
        world = World().deploy("m1")
        world.state = None
        broken = copy.deepcopy(world.record.stable_spec)
        assert broken is not None
        broken["spec"]["predictor"]["model"]["storageUri"] = "s3://models/bad/"
        world.record = dataclasses.replace(world.record, stable_spec=broken)
        end = world.want("m2", 10).run()
        assert isinstance(end, Failed)
        assert world.writes == ["create bad None"]

    def test_while_a_canary_went_on(self) -> None:
        world = World().deploy("m1")
        world.want("m2", 10).run()
        world.state = None
        assert isinstance(world.run(), Converged)
        assert world.shares() == {"m1": 90, "m2": 10}

    @pytest.mark.parametrize("percent", [None, 100])
    def test_with_all_traffic_asked_the_new_model_comes_alone(self, percent: int | None) -> None:
        world = World().deploy("m1")
        world.state = None
        assert isinstance(world.want("m2", percent).run(), Converged)
        assert world.writes == ["create m2 None"]


class TestDelete:
    def test_is_done_once_and_again(self) -> None:
        world = World().deploy("m1").want_nothing()
        assert isinstance(world.run(), Converged)
        assert world.writes == ["delete"]
        assert isinstance(world.run(), Converged)
        assert world.writes == []

    def test_waits_for_the_finalizers(self) -> None:
        assert converge(wants(None), Record(), seen(model("m1"), deleting=True), 1.0) == Wait("being deleted")

    def test_of_a_row_whose_name_another_endpoint_has_touches_nothing_and_ends(self) -> None:
        step = converge(wants(None), Record(), seen(model("m1"), owner="another"), 1.0)
        assert isinstance(step, Converged)
        assert "belongs to endpoint another; it was not touched" in str(step.note)

    def test_of_what_was_never_ours_ends(self) -> None:
        assert isinstance(converge(wants(None), Record(), seen(model("m1"), owner=None), 1.0), Converged)

    def test_of_what_was_ours_and_lost_its_label_is_refused(self) -> None:
        step = converge(wants(None), stable_record(model("m1")), seen(model("m1"), owner=None), 1.0)
        assert isinstance(step, Failed)
        assert ENDPOINT_LABEL in str(step.error)

    def test_that_takes_too_long_says_so(self) -> None:
        step = converge(wants(None, deadline=10.0), Record(), seen(model("m1"), deleting=True), 10.0)
        assert isinstance(step, Failed)
        assert "was not deleted in time" in str(step.error)
        assert "finalizers" in str(step.error)

    def test_before_the_next_creation(self) -> None:
        step = converge(wants(model("m1")), Record(), seen(model("m1"), deleting=True), 1.0)
        assert step == Wait("the earlier InferenceService is still being deleted")


class TestRefusals:
    @pytest.mark.parametrize(
        ("owner", "words"), [("another", "belongs to endpoint another"), (None, "belongs to nobody")]
    )
    def test_foreign_services_are_not_touched(self, owner: str | None, words: str) -> None:
        step = converge(wants(model("m2")), Record(), seen(model("m1"), owner=owner), 1.0)
        assert isinstance(step, Failed)
        assert not step.serving
        assert words in str(step.error)
        assert f"label {ENDPOINT_LABEL}={ID}" in str(step.error)

    def test_the_mode_cannot_change(self) -> None:
        step = converge(wants(model("m1")), Record(), seen(model("m1"), mode="Standard"), 1.0)
        assert isinstance(step, Failed)
        assert step.error.failure["field"] == "runtime_config.deploymentMode"
        assert "runs in Standard mode" in str(step.error)

    def test_a_mode_that_is_not_known_yet_is_waited_for(self) -> None:
        fresh = seen(
            model("m1"),
            mode=None,
            latest_created=None,
            latest_ready=None,
            latest_rolledout=None,
            traffic=(),
            ready=None,
        )
        assert isinstance(
            converge(wants(model("m1")), Record(pending=Pending(model("m1"), None, 1.0)), fresh, 1.0), Wait
        )


class TestDeadline:
    def test_ends_a_wait_and_keeps_what_it_waited_for(self) -> None:
        world = World().deploy("m1").want("m2", deadline=1500.0)
        world.step()
        assert isinstance(world.look(), Wait)
        world.now = 1500.0
        step = world.look()
        assert isinstance(step, Failed)
        assert isinstance(step.error, Unavailable)
        assert step.serving
        assert "did not get ready in time; last seen: KServe has not made the new revision yet" in str(step.error)

    def test_does_not_keep_what_can_be_done_from_being_done(self) -> None:
        world = World().want("m1", deadline=0.0)
        assert isinstance(world.step(), Create)


class TestFailuresThatAreNotOurs:
    CASES = (
        # failures, revision created, seconds since the write -> counts
        (Failure("CrashLoopBackOff", "", R2), R2, 0.1, True),
        (Failure("CrashLoopBackOff", "", R1), R2, 60.0, False),
        (Failure("CrashLoopBackOff", "", R1), R1, 60.0, False),
        (Failure("NoSupportingRuntime", "", None), R2, 1.0, False),
        (Failure("NoSupportingRuntime", "", None), R2, 5.0, True),
        (Failure("NoSupportingRuntime", "", None), R1, 5.0, True),
    )

    @pytest.mark.parametrize(("failure", "created", "after", "counts"), CASES)
    def test_a_failure_counts_when_it_is_certainly_about_the_new_revision(
        self, failure: Failure, created: str, after: float, counts: bool
    ) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 100.0))
        look = seen(model("m2", 0), latest_created=created, ready=False, failures=(failure,))
        step = converge(wants(model("m2")), record, look, 100.0 + after)
        assert isinstance(step, Failed if counts else Wait)

    def test_the_first_one_that_counts_is_told(self) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 100.0))
        failures = (Failure("CrashLoopBackOff", "old", R1), Failure("NoGPU", "0/3 nodes", R2))
        step = converge(wants(model("m2")), record, seen(model("m2", 0), latest_created=R2, failures=failures), 101.0)
        assert isinstance(step, Failed)
        assert "NoGPU: 0/3 nodes" in str(step.error)
        assert "set runtime_config.gpu to false" in str(step.error)


class TestStatusOutOfOrder:
    def test_ready_of_the_old_revision_is_not_ready_of_the_new_one(self) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 1.0))
        assert isinstance(converge(wants(model("m2")), record, seen(model("m2", 0)), 2.0), Wait)

    def test_created_before_ready(self) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 1.0))
        look = seen(model("m2", 0), latest_created=R2, not_ready_because="PredictorReady: pulling")
        assert converge(wants(model("m2")), record, look, 2.0) == Wait("PredictorReady: pulling")

    def test_all_traffic_before_it_counts_as_rolled_out(self) -> None:
        record = stable_record(model("m1"), pending=Pending(model("m2"), R1, 1.0))
        look = seen(model("m2"), latest_created=R2, latest_ready=R2, traffic=(TrafficTarget(R2, 100, latest=True),))
        assert converge(wants(model("m2")), record, look, 2.0) == Wait(f"KServe has not counted {R2} as rolled out yet")

    def test_rolled_out_before_the_traffic_says_so(self) -> None:
        look = seen(model("m2"), latest_created=R2, latest_ready=R2, latest_rolledout=R2)
        step = converge(wants(model("m2")), Record(pending=Pending(model("m2"), R1, 1.0)), look, 2.0)
        assert step == Wait(f"traffic is 100 % {R1}, to be 100 % {R2}")

    @pytest.mark.parametrize("missing", [{"ready": None}, {"ready": False}, {"url": None}])
    def test_traffic_before_the_address(self, missing: dict[str, t.Any]) -> None:
        look = seen(model("m1"), **missing)
        assert converge(wants(model("m1")), stable_record(model("m1")), look, 2.0) == Wait(
            "the address is not ready yet"
        )

    def test_no_status_at_all(self) -> None:
        look = Observed(live=model("m1"), owner=ID, mode="Knative")
        assert isinstance(
            converge(wants(model("m1")), Record(pending=Pending(model("m1"), None, 1.0)), look, 2.0), Wait
        )


class TestStandardMode:
    def test_is_one_write_and_the_deployment_proves_it(self) -> None:
        world = World("Standard").want("m1")
        assert isinstance(world.run(), Converged)
        assert world.writes == ["create m1 None"]
        end = world.want("m2").run()
        assert isinstance(end, Converged)
        assert (end.revision, end.promoted) == (None, True)
        assert world.writes == ["apply m2 None"]

    @pytest.mark.parametrize(
        "field",
        [
            {"args": ["--log-verbose=1"]},
            {"serviceAccountName": "s3"},
            {"nodeSelector": {"gpu": "a100"}},
            {"labels": {"team": "a"}},
        ],
    )
    def test_is_not_believed_before_the_deployment_has_the_change(self, field: dict[str, t.Any]) -> None:
        world = World("Standard").deploy("m1").want("m1", runtime_config=field)
        assert isinstance(world.step(), Apply)
        assert world.look() == Wait("KServe has not put what is wanted into the Deployment yet")
        assert isinstance(world.run(), Converged)

    def test_scaling_alone_leaves_the_pods_alone(self) -> None:
        world = World("Standard").deploy("m1")
        before = copy.deepcopy(world.state)
        assert before is not None
        end = world.want("m1", autoscaling={"maxReplicas": 4}).run()
        assert isinstance(end, Converged)
        assert world.state is not None
        assert world.state["deployment"]["spec"]["template"] == before["deployment"]["spec"]["template"]

    def test_that_does_not_load_leaves_the_old_pods(self) -> None:
        world = World("Standard").deploy("m1").want("bad")
        end = world.run()
        assert isinstance(end, Failed)
        assert end.serving

    def test_a_stale_ready_is_not_believed(self) -> None:
        world = World("Standard").deploy("m1").want("m2")
        world.step()
        assert simulation.look(world.state).ready
        assert isinstance(world.look(), Wait)
