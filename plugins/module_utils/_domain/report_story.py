# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout's record as a story: curves of bounded size, numbered decisions, and what settled it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .errors import ServingError
from .gates import ERRORS, LATENCY, MEAN_LATENCY, Gate, parse_gates
from .report_words import Json, entries, fields, in_shape, moment, number, whole

__all__ = ("Mark", "Side", "Story", "Window", "tell")

# A curve and the table stay readable, and the file small, however long a rollout has run.
_WINDOWS = 120
_CORNERS = 400
_FIRST, _LAST = 40, 60

# The tone of a decision: how it is drawn beside its number and its word.
_TONES = {
    "passed": "good",
    "promoted": "good",
    "promoting": "good",
    "returning": "bad",
    "returned": "bad",
    "drift": "warn",
    "paused": "warn",
    "approval": "warn",
    "superseded": "warn",
}


@dataclass(frozen=True)
class Window:
    """What one revision answered between two looks.

    :param at: its end, seconds since the story's begin
    :param p99: seconds; of several windows together the worst
    """

    at: float
    requests: int
    failed: int
    p99: float | None = None
    mean: float | None = None

    @property
    def errors(self) -> float | None:
        return min(1.0, self.failed / self.requests) if self.requests else None


@dataclass(frozen=True)
class Side:
    """Cumulative counts of one revision at a decision."""

    requests: int
    failed: int
    p99: float | None = None

    @property
    def errors(self) -> float | None:
        return min(1.0, self.failed / self.requests) if self.requests else None


@dataclass(frozen=True)
class Mark:
    """One decision. ``share``: percent of the traffic that the candidate had, or was given, then."""

    number: int
    at: float
    when: datetime
    kind: str
    tone: str
    event: Json
    share: float | None
    candidate: Side | None
    stable: Side | None


@dataclass(frozen=True)
class Story:
    """
    :param end: seconds since the begin of the last thing that is known
    :param shares: (seconds, percent) at each change of the candidate's share
    :param marks: the decisions; ``left_out`` so many in the middle are not among them
    :param verdict: the one that ended it, else the last one
    :param settled: the decision that sent the candidate back or made it stable
    """

    rollout: Json
    begin: datetime
    end: float
    shares: tuple[tuple[float, float], ...]
    candidate: tuple[Window, ...]
    stable: tuple[Window, ...]
    marks: tuple[Mark, ...]
    left_out: int
    gates: tuple[Gate, ...]
    verdict: Json
    settled: Mark | None
    returned: Mark | None
    totals: tuple[Side, Side]
    looks: int

    def limit(self, metric: str, quantile: float | None = None) -> float | None:
        """The absolute limit of a gate that belongs into a chart."""
        for gate in self.gates:
            if gate.metric == metric and (quantile is None or gate.quantile == quantile):
                return gate.max
        return None

    @property
    def error_limit(self) -> float | None:
        return self.limit(ERRORS)

    @property
    def p99_limit(self) -> float | None:
        return self.limit(LATENCY, 0.99)

    @property
    def mean_limit(self) -> float | None:
        return self.limit(MEAN_LATENCY)


def tell(rollout: Json, events: t.Iterable[Json]) -> Story:
    """Reads the record once, in its order. Parts that are missing or of another shape are left out, nothing is made up."""
    rollout = in_shape(rollout)
    created = moment(rollout.get("created_at"))
    reader = _Reader(rollout, created)
    for event in events:
        if isinstance(event, Mapping):
            reader.take(event)
    begin = t.cast("datetime", reader.begin or moment(0.0))
    finished = moment(rollout.get("finished_at"))
    end = max(reader.last, (finished - begin).total_seconds() if finished else 0.0)
    marks = tuple(reader.first + reader.rest[-_LAST:])
    totals = fields(rollout.get("totals"))
    return Story(
        rollout=rollout,
        begin=begin,
        end=end,
        shares=tuple(_corners(reader.shares or reader.wanted)),
        candidate=tuple(_thinned(reader.candidate, end)),
        stable=tuple(_thinned(reader.stable, end)),
        marks=marks,
        left_out=reader.count - len(marks),
        gates=_gates(rollout),
        verdict=reader.failed or reader.verdict,
        settled=reader.settled,
        returned=reader.returned,
        totals=(
            _side(totals.get("candidate")) or reader.seen[0] or Side(0, 0),
            _side(totals.get("stable")) or reader.seen[1] or Side(0, 0),
        ),
        looks=reader.looks,
    )


class _Reader:
    def __init__(self, rollout: Json, begin: datetime | None) -> None:
        self.rollout = rollout
        self.begin = begin
        self.last = 0.0
        self.looks = 0
        self.had = 0.0
        self.count = 0
        self.shares: list[tuple[float, float]] = []
        self.wanted: list[tuple[float, float]] = []
        self.candidate: list[Window] = []
        self.stable: list[Window] = []
        self.first: list[Mark] = []
        self.rest: list[Mark] = []
        self.verdict: Json = {}
        self.failed: Json = {}
        self.settled: Mark | None = None
        self.returned: Mark | None = None
        self.seen: tuple[Side | None, Side | None] = (None, None)

    def take(self, event: Json) -> None:
        when = moment(event.get("at"))
        if when is None:
            when = moment(event.get("time")) or (self.begin + timedelta(seconds=self.last) if self.begin else None)
            if when is None:
                return
        if self.begin is None or (when < self.begin and not self.count and not self.looks):
            self.begin = when
        # The store's clock may be set back; the story goes on.
        at = self.last = max(self.last, (when - self.begin).total_seconds())
        kind = str(event.get("kind") or "")
        share = self._observed(event)
        if share is not None:
            self._share(self.shares, at, share)
        wanted = self._written(event, kind)
        if wanted is not None:
            self._share(self.wanted, at, wanted)
        self._samples(event, at)
        verdict = fields(event.get("verdict"))
        if verdict:
            self.verdict = verdict
            if verdict.get("outcome") == "fail":
                self.failed = verdict
        if share:
            self.had = share
        if kind != "sample":
            if kind == "returning":
                # What it had when it was sent back, not what it was sent back to.
                now: float | None = self.had
            else:
                now = wanted if share is None or (kind in ("raised", "promoting") and wanted is not None) else share
            self._mark(event, kind, at, when, now)
        self.had = share or wanted or self.had

    def _share(self, known: list[tuple[float, float]], at: float, share: float) -> None:
        if not known or known[-1][1] != share:
            known.append((at, share))

    def _observed(self, event: Json) -> float | None:
        observed = fields(event.get("observed"))
        shares = observed.get("shares")
        name = observed.get("candidate") or fields(self.rollout.get("candidate")).get("revision")
        if not isinstance(shares, Mapping) or not shares or not name:
            return None
        found = number(shares.get(str(name), 0))
        return None if found is None else min(100.0, max(0.0, found))

    def _written(self, event: Json, kind: str) -> float | None:
        if kind == "promoting":
            return 100.0
        if kind in ("started", "staged", "returning", "returned"):
            return 0.0
        found = number(fields(event.get("written")).get("canaryTrafficPercent"))
        return None if found is None else min(100.0, max(0.0, found))

    def _samples(self, event: Json, at: float) -> None:
        samples = fields(event.get("samples"))
        if not samples:
            return
        self.looks += event.get("kind") == "sample"
        sides: list[Side | None] = []
        for name, windows, before in (
            ("candidate", self.candidate, self.seen[0]),
            ("stable", self.stable, self.seen[1]),
        ):
            side = _side(samples.get(name))
            sides.append(side or before)
            window = fields(fields(samples.get(name)).get("window"))
            if window:
                p99, mean = number(window.get("p99")), number(window.get("mean"))
                windows.append(Window(at, whole(window.get("requests")), whole(window.get("failed")), p99, mean))
            elif side is not None and event.get("kind") == "sample":
                grown = Side(
                    side.requests - (before.requests if before else 0), side.failed - (before.failed if before else 0)
                )
                windows.append(Window(at, max(0, grown.requests), max(0, grown.failed), side.p99))
        self.seen = (sides[0], sides[1])

    def _mark(self, event: Json, kind: str, at: float, when: datetime, share: float | None) -> None:
        self.count += 1
        tone = _TONES.get(kind, "plain")
        if kind == "finished":
            tone = {"promoted": "good", "rolled_back": "bad", "failed": "bad"}.get(
                str(self.rollout.get("outcome")), "plain"
            )
        if kind in ("paused", "returning") and fields(event.get("verdict")).get("outcome") == "fail":
            tone = "bad"
        if kind in ("returning", "returned") and self.rollout.get("outcome") in ("returned", "aborted"):
            tone = "warn"
        mark = Mark(self.count, at, when, kind, tone, event, share, *self.seen)
        if kind in ("returning", "promoting", "superseded"):
            self.settled = mark
        if kind == "returned":
            self.returned = mark
        if len(self.first) < _FIRST:
            self.first.append(mark)
            return
        self.rest.append(mark)
        if len(self.rest) > 2 * _LAST:
            del self.rest[:_LAST]


def _side(value: t.Any) -> Side | None:
    side = fields(value)
    if number(side.get("requests")) is None:
        return None
    return Side(whole(side.get("requests")), whole(side.get("failed")), number(side.get("p99")))


def _thinned(windows: list[Window], end: float) -> t.Iterator[Window]:
    """Equal spans of time, each the sum of its windows: no failure is lost, and of latencies the worst stays."""
    if len(windows) <= _WINDOWS:
        yield from windows
        return
    width = max(end, windows[-1].at, 1e-9) / _WINDOWS
    group: list[Window] = []
    for window in windows:
        if group and int(window.at / width) != int(group[0].at / width):
            yield _together(group)
            group = []
        group.append(window)
    yield _together(group)


def _together(group: list[Window]) -> Window:
    p99 = [window.p99 for window in group if window.p99 is not None]
    means = [(window.mean, max(1, window.requests)) for window in group if window.mean is not None]
    weight = sum(requests for _mean, requests in means)
    return Window(
        group[-1].at,
        sum(window.requests for window in group),
        sum(window.failed for window in group),
        max(p99) if p99 else None,
        sum(mean * requests for mean, requests in means) / weight if weight else None,
    )


def _corners(shares: list[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(shares) <= _CORNERS:
        return shares
    step = -(-len(shares) // _CORNERS)
    return [*shares[:-1:step], shares[-1]]


def _gates(rollout: Json) -> tuple[Gate, ...]:
    """As the plan has them; one that this release does not know is left out of the charts, not of the report."""
    found: list[Gate] = []
    for item in entries(fields(rollout.get("plan")).get("gates")):
        try:
            if isinstance(fields(item).get("metric"), str):
                found += parse_gates([item])
        except ServingError:
            continue
    return tuple(found)
