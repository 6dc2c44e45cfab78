"""Which groups are started, and what a build says is left."""

from __future__ import annotations

import pytest

from tools.cluster import modules, previous, versions
from tools.cluster.errors import ClusterError
from tools.cluster.groups import DEFAULT, NEEDS, OPT_IN, closure
from tools.cluster.images import BY_GROUP
from tools.cluster.progress import clock, remaining


def test_a_group_brings_what_it_needs_in_order() -> None:
    assert closure(["triton"]) == ["base", "knative", "kserve", "triton"]
    assert closure(["kyverno", "keda"]) == ["base", "keda", "kyverno"]


def test_bare_is_base_alone_and_all_is_everything() -> None:
    assert closure(["bare"]) == ["base"]
    assert closure(["all"]) == [name for name in NEEDS if name not in OPT_IN]


def test_a_group_that_is_not_part_of_all_is_named() -> None:
    assert "kserve-previous" not in closure(["all"])
    assert closure(["all", "kserve-previous"]) == list(NEEDS)
    assert closure(["kserve-previous", "all"]) == list(NEEDS)


def test_the_previous_kserve_is_the_one_that_is_built() -> None:
    go_mod = (modules.family_of(previous.GROUP).folder / "go.mod").read_text()
    assert modules.version_of(go_mod, "github.com/kserve/kserve") == previous.VERSION != versions.KSERVE


def test_needs_are_closed() -> None:
    for name, needs in NEEDS.items():
        assert closure([name]) == [*[group for group in NEEDS if group in needs], name]
    assert closure(DEFAULT) == list(DEFAULT)


def test_every_group_has_images() -> None:
    assert list(BY_GROUP) == list(NEEDS)


def test_unknown_group_names_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="'istio' is not one of base, knative"):
        closure(["istio"])


def test_remaining_is_the_sum_of_estimates_at_first() -> None:
    assert remaining({"a": 100, "b": 50}, {}, "a", 0) == 150
    assert remaining({"a": 100, "b": 50}, {}, "a", 30) == 120


def test_remaining_follows_the_pace_of_what_is_done() -> None:
    assert remaining({"a": 100, "b": 50}, {"a": 200}, "b", 0) == 100


def test_a_step_that_takes_longer_than_thought_slows_what_follows() -> None:
    assert remaining({"a": 100, "b": 50}, {}, "a", 200) == 0.2 * 200 + 2 * 50


def test_a_step_without_an_estimate_counts_for_nothing_until_it_runs() -> None:
    assert remaining({"a": 100}, {"other": 300}, "a", 0) == 100


def test_clock() -> None:
    assert clock(59.9) == "0:59"
    assert clock(754) == "12:34"
