"""What is told of a long transfer, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._ansible.progress import Lines
from ansible_collections.mlops.serving.plugins.module_utils._ansible.transfer import Transfer

MIB = 1024 * 1024


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def begin(clock: Clock, lines: list[str]) -> Callable[..., Transfer]:
    return lambda files, size: Transfer(lines.append, "sending", files, size, clock)


def test_nothing_is_said_of_what_is_soon_over(begin: Callable[..., Transfer], clock: Clock, lines: list[str]) -> None:
    transfer = begin(2, 10)
    clock.now += 1.9
    transfer(5, 1)
    transfer(5, 1)
    assert lines == []


def test_a_line_after_two_seconds_then_every_five_and_at_the_end(
    begin: Callable[..., Transfer], clock: Clock, lines: list[str]
) -> None:
    transfer = begin(2000, 2048 * MIB)
    for seconds, size, files in ((2, 512, 3), (4.9, 1, 0), (0.1, 511, 497), (3, 1024, 1500)):
        clock.now += seconds
        transfer(size * MIB, files)
    assert lines == [
        "sending 3 of 2,000 files, 0.5 of 2.0 GiB (25 %), 256.0 MiB/s, about 6 s left",
        "sending 500 of 2,000 files, 1.0 of 2.0 GiB (50 %), 146.3 MiB/s, about 7 s left",
        "sending 2,000 of 2,000 files, 2.0 of 2.0 GiB (100 %), 204.8 MiB/s",
    ]


def test_files_without_content(begin: Callable[..., Transfer], clock: Clock, lines: list[str]) -> None:
    transfer = begin(2, 0)
    clock.now += 3
    transfer(0, 1)
    assert lines == ["sending 1 of 2 files, 0 of 0 B (100 %)"]


def test_lines_are_added_to_a_file_at_once(tmp_path: Path) -> None:
    say = Lines(str(tmp_path / "lines")).say
    for number in range(2):
        say(f"line {number}")
        assert (tmp_path / "lines").read_text().splitlines()[number].endswith(f"  line {number}")
    Lines(None).say("for nobody")
