# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions on the charts: numbered lines, and in words what sent a candidate back."""

from __future__ import annotations

import math
import typing as t
from html import escape

from .gates import ERRORS, LATENCY, MEAN_LATENCY
from .report_drawing import Frame, label, line
from .report_scale import Scale
from .report_sentence import decisive, gate_name, mark_words, metric_of, side_values
from .report_story import Mark, Story, Window
from .report_words import evidence, number, plural, text, whole

__all__ = ("callout", "decisions")

_MARKS = 60


def _way_back(story: Story, x: Scale, top: float, bottom: float) -> str:
    """The time between the verdict and stable's full share."""
    settled, back = story.settled, story.returned
    if settled is None or back is None or settled.kind != "returning":
        return ""
    left, right = x(settled.at), x(back.at)
    return f'<rect class="back" x="{left:.1f}" y="{top:.1f}" width="{max(1.0, right - left):.1f}" height="{bottom - top:.1f}"/>'


def decisions(story: Story, x: Scale, top: float, low: float, bottom: float, ids: str) -> str:
    """A line through all charts at each decision, its number on top; neighbours share a badge."""
    marks = (
        story.marks if len(story.marks) <= _MARKS else [*story.marks[: _MARKS // 3], *story.marks[-_MARKS * 2 // 3 :]]
    )
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and x(mark.at) - x(groups[-1][0].at) < (17 if len(groups[-1]) == 1 else 34):
            groups[-1].append(mark)
        else:
            groups.append([mark])
    parts: list[str] = []
    free = -1e9
    for group in groups:
        mark = max(group, key=lambda one: ("plain", "good", "warn", "bad").index(one.tone))
        words = str(group[0].number) if len(group) == 1 else f"{group[0].number}-{group[-1].number}"
        if len(group) > 1:
            words = words.replace("-", "\u2013")
        half = max(9.0, 3.4 * len(words) + 5)
        at = max(x(mark.at), free + half + 2)
        at = min(at, x.to + (half if at > x.to else 0))
        free = at + half
        parts += [line(x(one.at), low + 10, x(one.at), bottom, f"mark {one.tone}") for one in group]
        if abs(at - x(mark.at)) > 1:
            parts.append(line(at, top + 18, x(mark.at), low + 10, f"mark {mark.tone}"))
        else:
            parts.append(line(at, top + 18, at, low + 10, f"mark {mark.tone}"))
        told = "; ".join(f"{one.number} {mark_words(one)}: {text(one.event.get('message'), 120)}" for one in group[:6])
        round_ = 3 if mark.tone == "bad" else 9
        parts.append(
            f'<g><title>{escape(told)}</title><rect class="badge {mark.tone}" x="{at - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}"'
            f' height="18" rx="{round_}"/>{label(at, top + 12.8, words, f"badge-text {mark.tone}")}</g>'
        )
    return f'<g id="{ids}-decisions">{_way_back(story, x, low + 18, bottom)}{"".join(parts)}</g>'


def callout(story: Story, frames: t.Mapping[str, Frame]) -> str:
    """What sent the candidate back, said where it happened."""
    finding, settled = decisive(story), story.settled
    if not finding or settled is None or settled.kind != "returning":
        return ""
    name, metric = gate_name(finding), metric_of(finding, story)
    frame = frames["latency" if metric in (LATENCY, MEAN_LATENCY) else "errors"]
    value = side_values(finding, story)[0]
    count = whole(finding.get("requests"))
    asked = f" of {plural(count, 'request')}" if count else " of the requests"
    if metric == ERRORS:
        first = f"{value}{asked} failed"
    elif metric == LATENCY:
        first = f"{value}{asked} too slow"
    else:
        first = f"{name}: {value}"
    odds = number(finding.get("evidence")) or 0.0
    second = f"evidence {evidence(odds)}: sent back" if odds > 1 else "sent back"
    width, height = 7.6 * max(len(first), len(second) * 0.9) + 18, 40.0
    x = frame.x(settled.at)
    left, top = _free(frame, list(_drawn(frame, metric, story)), x, width, height)
    near = left + width if left + width <= x else left
    middle = top + height / 2
    return (
        line(near, middle, x, middle, "lead")
        + f'<rect class="call" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:g}" rx="6"/>'
        f"{label(left + 9, top + 17, first, 'call-text')}{label(left + 9, top + 33, second, 'call-more')}"
    )


def _drawn(frame: Frame, metric: str, story: Story) -> t.Iterator[tuple[float, float]]:
    """Places that the curves go through, close enough together to see what a box would hide."""
    for windows in (story.candidate, story.stable):
        before: tuple[float, float] | None = None
        for window in windows:
            value = _value(window, metric)
            if value is None:
                before = None
                continue
            here = (frame.x(window.at), frame.y(min(value, frame.y.high)))
            if before is not None:
                for part in range(1, 12):
                    yield before[0] + (here[0] - before[0]) * part / 12, before[1] + (here[1] - before[1]) * part / 12
            yield here
            before = here


def _value(window: Window, metric: str) -> float | None:
    if metric not in (LATENCY, MEAN_LATENCY):
        return window.errors
    return window.mean if window.p99 is None else window.p99


def _free(
    frame: Frame, drawn: t.Sequence[tuple[float, float]], x: float, width: float, height: float
) -> tuple[float, float]:
    """Where a box hides least, the nearer to ``x`` the better."""
    best, found = math.inf, (max(0.0, frame.right - width), frame.top + 6)
    for step in range(24):
        for left in (x - width - 12 - 24 * step, x + 12 + 24 * step):
            if left < frame.left or left + width > frame.right:
                continue
            for top in (frame.top + 6, (frame.top + frame.bottom - height) / 2, frame.bottom - height - 8):
                hidden = sum(left - 4 <= at <= left + width + 4 and top - 4 <= y <= top + height + 4 for at, y in drawn)
                cost = 100 * hidden + 10 * step + (top - frame.top) / 10
                if cost < best:
                    best, found = cost, (left, top)
    return found
