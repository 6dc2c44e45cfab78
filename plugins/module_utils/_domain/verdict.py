# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the judge says, as data and in words for a person."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

__all__ = (
    "FAIL",
    "NO_DATA",
    "OK",
    "PASS",
    "UNDECIDED",
    "Finding",
    "Verdict",
    "odds",
    "percent",
    "seconds",
    "silent",
    "span",
)

Json = dict[str, t.Any]

FAIL, PASS, NO_DATA, UNDECIDED, OK = "fail", "pass", "no_data", "undecided", "ok"


@dataclass(frozen=True)
class Finding:
    """What one test says.

    :param gate: the gate's name; "NAME over stable" for its comparison
    :param outcome: pass: within the limit; undecided: beyond it, without enough evidence; fail; no_data
    :param candidate: ratio or seconds since the rollout began; ``stable``: the same
    :param evidence: 1.0 is none; ``needed``: from where on it fails; 0.0 where no rate of errors is stated
    :param requests: of the candidate, that this rests on
    :param doubt: why the candidate should not get all traffic yet, or empty
    """

    gate: str
    outcome: str
    candidate: float | None
    stable: float | None
    limit: str
    evidence: float
    needed: float
    requests: int
    why: str
    doubt: str = ""

    def to_json(self) -> Json:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Verdict:
    """:param stable_worse: evidence that STABLE fails more than the candidate, 1.0 is none"""

    outcome: str
    findings: tuple[Finding, ...]
    stable_worse: float = 1.0

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the candidate has yet to show before it gets all traffic; nothing that forbids a step before that."""
        return tuple(finding.doubt for finding in self.findings if finding.doubt)

    def to_json(self) -> Json:
        return {
            "outcome": self.outcome,
            "findings": [finding.to_json() for finding in self.findings],
            "stable_worse": self.stable_worse,
        }


def silent(name: str, words: str, why: str) -> Finding:
    return Finding(name, NO_DATA, None, None, words, 1.0, 0.0, 0, why)


def span(low: float | None, high: float | None) -> str:
    return " and ".join(
        words
        for words in (None if low is None else f"at least {low:g}", None if high is None else f"at most {high:g}")
        if words
    )


def percent(ratio: float) -> str:
    return f"{float(f'{ratio * 100:.3g}'):g} %"


def seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def odds(evidence: float) -> str:
    return f"{evidence:.0f}:1" if evidence < 1e6 else "over 1000000:1"
