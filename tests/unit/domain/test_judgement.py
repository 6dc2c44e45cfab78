# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge, look by look: what it says of a candidate, in data and in words."""

from __future__ import annotations

import json
import math
import random
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.counters import Counts
from ansible_collections.mlops.serving.plugins.module_utils._domain.gates import Answer, parse_gates
from ansible_collections.mlops.serving.plugins.module_utils._domain.judgement import Finding, Verdict, judge

ERRORS = {"metric": "errors", "max": "1%", "over_stable": "1%"}
P99 = {"metric": "latency", "p99": "500ms"}


def served(requests: int, failed: int = 0, slow: int = 0, slower: float = 0.9) -> Counts:
    """A part of them slow: in the bucket up to 1 s, the others in that up to 0.1 s."""
    buckets = ((0.1, requests - slow), (0.5, requests - slow), (1.0, requests), (math.inf, requests))
    return Counts(requests, failed, buckets, (requests - slow) * 0.05 + slow * slower, 0.0, 0.0)


class Looks:
    """Looks in a row, with the state stored in between as the engine does."""

    def __init__(self, *gates: dict[str, t.Any], alpha: float = 0.01, history: Counts | None = None) -> None:
        self.gates, self.alpha, self.history = parse_gates(list(gates)), alpha, history
        self.state: dict[str, t.Any] | None = None
        self.candidate, self.stable = Counts(), Counts()

    def look(self, candidate: Counts = Counts(), stable: Counts = Counts(), **outside: Answer) -> Verdict:  # noqa: B008
        self.candidate, self.stable = self.candidate + candidate, self.stable + stable
        totals = (self.candidate, self.stable)
        state, verdict = judge(
            self.gates, self.alpha, self.state, candidate, stable, totals, outside, history=self.history
        )
        self.state = json.loads(json.dumps(state, allow_nan=False))
        json.dumps(verdict.to_json(), allow_nan=False)
        return verdict


def one(verdict: Verdict, gate: str) -> Finding:
    (found,) = (finding for finding in verdict.findings if finding.gate == gate)
    return found


def test_three_failures_of_ten_requests_fail_at_once() -> None:
    verdict = Looks(ERRORS, P99).look(served(10, 3), served(990, 2))
    found = one(verdict, "errors")
    assert (verdict.outcome, found.outcome, found.needed) == ("fail", "fail", pytest.approx(300))
    assert found.evidence > 300
    assert found.why.startswith("3 of 10 requests failed (30 %), at most 1 %: evidence")
    assert (found.candidate, found.requests) == (pytest.approx(0.3), 10)


def test_evidence_adds_up_over_looks() -> None:
    looks = Looks(ERRORS)
    evidence = []
    for failed in (1, 0, 1, 0, 2):
        verdict = looks.look(served(3, failed), served(30))
        evidence.append(one(verdict, "errors").evidence)
    assert evidence[0] < evidence[2] < evidence[4]
    assert verdict.outcome == "fail"


@pytest.mark.parametrize("seed", range(5))
def test_both_sides_at_the_limit_stay(seed: int) -> None:
    generator = random.Random(seed)
    looks = Looks(ERRORS)
    for _unused in range(200):
        failed = [sum(generator.random() < 0.01 for _unused in range(n)) for n in (10, 90)]
        assert looks.look(served(10, failed[0]), served(90, failed[1])).outcome == "ok"


def test_no_request_is_no_data() -> None:
    verdict = Looks(ERRORS, P99).look(Counts(), served(50))
    assert verdict.outcome == "no_data"
    assert {finding.outcome for finding in verdict.findings} == {"no_data"}
    assert one(verdict, "errors").why == "no request has reached the candidate yet"


def test_stable_without_an_answer_is_no_data() -> None:
    verdict = Looks(ERRORS).look(served(50))
    assert verdict.outcome == "no_data"
    assert one(verdict, "errors").outcome == "pass"
    assert "stable has not answered" in one(verdict, "errors over stable").why


def test_a_look_without_news_changes_no_evidence() -> None:
    looks = Looks(ERRORS)
    before = looks.look(served(30, 1), served(300, 1))
    state = looks.state
    after = looks.look()
    assert [f.evidence for f in after.findings] == [f.evidence for f in before.findings]
    assert looks.state == state


def test_stable_of_before_helps_from_the_first_look_on() -> None:
    """With what stable did before the rollout known, the same first block says more."""
    gate = {"metric": "errors", "over_stable": 0}
    first = Looks(gate).look(served(20, 3), served(200, 0))
    helped = Looks(gate, history=served(10000, 5)).look(served(20, 3), served(200, 0))
    assert one(helped, "errors over stable").evidence > 3 * one(first, "errors over stable").evidence


def test_the_first_look_bets_on_nothing_that_it_has_just_seen() -> None:
    """Stable's ratio for a bet is that of earlier blocks: the state after the first look is what the second one bets by."""
    looks = Looks({"metric": "errors", "over_stable": 0})
    looks.look(served(10), served(1000, 10))
    assert looks.state is not None
    assert looks.state["before"]["errors over stable"] == [1000, 10]


def test_no_failure_at_all_is_allowed_where_the_limit_is_zero() -> None:
    looks = Looks({"metric": "errors", "max": 0})
    assert looks.look(served(500), served(500)).outcome == "ok"
    assert looks.look(served(1, 1), served(500)).outcome == "fail"


def test_slow_answers_fail() -> None:
    looks = Looks(P99)
    assert looks.look(served(50), served(500)).outcome == "ok"
    verdict = looks.look(served(20, slow=8), served(200))
    assert verdict.outcome == "fail"
    assert "8 of 70 requests took over 500 ms (11.4 %), p99 at most 500 ms" in one(verdict, "p99").why


def test_slower_than_stable_fails_beside_a_limit_that_holds() -> None:
    gate = {"metric": "latency", "p50": "500ms", "over_stable": "5%"}
    verdict = Looks(gate, history=served(5000, slow=50)).look(served(100, slow=30), served(900, slow=9))
    assert one(verdict, "p50").outcome == "pass"
    assert one(verdict, "p50 over stable").outcome == "fail"


def test_a_limit_above_every_bound_is_no_data() -> None:
    verdict = Looks({"metric": "latency", "p99": "5s"}).look(served(100), served(100))
    assert "no bound of the histogram" in one(verdict, "p99").why
    assert verdict.outcome == "no_data"


def test_requests_without_latency_are_no_data_for_it() -> None:
    verdict = Looks(P99, {"metric": "mean_latency", "max": "1s"}).look(Counts(40), Counts(400))
    assert {finding.why for finding in verdict.findings} == {"40 requests were counted, but not how long they took"}


def test_a_mean_far_beyond_its_limit_fails_and_one_within_passes() -> None:
    gate = {"metric": "mean_latency", "max": "200ms"}
    assert Looks(gate).look(served(200, slow=10), served(200)).outcome == "ok"
    verdict = Looks(gate).look(served(200, slow=190), served(200))
    assert verdict.outcome == "fail"
    assert one(verdict, "mean_latency").candidate == pytest.approx(0.8575)


def test_a_mean_just_beyond_its_limit_is_doubted() -> None:
    verdict = Looks({"metric": "mean_latency", "max": "200ms"}).look(served(100, slow=20), served(100))
    assert (verdict.outcome, one(verdict, "mean_latency").outcome) == ("ok", "undecided")
    assert "beyond the limit" in verdict.doubts[0]


def test_triton_queues() -> None:
    looks = Looks({"metric": "queue_share", "max": "50%"})
    assert looks.look(served(10)).outcome == "no_data"
    for expected in ("ok", "ok", "fail"):
        assert looks.look(Counts(10, queued=6.0, busy=10.0)).outcome == expected
    looks = Looks({"metric": "queue_share", "max": "50%", "looks": 2})
    for queued, expected in ((6.0, "ok"), (1.0, "ok"), (6.0, "ok"), (6.0, "fail")):
        assert looks.look(Counts(10, queued=queued, busy=10.0)).outcome == expected


def test_prometheus_fails_after_looks_in_a_row() -> None:
    looks = Looks({"metric": "prometheus", "query": "x", "max": 5, "min": 1, "name": "load", "looks": 2})
    values = [
        (3.0, "ok"),
        (6.0, "ok"),
        (math.nan, "no_data"),
        (None, "no_data"),
        (2.0, "ok"),
        (0.5, "ok"),
        (9.0, "fail"),
    ]
    for value, expected in values:
        assert looks.look(served(1), load=Answer(value)).outcome == expected, value
    # Between two looks beyond the limit, no answer is neither a good one nor another bad one.
    looks = Looks({"metric": "prometheus", "query": "x", "max": 5, "name": "load", "looks": 2})
    for value, expected in [(6.0, "ok"), (None, "no_data"), (6.0, "fail")]:
        assert looks.look(served(1), load=Answer(value)).outcome == expected


def test_commands_and_addresses() -> None:
    looks = Looks({"metric": "url", "url": "http://checks.example/ok", "name": "drift"})
    assert looks.look(served(1), drift=Answer(ok=True)).outcome == "ok"
    verdict = looks.look(served(1), drift=Answer(ok=None, why="it timed out"))
    assert (verdict.outcome, verdict.findings[0].why) == ("no_data", "drift gave no answer: it timed out")
    verdict = looks.look(served(1), drift=Answer(ok=False, why="HTTP 500"))
    assert (verdict.outcome, verdict.findings[0].why) == ("fail", "drift says no: HTTP 500")
    assert looks.look(served(1)).outcome == "no_data"


def test_a_worse_stable_is_told() -> None:
    assert Looks(ERRORS).look(served(50, 1), served(50, 15)).stable_worse > 1000
    looks = Looks(ERRORS)
    for _unused in range(20):
        verdict = looks.look(served(50, 1), served(50, 1))
    assert verdict.stable_worse < 10


def test_little_seen_is_doubted_and_enough_is_not() -> None:
    looks = Looks(ERRORS)
    verdict = looks.look(served(100), served(900))
    assert verdict.outcome == "ok"
    assert len(verdict.doubts) == 2
    assert looks.look(served(200), served(900)).doubts == ()
    assert looks.look(served(50, 4), served(900)).doubts != ()


def test_alpha_is_divided_among_the_tests() -> None:
    assert one(Looks(ERRORS).look(served(9), served(9)), "errors").needed == pytest.approx(200)
    many = Looks(
        ERRORS, P99, {"metric": "mean_latency", "max": 1}, {"metric": "url", "url": "http://x.example"}, alpha=0.05
    )
    assert one(many.look(served(9), served(9)), "errors").needed == pytest.approx(80)
