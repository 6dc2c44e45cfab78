"""The tables of a soak."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from tools.bench.table import Table
from tools.soak.scenes import Played


def _span(values: Sequence[float], digits: int = 1) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _outcomes(played: Sequence[Played]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in Counter(one.outcome for one in played).most_common())


def bad_table(runs: dict[str, list[Played]]) -> Table:
    table = Table(
        "the candidate fails 30 % of its requests; median (least to most)",
        (
            "plan",
            "outcome",
            "s, its first request to its last",
            "its failed requests",
            "its requests counted",
            "failed on stable",
        ),
    )
    for name, played in runs.items():
        table.add(
            *(name, _outcomes(played), _span([one.to_end for one in played])),
            *(
                _span([one.failed_by_candidate for one in played], 0),
                _span([one.candidate_requests for one in played], 0),
            ),
            str(sum(one.failed_by_stable for one in played)),
        )
    return table


def good_table(runs: dict[str, list[Played]]) -> Table:
    table = Table(
        "a good candidate",
        ("plan", "outcome", "s, its first request to all traffic", "s, the whole task", "requests failed"),
    )
    for name, played in runs.items():
        lost = sum(one.failed_by_candidate + one.failed_by_stable for one in played)
        table.add(
            name,
            _outcomes(played),
            _span([one.to_end for one in played]),
            _span([one.whole for one in played]),
            str(lost),
        )
    return table


def same_table(played: list[Played]) -> Table:
    table = Table("both versions fail 1 %", ("plan", "outcome", "s, the whole task", "candidate's requests"))
    table.add(
        "default",
        _outcomes(played),
        _span([one.whole for one in played]),
        _span([one.candidate_requests for one in played], 0),
    )
    return table


def step_table(engine: list[float], bare: list[float]) -> Table:
    table = Table(
        "from the decision on a share until it is known to be there; median (least to most)", ("", "steps", "s")
    )
    table.add("a bare PATCH and looks at the InferenceService", str(len(bare)), _span(bare, 2))
    table.add("the rollout, its row, record, fence and proof by the traffic list", str(len(engine)), _span(engine, 2))
    return table
