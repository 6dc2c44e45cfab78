"""Work in several threads: no more is taken than is in hand, and a failure ends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.parallel import several


def test_everything_is_done() -> None:
    done: list[int] = []
    several(done.append, range(1000), workers=4)
    assert sorted(done) == list(range(1000))


def test_several_at_a_time() -> None:
    together = threading.Barrier(4, timeout=10)
    several(lambda _item: together.wait(), range(8), workers=4)


def test_no_more_items_wait_than_twice_the_workers() -> None:
    ended, furthest, taken = threading.Lock(), [0], [0, 0]

    def items() -> Iterator[int]:
        for number in range(500):
            taken[0] += 1
            with ended:
                furthest[0] = max(furthest[0], taken[0] - taken[1])
            yield number

    def work(_item: int) -> None:
        with ended:
            taken[1] += 1

    several(work, items(), workers=3)
    assert taken == [500, 500]
    assert furthest[0] <= 2 * 3 + 1


def test_nothing_new_is_begun_after_a_failure_and_what_runs_is_waited_for() -> None:
    begun: list[int] = []
    ended: list[int] = []
    failed = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            failed.set()
            raise ValueError("the first")
        failed.wait(10)
        ended.append(item)

    with pytest.raises(ValueError, match="the first"):
        several(work, range(1000), workers=2)
    assert len(begun) < 20
    assert sorted([*ended, 0]) == sorted(begun)
