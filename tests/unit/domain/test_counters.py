# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Increments of counters over looks that miss pods, see restarts and find new series."""

from __future__ import annotations

import json
import math
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.counters import Counts, Ledger
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import (
    BUSY,
    LATENCY,
    LATENCY_SUM,
    QUEUED,
    REQUESTS,
    Reading,
    Series,
)
from hypothesis import given
from hypothesis import strategies as st

R = "demo-predictor-00002"
HISTOGRAM = ((0.1, 50), (0.5, 95), (1.0, 99), (math.inf, 100))


def requests(revision: str = R, pod: str = "a", **codes: float) -> Reading:
    """requests(c200=3, c500=1)"""
    return {Series(revision, pod, REQUESTS, code[1:]): value for code, value in codes.items()}


def test_what_was_counted_before_the_start_does_not_count() -> None:
    ledger = Ledger.start(requests(c200=100, c500=7))
    ledger, increments = ledger.take(requests(c200=104, c500=8))
    assert increments == {R: Counts(requests=5, failed=1)}
    assert ledger.totals == {R: Counts(requests=5, failed=1)}


def test_a_series_that_appears_began_at_zero() -> None:
    ledger, increments = Ledger.start(requests(c200=100)).take(requests(c200=100, c500=3))
    assert increments[R] == Counts(requests=3, failed=3)
    _unused, increments = ledger.take({**requests(c200=100, c500=3), **requests("new", "b", c200=2)})
    assert increments == {R: Counts(), "new": Counts(requests=2)}


def test_a_restart_shows_in_one_series_and_is_one_of_all() -> None:
    """The failures have passed their old value already; without the 200s nobody would see that they began again."""
    _unused, increments = Ledger.start(requests(c200=100, c500=2)).take(requests(c200=4, c500=5))
    assert increments[R] == Counts(requests=9, failed=5)


def test_a_series_that_is_absent_when_its_process_restarted_began_again() -> None:
    ledger, _unused = Ledger.start(requests(c200=100, c500=2)).take(requests(c200=4))
    _unused, increments = ledger.take(requests(c200=6, c500=3))
    assert increments[R] == Counts(requests=5, failed=3)


def test_the_server_restarts_without_the_proxy() -> None:
    def reading(code_200: float, queued: float) -> Reading:
        return {**requests(c200=code_200), Series(R, "a", QUEUED): queued, Series(R, "a", BUSY): queued * 4}

    _unused, increments = Ledger.start(reading(10, 8.0)).take(reading(15, 1.0))
    assert increments[R] == Counts(requests=5, queued=1.0, busy=4.0)
    assert increments[R].queue_share() == 0.25


def test_a_pod_that_did_not_answer_loses_and_doubles_nothing() -> None:
    ledger = Ledger.start({**requests(pod="a", c200=10), **requests(pod="b", c200=20)})
    ledger, first = ledger.take(requests(pod="a", c200=13))
    ledger, second = ledger.take({**requests(pod="a", c200=13), **requests(pod="b", c200=27)})
    assert (first[R].requests, second[R].requests) == (3, 7)
    ledger, third = ledger.take({})
    assert third == {R: Counts()}
    assert ledger.totals[R].requests == 10


def test_a_pod_that_was_silent_at_the_start_is_not_taken_for_a_new_one() -> None:
    ledger = Ledger.start(requests(pod="a", c200=10), missing=["b"])
    ledger, first = ledger.take({**requests(pod="a", c200=11), **requests(pod="b", c200=5000)})
    ledger, second = ledger.take(requests(pod="b", c200=5002, c500=1))
    assert (first[R].requests, second[R]) == (1, Counts(requests=3, failed=1))


def test_fractions_count_when_they_are_whole() -> None:
    ledger, found = Ledger.start({}), 0
    for tenth in range(1, 41):
        ledger, increments = ledger.take(requests(c200=tenth / 10 + 1e-9))
        found += increments[R].requests
    assert found == 4


def test_values_that_are_no_numbers_say_nothing() -> None:
    ledger, increments = Ledger.start(requests(c200=5)).take(requests(c200=math.nan))
    assert increments == {}
    assert ledger.take(requests(c200=6))[1][R].requests == 1


@pytest.mark.parametrize(("code", "failed"), [("500", 1), ("503", 1), ("499", 0), ("404", 0), ("5", 0), ("", 0)])
def test_failed_is_5xx(code: str, failed: int) -> None:
    _unused, increments = Ledger.start({}).take({Series(R, "a", REQUESTS, code): 1})
    assert increments[R] == Counts(requests=1, failed=failed)


def test_latency_is_read_from_the_buckets() -> None:
    reading = {Series(R, "a", LATENCY, "+Inf" if math.isinf(b) else str(b)): float(n) for b, n in HISTOGRAM}
    _unused, increments = Ledger.start({}).take({**reading, Series(R, "a", LATENCY_SUM): 20.0})
    counts = increments[R]
    assert counts.buckets == HISTOGRAM
    assert counts.mean() == pytest.approx(0.2)
    assert counts.slower_than(0.5) == (0.5, 5)
    assert counts.slower_than(0.3) == (0.5, 5)  # 0.3 is no bound: what is surely slower is what is slower than the next
    assert counts.slower_than(2.0) is None
    assert counts.quantile(0.5) == pytest.approx(0.1)
    assert counts.quantile(0.725) == pytest.approx(0.3)
    assert counts.quantile(0.999) == 1.0


def test_a_histogram_without_its_last_bound_is_none() -> None:
    _unused, increments = Ledger.start({}).take({Series(R, "a", LATENCY, "0.5"): 5})
    assert increments[R].buckets == ()


def test_nothing_is_not_zero() -> None:
    none = Counts()
    assert (none.error_ratio(), none.mean(), none.quantile(0.5), none.slower_than(1), none.queue_share()) == (None,) * 5


def test_sums_keep_the_bounds_that_both_have() -> None:
    other = Counts(1, 1, ((0.25, 1), (0.5, 1), (math.inf, 1)), 0.2, 1.0, 2.0)
    total = Counts(100, 0, HISTOGRAM, 20.0) + other
    assert total == Counts(101, 1, ((0.5, 96), (math.inf, 101)), 20.2, 1.0, 2.0)
    assert Counts() + other == other == other + Counts()


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, t.Any]]:
    """What pods do and when somebody looks: traffic, restarts, pods that come and go, and looks that miss some pods."""
    pods = st.sampled_from(["a", "b", "c"])
    step = st.one_of(
        st.tuples(
            st.just("traffic"), st.tuples(pods, st.sampled_from(["200", "404", "500", "503"]), st.integers(1, 9))
        ),
        st.tuples(st.just("look"), st.sets(pods)),
        st.tuples(st.just("restart"), pods),
        st.tuples(st.just("stored"), st.none()),
    )
    return draw(st.lists(step, max_size=40))


@given(histories())
def test_every_request_counts_once(history: list[tuple[str, t.Any]]) -> None:
    """Against plain book-keeping. A restart is only ever seen by a look before and one after it, as long as the counters are below."""
    pods: dict[str, dict[str, int]] = {"a": {}, "b": {}, "c": {}}
    expected = {"requests": 0, "failed": 0}
    ledger = Ledger.start({})
    increments = Counts()

    def look(missed: t.Collection[str]) -> None:
        nonlocal ledger, increments
        answered = {pod: codes for pod, codes in pods.items() if pod not in missed}
        reading = {Series(R, p, REQUESTS, c): float(n) for p, codes in answered.items() for c, n in codes.items()}
        ledger, grown = ledger.take(reading)
        increments += grown.get(R, Counts())

    for kind, what in history:
        if kind == "traffic":
            pod, code, n = what
            pods[pod][code] = pods[pod].get(code, 0) + n
            expected["requests"] += n
            expected["failed"] += n if code[0] == "5" else 0
        elif kind == "look":
            look(what)
        elif kind == "stored":
            ledger = Ledger.from_json(json.loads(json.dumps(ledger.to_json(), allow_nan=False)))
        else:
            # Seen before it happens, and again below its old value: else no reader of counters could know of it.
            look(())
            pods[what] = dict.fromkeys(pods[what], 0)
            look(())
    look(())
    assert increments == Counts(**expected)
    assert ledger.totals.get(R, Counts()) == increments


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.lists(st.integers(0, 1000), min_size=4, max_size=4))
def test_counts_survive_json(requests: int, failed: int, steps: list[int]) -> None:
    rising = tuple((bound, sum(steps[: i + 1])) for i, bound in enumerate((0.005, 0.5, 10.0, math.inf)))
    counts = Counts(requests, failed, rising, 1.5, 0.25, 3.0)
    assert Counts.from_json(json.loads(json.dumps(counts.to_json(), allow_nan=False))) == counts
