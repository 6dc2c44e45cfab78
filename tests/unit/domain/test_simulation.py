# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator follows KServe, the dangerous rules first."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import Observed
from ansible_collections.mlops.serving.tests.unit.domain.samples import NAME, rendered

R1, R2, R3 = (f"{NAME}-predictor-0000{n}" for n in (1, 2, 3))


def manifest(model: str, percent: int | None = None, mode: str = "Knative", **fields: t.Any) -> dict[str, t.Any]:
    """As anybody may write it, a percentage in Standard mode too."""
    made = rendered(artifact_uri=f"s3://models/{model}/", runtime_config={"deploymentMode": mode}, **fields).manifest
    if percent is not None:
        made["spec"]["predictor"]["canaryTrafficPercent"] = percent
    return made


def load_error(model: dict[str, t.Any]) -> str | None:
    return "no such file" if "bad" in model["storageUri"] else None


class Service:
    def __init__(self, first: dict[str, t.Any]) -> None:
        simulation.admit(None, first)
        self.state: simulation.State = {"object": copy.deepcopy(first)}

    def tick(self) -> Observed:
        self.state = simulation.tick(self.state, load_error)
        return self.look()

    def settle(self) -> Observed:
        self.state = simulation.settled(self.state, load_error)
        return self.look()

    def look(self) -> Observed:
        return simulation.look(self.state)

    def write(self, new: dict[str, t.Any]) -> Observed:
        """Writes and settles."""
        written = copy.deepcopy(new)
        simulation.admit(self.state["object"], written)
        written["status"] = self.state["object"].get("status", {})
        self.state = {**self.state, "object": written}
        return self.settle()


def versions(*models: str) -> Service:
    service = Service(manifest(models[0]))
    service.settle()
    for model in models[1:]:
        service.write(manifest(model))
    return service


class TestKnative:
    def test_first_revision_takes_all_after_it_was_seen_to_come(self) -> None:
        service = Service(manifest("a"))
        assert service.look().ready is None
        first = service.tick()
        assert (first.latest_created, first.latest_ready, first.ready, first.shares) == (R1, None, None, {})
        second = service.tick()
        assert (second.latest_ready, second.latest_rolledout, second.ready) == (R1, R1, True)
        assert second.shares == {R1: 100}
        assert second.url == f"http://{NAME}.example.local"

    def test_percentage_of_a_first_deployment_is_the_same_revision_twice(self) -> None:
        service = Service(manifest("a", 10))
        seen = service.settle()
        assert seen.shares == {R1: 100}
        assert [(target.revision, target.percent) for target in seen.traffic] == [(R1, 10), (R1, 90)]

    def test_canary(self) -> None:
        service = versions("a")
        seen = service.write(manifest("b", 10))
        assert seen.shares == {R2: 10, R1: 90}
        assert {target.tag: target.revision for target in seen.traffic} == {"latest": R2, "prev": R1}
        assert (seen.latest_rolledout, seen.latest_ready) == (R1, R2)
        assert service.write(manifest("b", 50)).shares == {R2: 50, R1: 50}
        seen = service.write(manifest("b"))
        assert seen.shares == {R2: 100}
        assert (seen.latest_rolledout, seen.previous_rolledout) == (R2, R1)

    def test_promotion_by_100(self) -> None:
        service = versions("a")
        service.write(manifest("b", 10))
        assert service.write(manifest("b", 100)).latest_rolledout == R2

    def test_back_to_0_before_promotion(self) -> None:
        service = versions("a")
        service.write(manifest("b", 30))
        seen = service.write(manifest("b", 0))
        assert seen.shares == {R1: 100}
        assert [target.percent for target in seen.traffic] == [0, 100]

    def test_back_after_promotion_by_0(self) -> None:
        service = versions("a", "b")
        seen = service.write(manifest("b", 0))
        assert seen.shares == {R1: 100}
        assert seen.latest_rolledout == R1

    def test_danger_1_a_percentage_without_a_candidate_wakes_the_model_before(self) -> None:
        service = versions("a", "b")
        seen = service.write(manifest("b", 30))
        assert seen.shares == {R2: 30, R1: 70}
        assert seen.ready

    def test_danger_1_needs_a_model_before(self) -> None:
        assert versions("a").write(manifest("a", 30)).shares == {R1: 100}

    def test_danger_1_with_a_change_that_makes_no_revision(self) -> None:
        service = versions("a", "b")
        same = copy.deepcopy(manifest("b", 0))
        same["spec"]["predictor"]["minReplicas"] = 1
        same["spec"]["predictor"]["model"]["modelFormat"]["version"] = "2"
        seen = service.write(same)
        assert seen.latest_created == R2
        assert seen.shares == {R1: 100}

    def test_danger_2_clearing_gives_all_to_the_rejected_candidate(self) -> None:
        service = versions("a")
        service.write(manifest("rejected", 0))
        written = manifest("c")
        written["status"] = service.state["object"]["status"]
        service.state = {**service.state, "object": written}
        seen = service.tick()
        assert seen.latest_created == R3
        assert seen.shares == {R2: 100}
        assert seen.latest_rolledout == R2

    def test_danger_2_a_share_goes_to_the_rejected_candidate(self) -> None:
        service = versions("a")
        service.write(manifest("rejected", 0))
        assert service.write(manifest("bad", 20)).shares == {R2: 20, R1: 80}

    def test_a_candidate_that_does_not_load_harms_nobody(self) -> None:
        service = versions("a")
        seen = service.write(manifest("bad", 20))
        assert seen.shares == {R1: 100}
        assert (seen.latest_created, seen.latest_ready, seen.ready) == (R2, R1, False)
        assert seen.serving
        assert {failure.revision for failure in seen.failures} == {R2}
        assert {failure.reason for failure in seen.failures} == {"CrashLoopBackOff", "RevisionFailed"}

    @pytest.mark.parametrize("percent", [150, -1])
    def test_out_of_range_is_admitted_and_changes_nothing(self, percent: int) -> None:
        service = versions("a")
        seen = service.write(manifest("b", percent))
        assert (seen.latest_created, seen.shares, seen.ready) == (R1, {R1: 100}, False)
        assert f"expected 0 <= {percent} <= 100" in seen.not_ready_because
        assert service.write(manifest("b")).shares == {R2: 100}

    def test_an_annotation_makes_a_revision(self) -> None:
        service = versions("a")
        changed = manifest("a")
        changed["metadata"]["annotations"]["note"] = "x"
        assert service.write(changed).latest_created == R2

    def test_settling_ends_and_is_an_end(self) -> None:
        service = versions("a", "b")
        assert simulation.tick(service.state, load_error) == service.state

    def test_a_tick_leaves_its_argument_alone(self) -> None:
        service = Service(manifest("a"))
        before = copy.deepcopy(service.state)
        simulation.tick(service.state, load_error)
        assert service.state == before

    def test_the_same_model_again_is_a_new_revision(self) -> None:
        assert versions("a", "b", "a").look().latest_created == R3


class TestStandard:
    def test_new_pods_replace_old_ones(self) -> None:
        service = Service(manifest("a", mode="Standard"))
        service.tick()
        assert not service.look().serving
        seen = service.settle()
        assert (seen.ready, seen.serving, seen.traffic) == (True, True, ())

    def test_a_percentage_is_ignored_and_all_is_replaced(self) -> None:
        service = Service(manifest("a", mode="Standard"))
        service.settle()
        service.write(manifest("b", 10, mode="Standard"))
        template = service.state["deployment"]["spec"]["template"]
        source = template["metadata"]["annotations"]["internal.serving.kserve.io/storage-initializer-sourceuri"]
        assert source == "s3://models/b/"

    def test_a_model_that_does_not_load_leaves_the_old_pods(self) -> None:
        service = Service(manifest("a", mode="Standard"))
        service.settle()
        seen = service.write(manifest("bad", mode="Standard"))
        assert seen.serving
        assert [failure.reason for failure in seen.failures] == ["CrashLoopBackOff"]
        assert seen.deployment is not None
        assert (seen.deployment["status"]["updatedReplicas"], seen.deployment["status"]["availableReplicas"]) == (1, 1)


class TestAdmission:
    def test_names(self) -> None:
        bad = manifest("a")
        bad["metadata"]["name"] = "1a"
        with pytest.raises(Refused, match=r"denied the request"):
            simulation.admit(None, bad)

    def test_a_predictor_needs_a_model(self) -> None:
        bad = manifest("a")
        del bad["spec"]["predictor"]["model"]
        with pytest.raises(Refused, match=r"exactly one of"):
            simulation.admit(None, bad)

    def test_replicas(self) -> None:
        bad = manifest("a")
        bad["spec"]["predictor"].update(minReplicas=3, maxReplicas=2)
        with pytest.raises(Refused, match=r"minReplicas cannot be greater"):
            simulation.admit(None, bad)
        bad["spec"]["predictor"]["maxReplicas"] = 0
        simulation.admit(None, bad)

    def test_the_mode_is_for_good(self) -> None:
        with pytest.raises(Refused, match=r"deploymentMode cannot be changed from Knative to Standard"):
            simulation.admit(manifest("a"), manifest("a", mode="Standard"))
        legacy = manifest("a")
        legacy["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "Serverless"
        simulation.admit(legacy, manifest("a"))

    def test_percentages_are_not_looked_at(self) -> None:
        simulation.admit(None, manifest("a", 150))


def test_nothing_there() -> None:
    assert simulation.look(None) == Observed()
