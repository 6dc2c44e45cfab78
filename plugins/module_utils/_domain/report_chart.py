# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The charts of a rollout, one above the other on one axis of time: traffic, errors, latency, and the decisions on them."""

from __future__ import annotations

import math
import typing as t
from datetime import timedelta, timezone

from .report_drawing import Frame, dot, label, line
from .report_marks import callout, decisions
from .report_scale import Scale, clock_ticks, nice_top, ratio_ticks
from .report_story import Story, Window
from .report_words import fields, latency, percent, short

__all__ = ("chart", "described", "seal")

_STRIP = 34
_GAP = 20


def chart(story: Story, width: int, ids: str, top: float = 0.0) -> tuple[str, float]:
    """The charts as SVG elements from ``top`` on.

    :param width: 600 and less is laid out for a phone
    :param ids: makes the ids of this picture different from those of another one in the same page
    :returns: the elements, and where they end
    """
    narrow = width <= 600
    left, right = (56.0, width - 10.0) if narrow else (60.0, width - 24.0)
    span = max(story.end, 1.0)
    x = Scale(0.0, span * 1.035, left, right)
    parts: list[str] = []
    at = top + _STRIP
    first = at + 22
    frames: list[tuple[str, Frame]] = []
    for kind, height in (
        ("traffic", 84),
        ("errors", 150 if _counted(story) else 40),
        ("latency", 120 if _timed(story) else 40),
    ):
        plot = at + (40 if narrow and kind != "traffic" else 24)
        high = {
            "traffic": lambda: _traffic_top(story),
            "errors": lambda: _errors_top(story),
            "latency": lambda: _latency_top(story),
        }[kind]()
        frames.append((kind, Frame(left, right, plot, plot + height, x, Scale(0.0, high, plot + height, plot))))
        at = plot + height + _GAP
    bottom = frames[-1][1].bottom
    parts.append(decisions(story, x, top + 4, first - 18, bottom, ids))
    for kind, frame in frames:
        parts.append({"traffic": _traffic, "errors": _errors, "latency": _latencies}[kind](story, frame, narrow))
    parts.append(_times(story, frames[-1][1], narrow))
    if _counted(story):
        parts.append(callout(story, dict(frames)))
    return "".join(parts), bottom + 26


def seal(tone: str, sign: str, size: float = 76, x: float = 0, y: float = 0) -> str:
    """The outcome as a sign that is known without its colour."""
    return (
        f'<g transform="translate({x:g} {y:g}) scale({size / 76:g})"><circle cx="38" cy="38" r="36" style="fill:var(--{tone})"/>'
        f'<g style="fill:none;stroke:var(--on-mark);stroke-width:7;stroke-linecap:round;stroke-linejoin:round">{_SIGNS[sign]}</g></g>'
    )


_SIGNS = {
    "tick": '<path d="M20 39l13 13 24-27"/>',
    "back": '<path d="M25 22L15 33l10 11"/><path d="M16 33h27c9 0 15 6 15 13s-6 12-14 12h-9"/>',
    "pause": '<path d="M29 24v28M47 24v28"/>',
    "stop": '<path d="M27 27h22v22h-22z"/>',
    "cross": '<path d="M26 26l24 24M50 26l-24 24"/>',
    "clock": '<path d="M38 20v18l13 9"/>',
}


def _counted(story: Story) -> bool:
    return any(window.requests for window in (*story.candidate, *story.stable))


def _timed(story: Story) -> bool:
    both = (*story.candidate, *story.stable)
    return any(window.p99 is not None or window.mean is not None for window in both)


def _traffic_top(story: Story) -> float:
    """A canary that never had more than some per cent is drawn on a scale on which they can be seen."""
    peak = max((share for _at, share in story.shares), default=0.0)
    return next((top for top in (10.0, 20.0, 50.0) if peak * 1.3 <= top), 100.0)


def _errors_top(story: Story) -> float:
    seen = [window.errors or 0.0 for window in (*story.candidate, *story.stable)]
    return nice_top(min(1.0, max([*seen, (story.error_limit or 0.0) * 1.6, 0.004])), most=1.0)


def _latency_top(story: Story) -> float:
    seen = [
        value
        for window in (*story.candidate, *story.stable)
        for value in (window.p99, window.mean)
        if value is not None
    ]
    limits = [limit * 1.25 for limit in (story.p99_limit, story.mean_limit) if limit]
    return nice_top(max([*seen, *limits, 0.001]))


def _grid(frame: Frame, ticks: t.Sequence[float], told: t.Callable[[float], str]) -> str:
    parts = []
    for value in ticks:
        y = frame.y(value)
        parts.append(line(frame.left, y, frame.right, y, "axis" if value == 0 else "grid"))
        parts.append(label(frame.left - 7, y + 4, told(value), "end"))
    return "".join(parts)


def _heading(frame: Frame, words: str, keys: t.Sequence[tuple[str, str]], narrow: bool) -> str:
    """A panel's name and its legend: a piece of each line beside its name."""
    parts = [label(frame.left, frame.top - (24 if narrow and keys else 8), words, "name halo")]
    widths = [32 + 7.1 * len(name) for _css, name in keys]
    at = frame.left if narrow else frame.right - sum(widths)
    for (css, name), width in zip(keys, widths, strict=True):
        y = frame.top - 12
        parts.append(line(at, y, at + 20, y, css))
        if css in ("candidate", "stable"):
            parts.append(dot(at + 10, y, css))
        parts.append(label(at + 24, y + 4, name, "key halo"))
        at += width
    return "".join(parts)


def _keys(story: Story) -> list[tuple[str, str]]:
    rollout = story.rollout
    found = []
    if story.candidate:
        found.append(("candidate", short(rollout.get("candidate"), "candidate")))
    if story.stable:
        found.append(("stable", f"{short(rollout.get('stable'), 'stable')} (stable)" if _versions(story) else "stable"))
    return found


def _versions(story: Story) -> bool:
    return bool(fields(story.rollout.get("stable")).get("version"))


def _traffic(story: Story, frame: Frame, narrow: bool) -> str:
    name = short(story.rollout.get("candidate"), "the candidate")
    parts = [
        _heading(frame, f"Traffic of {name}", (), narrow),
        _grid(frame, (0, frame.y.high / 2, frame.y.high), lambda value: f"{value:g} %"),
    ]
    if not story.shares:
        return "".join([*parts, _nothing(frame, "no traffic was recorded")])
    path: list[str] = []
    labels: list[str] = []
    free = -1e9
    before = 0.0
    # What an ended rollout leaves behind goes on.
    last = frame.x.high if story.rollout.get("outcome") else story.end
    for index, (at, share) in enumerate(story.shares):
        until = story.shares[index + 1][0] if index + 1 < len(story.shares) else last
        x, y, right = frame.x(at), frame.y(share), frame.x(until)
        path.append(f"{'L' if path else 'M'}{x:.1f} {frame.y(before):.1f}L{x:.1f} {y:.1f}L{right:.1f} {y:.1f}")
        words = f"{share:g} %"
        if share and right - x >= 6.6 * len(words) - 8 and x >= free:
            high = y - 5 if y - 5 > frame.top + 8 else y + 15
            labels.append(label(x + 3, high, words, "step halo"))
            free = x + 6.6 * len(words) + 4
        before = share
    line = "".join(path)
    ground = frame.y(0)
    start, end = frame.x(story.shares[0][0]), frame.x(last)
    parts.append(
        f'<path class="area" d="M{start:.1f} {ground:.1f}{line.replace("M", "L", 1)}L{end:.1f} {ground:.1f}Z"/>'
    )
    parts.append(f'<path class="candidate" d="{line}"/>')
    return "".join(parts + labels)


def _errors(story: Story, frame: Frame, narrow: bool) -> str:
    if not _counted(story):
        return _heading(frame, "Failed requests", (), narrow) + _nothing(frame, "no requests were counted")
    parts = [
        _heading(frame, "Failed requests", _keys(story), narrow),
        _grid(frame, ratio_ticks(frame.y.high), percent),
        _limit(frame, story.error_limit),
        _curve(frame, story.stable, lambda window: window.errors, "stable"),
        _curve(frame, story.candidate, lambda window: window.errors, "candidate"),
        _limit_name(frame, story.error_limit, f"limit {percent(story.error_limit)}"),
    ]
    return "".join(parts)


def _latencies(story: Story, frame: Frame, narrow: bool) -> str:
    if not _timed(story):
        return _heading(frame, "Latency", (), narrow) + _nothing(frame, "no latency was measured")
    both = (*story.candidate, *story.stable)
    p99 = any(window.p99 is not None for window in both)
    mean = any(window.mean is not None for window in both)
    keys = _keys(story)
    name = "Latency, 99 % are faster (p99)" if p99 else "Latency, mean"
    if p99 and mean:
        keys = [*keys, ("candidate mean", "mean")]
        name = "Latency, p99 and mean" if narrow else "Latency: 99 % are faster (p99), and mean"
    parts = [_heading(frame, name, keys, narrow), _grid(frame, ratio_ticks(frame.y.high), latency)]
    parts += [_limit(frame, story.p99_limit), _limit(frame, story.mean_limit)]
    for css, windows in (("stable", story.stable), ("candidate", story.candidate)):
        if mean:
            parts.append(_curve(frame, windows, lambda window: window.mean, f"{css} mean" if p99 else css))
        if p99:
            parts.append(_curve(frame, windows, lambda window: window.p99, css))
    parts.append(_limit_name(frame, story.p99_limit, f"p99 limit {latency(story.p99_limit)}"))
    parts.append(_limit_name(frame, story.mean_limit, f"mean limit {latency(story.mean_limit)}"))
    return "".join(parts)


def _limit(frame: Frame, limit: float | None) -> str:
    if limit is None or limit > frame.y.high:
        return ""
    y = frame.y(limit)
    over = f'<rect class="over" x="{frame.left:.1f}" y="{frame.top:.1f}" width="{frame.right - frame.left:.1f}" height="{max(0.0, y - frame.top):.1f}"/>'
    return over + line(frame.left, y, frame.right, y, "limit")


def _limit_name(frame: Frame, limit: float | None, words: str) -> str:
    """Over the curves, so that it can be read."""
    if limit is None or limit > frame.y.high:
        return ""
    return label(frame.left + 5, frame.y(limit) - 5, words, "limit-name halo")


def _curve(frame: Frame, windows: t.Sequence[Window], value: t.Callable[[Window], float | None], css: str) -> str:
    """A line through the windows that have a value; where one has none, it breaks."""
    path: list[str] = []
    dots: list[str] = []
    pen = False
    dotted = len(windows) <= 70 and "mean" not in css
    for index, window in enumerate(windows):
        found = value(window)
        if found is None:
            pen = False
            continue
        x, y = frame.x(window.at), frame.y(min(found, frame.y.high))
        path.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}")
        following = value(windows[index + 1]) if index + 1 < len(windows) else None
        if dotted or (not pen and following is None):
            dots.append(dot(x, y, css) if "mean" not in css else "")
        pen = True
    return f'<path class="{css}" d="{"".join(path)}"/>{"".join(dots)}' if path else ""


def _nothing(frame: Frame, words: str) -> str:
    return label((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2 + 4, words, "middle empty")


def _times(story: Story, frame: Frame, narrow: bool) -> str:
    begin = story.begin.astimezone(timezone.utc)
    parts = []
    for seconds, words in clock_ticks(begin, frame.x.high, 4 if narrow else 9):
        x = frame.x(seconds)
        css = "middle" if frame.left + 20 < x < frame.right - 24 else "end" if x > frame.right - 24 else ""
        parts.append(line(x, frame.bottom, x, frame.bottom + 5, "axis") + label(x, frame.bottom + 19, words, css))
    return "".join(parts)


def described(story: Story) -> str:
    """The charts in words, for those who do not see them."""
    shares = ", ".join(f"{share:g} %" for _at, share in story.shares[:12])
    top = max((window.errors or 0.0 for window in story.candidate), default=math.nan)
    worst = "" if math.isnan(top) else f" Its worst window had {percent(top)} failed requests."
    begin = story.begin.astimezone(timezone.utc)
    until = begin + timedelta(seconds=story.end)
    return f"From {begin:%H:%M:%S} to {until:%H:%M:%S} UTC the candidate's share of the traffic went {shares or 'nowhere'}.{worst}"
