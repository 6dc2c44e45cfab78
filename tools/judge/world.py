"""What every judge of the simulation is put to: traffic, true ratios of errors, and how a roll-out ends."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

STEPS = (1, 5, 10, 25, 50)
# Seconds from a verdict to the share being back at 0, for every judge.
WAY_BACK = 2.0
ROLLED_BACK, PROMOTED, HELD = "rolled back", "promoted", "held"


@dataclass(frozen=True)
class World:
    """:param traffic: requests a second in all; ``stable``, ``candidate``: true ratios of failed requests, independent"""

    traffic: float
    stable: float
    candidate: float


@dataclass(frozen=True)
class End:
    """:param seconds: from the first share to the end; ``failed``: the candidate's failed requests by then"""

    outcome: str
    seconds: float
    failed: int


@dataclass(frozen=True)
class Row:
    rolled_back: float
    promoted: float
    held: float
    seconds: float
    failed: float | None
    runs: int


def summary(ends: list[End]) -> Row:
    """Shares in percent; medians of all runs, and of the failed requests of those that were rolled back."""

    def share(outcome: str) -> float:
        return 100 * sum(end.outcome == outcome for end in ends) / len(ends)

    failed = [end.failed for end in ends if end.outcome == ROLLED_BACK]
    return Row(
        share(ROLLED_BACK),
        share(PROMOTED),
        share(HELD),
        statistics.median(end.seconds for end in ends),
        statistics.median(failed) if failed else None,
        len(ends),
    )
