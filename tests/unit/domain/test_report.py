# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a rollout: what it says, that it holds together, and that nothing in a record can break out of it."""

from __future__ import annotations

import copy
import random
import re
import typing as t
from datetime import timedelta, timezone
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import report
from ansible_collections.mlops.serving.plugins.module_utils._domain.report_sentence import headline
from ansible_collections.mlops.serving.plugins.module_utils._domain.report_story import tell
from ansible_collections.mlops.serving.plugins.module_utils._domain.report_style import DARK, LIGHT
from ansible_collections.mlops.serving.tests.unit.domain.rollout_records import (
    BEGIN,
    RECORDS,
    Json,
    Record,
    blue_green,
    promoted,
    rolled_back,
)

NAMES = sorted(RECORDS)
VOID = {"meta", "br", "link", "img", "input", "hr"}
KNOWN = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "footer",
    "section",
    "figure",
    "figcaption",
    "div",
    "p",
    "h1",
    "h2",
    "dl",
    "dt",
    "dd",
    "small",
    "strong",
    "b",
    "i",
    "span",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "pre",
    "svg",
    "g",
    "rect",
    "circle",
    "line",
    "path",
    "text",
    "tspan",
    "desc",
}


class Page(HTMLParser):
    """Takes a page apart and insists that it is balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.texts).replace("\u00a0", " ").split())


def page(record: Record) -> Page:
    return Page(report.html(*record))


def pictures(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_together_and_loads_nothing(name: str) -> None:
    text = report.html(*RECORDS[name]())
    seen = Page(text)
    assert {tag for tag, _attrs in seen.tags} <= KNOWN
    policy = next(
        attrs for tag, attrs in seen.tags if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in str(policy["content"])
    assert "script-src" not in str(policy["content"])
    for _tag, attrs in seen.tags:
        assert not {"src", "href", "srcset", "xlink:href", "action"} & set(attrs)
    assert "url(" not in text
    assert "@import" not in text
    ids = [attrs["id"] for _tag, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_charts_have_names_for_those_who_do_not_see_them(name: str) -> None:
    text = report.html(*RECORDS[name]())
    charts = [one for one in pictures(text) if one.get("role") == "img"]
    assert len(charts) == 2
    for chart in charts:
        inside = {element.get("id"): element for element in chart.iter() if element.get("id")}
        for named in str(chart.get("aria-labelledby")).split():
            assert inside[named].text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dark", [False, True])
def test_a_picture_stands_alone(name: str, dark: bool) -> None:
    text = report.svg(*RECORDS[name](), dark)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text
    assert (DARK if dark else LIGHT)["card"] in text
    assert (LIGHT if dark else DARK)["page"] not in text


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_outside_of_its_chart(name: str) -> None:
    for chart in [*pictures(report.html(*RECORDS[name]())), *pictures(report.svg(*RECORDS[name]()))]:
        _left, _top, width, height = (float(part) for part in str(chart.get("viewBox")).split())
        for element in chart.iter():
            for key, most in (
                ("x", width),
                ("x1", width),
                ("x2", width),
                ("cx", width),
                ("y", height),
                ("y1", height),
                ("cy", height),
            ):
                assert -1 <= float(element.get(key, "0")) <= most + 1, ElementTree.tostring(element)
            if element.get("class") and element.tag.endswith("path"):
                for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", str(element.get("d"))):
                    assert 0 <= float(x) <= width
                    assert 0 <= float(y) <= height


@pytest.mark.parametrize(
    ("name", "word", "parts"),
    [
        (
            "rolled_back",
            "Rolled back",
            [
                "At 5 % of the traffic, version 4 failed ",
                "on version 3 (limit: at most 1 %)",
                "Version 3 serves again.",
            ],
        ),
        ("slow", "Rolled back", ["answered 41 % of its requests slower than 500 ms", "p99 at most 500 ms"]),
        (
            "promoted",
            "Promoted",
            ["Version 4 replaced version 3 after", "404 requests, 0.25 % errors (0.37 % on version 3)"],
        ),
        ("paused", "Paused", ["Version 4 takes 10 % of the traffic, version 3 the rest", "31 of 60 requests"]),
        (
            "ab",
            "Returned",
            ["The A/B of version 4 against version 3 ended with version 3 after 6 h", "failed on version 4"],
        ),
        ("blue_green", "Promoted", ["no request to it was counted before"]),
        ("superseded", "Superseded", ["gave way to a newer request: model version 5 was asked for"]),
        ("drift", "Stopped by a change", ["demo-canary-predictor-00005 is the newest revision"]),
        ("running", "Running", ["nothing speaks against it so far"]),
    ],
)
def test_the_first_sentence_says_what_happened_and_why(name: str, word: str, parts: list[str]) -> None:
    record = RECORDS[name]()
    told = headline(tell(*record))
    assert told.word == word
    sentence = told.sentence.replace("\u00a0", " ")
    for part in parts:
        assert part in sentence
    seen = page(record)
    assert sentence in seen.said
    assert word in seen.said


def test_what_it_cost_and_how_fast_it_was_undone_is_told() -> None:
    told, events = rolled_back()
    detail = headline(tell(told, events)).detail.replace("\u00a0", " ")
    failed, stable = told["totals"]["candidate"]["failed"], told["totals"]["stable"]["failed"]
    assert "Evidence against it 412:1 after" in detail
    assert "where 300:1 is enough" in detail
    assert "Version 3 had all traffic again 0.8 s after the verdict." in detail
    assert f"{failed} requests failed on version 4, {stable} on version 3." in detail


def test_a_stable_version_that_is_the_worse_one_is_named() -> None:
    told, events = rolled_back()
    for event in events:
        if event["verdict"]:
            event["verdict"]["stable_worse"] = 150.0
    assert "Note: version 3 fails more than version 4 (evidence 150:1)." in headline(tell(told, events)).detail.replace(
        "\u00a0", " "
    ).replace("\u00a0", " ")


def test_reasons_without_a_gate_are_told_in_their_own_words() -> None:
    told, events = rolled_back()
    for event in events:
        if event["verdict"]:
            event["verdict"] = {"outcome": "ok", "findings": [], "stable_worse": 1.0}
    told["reason"] = "the container restarted: OOMKilled"
    sentence = headline(tell(told, events)).sentence.replace("\u00a0", " ")
    assert (
        sentence
        == "Version 4 was taken back at 5 % of the traffic, and version 3 serves: the container restarted: OOMKilled."
    )


@pytest.mark.parametrize(("outcome", "word"), [("aborted", "Aborted"), ("failed", "Failed")])
def test_other_ends_have_their_word(outcome: str, word: str) -> None:
    told, events = rolled_back()
    told.update(outcome=outcome, reason="no GPU is free")
    found = headline(tell(told, events))
    assert found.word == word
    assert "no GPU is free" in found.sentence


@pytest.mark.parametrize("name", NAMES)
def test_every_number_in_the_chart_is_explained_in_the_table(name: str) -> None:
    record = RECORDS[name]()
    text = report.html(*record)
    decided = [event for event in record[1] if event["kind"] != "sample"]
    in_table = [int(found) for found in re.findall(r'<span class="no \w+">(\d+)</span>', text)]
    assert in_table == list(range(1, len(decided) + 1))
    for ids in ("wide", "narrow"):
        drawn = re.search(rf'<g id="{ids}-decisions">(.*?)</g><', text, re.DOTALL)
        assert drawn is not None
        numbers: list[int] = []
        for badge in re.findall(
            r'class="badge-text \w+">([\d\u2013]+)<', text.split(f'id="{ids}-decisions"')[1].split("</svg>")[0]
        ):
            first, _dash, last = badge.partition("\u2013")
            numbers += range(int(first), int(last or first) + 1)
        assert numbers == in_table


def test_the_curve_of_the_traffic_is_what_was_observed() -> None:
    shares = [share for _at, share in tell(*rolled_back()).shares]
    assert shares == [0, 1, 5, 0]
    assert [share for _at, share in tell(*promoted()).shares] == [0, 1, 5, 10, 25, 50, 100]


def test_without_an_observation_the_traffic_is_what_was_asked_for() -> None:
    told, events = promoted()
    for event in events:
        event["observed"] = None
    assert [share for _at, share in tell(told, events).shares] == [0, 1, 5, 10, 25, 50, 100]


def test_the_decision_that_sent_it_back_shows_the_share_it_had() -> None:
    settled = tell(*rolled_back()).settled
    assert settled is not None
    assert settled.share == 5
    assert settled.tone == "bad"


def test_the_limits_of_the_plan_are_drawn() -> None:
    said = page(rolled_back()).said
    assert "limit 1 %" in said
    assert "p99 limit 500 ms" in said


def test_simulated_evidence_is_never_taken_for_real() -> None:
    for made in (report.html(*promoted(simulated=True)), report.svg(*promoted(simulated=True))):
        assert "SIMULATED" in made
    for made in (report.html(*promoted()), report.svg(*promoted())):
        assert "SIMULATED" not in made


def test_times_are_shown_in_utc_wherever_they_come_from() -> None:
    told, events = rolled_back()
    expected = report.html(told, events)
    far = timezone(timedelta(hours=-7))
    moved = [{**event, "at": event["at"].astimezone(far)} for event in events]
    assert report.html({**told, "created_at": BEGIN.astimezone(far)}, moved) == expected
    written = [{**event, "at": event["at"].isoformat().replace("+00:00", "Z")} for event in events]
    assert report.html(told, written) == expected


def test_rows_of_the_store_are_read_as_they_are() -> None:
    told, events = rolled_back()
    row = {key: value for key, value in told.items() if key not in ("stable", "candidate", "steps")}
    row.update(
        stable_version="3",
        candidate_version="4",
        progress={"stable": "demo-canary-predictor-00003", "candidate": "demo-canary-predictor-00004"},
    )
    assert report.html(row, events) == report.html(told, events)


# Size


def many(count: int, every: int = 0) -> Record:
    """A day of samples, a decision after every so many."""
    told, events = promoted()
    sample = next(
        event for event in events if event["kind"] == "sample" and event["samples"]["candidate"]["window"]["requests"]
    )
    paused = {**events[2], "kind": "paused", "message": "<&>" * 5000}
    made = [
        {**(paused if every and index % every == 0 else sample), "at": BEGIN + timedelta(seconds=index * 0.5)}
        for index in range(count)
    ]
    return told, [*events[:4], *made, *events[-3:]]


@pytest.mark.parametrize(("count", "every"), [(150_000, 0), (40_000, 3)])
def test_a_report_stays_small_however_much_has_been_recorded(count: int, every: int) -> None:
    told, events = many(count, every)
    text = report.html(told, iter(events))
    assert len(text.encode()) < 500_000
    if every:
        assert len(report.svg(told, events).encode()) < 200_000
        assert "decisions are left out here" in text
        assert "Finished" in text
    Page(text)


def test_thinning_loses_no_failure_and_keeps_the_worst_latency() -> None:
    told, events = promoted()
    sample = next(event for event in events if event["kind"] == "sample")
    made: list[Json] = []
    for index in range(5000):
        window = {"requests": 3, "failed": int(index % 700 == 1), "p99": 9.5 if index == 3333 else 0.1, "mean": 0.05}
        samples = {**sample["samples"], "candidate": {"requests": 3 * index, "failed": 0, "window": window}}
        made.append({**sample, "samples": samples, "at": BEGIN + timedelta(seconds=index)})
    story = tell(told, made)
    assert len(story.candidate) <= 130
    assert sum(window.requests for window in story.candidate) == 15_000
    assert sum(window.failed for window in story.candidate) == 8
    assert max(window.p99 or 0 for window in story.candidate) == 9.5
    assert all(abs((window.mean or 0) - 0.05) < 1e-9 for window in story.candidate)


# What others wrote

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "</title></svg><a href='javascript:alert(1)'>x</a>",
    "' onmouseover='alert(1)",
    "]]>&lt;&#60;",
    "\x00\x07\x1b[31m\u202egnp.exe\ud800\ufffe",
    "a\u2028b",
]


def hostile(value: t.Any, chance: random.Random) -> t.Any:
    """Every text of a record, keys too, with something in it that wants out."""
    if isinstance(value, dict):
        known = {key: hostile(item, chance) for key, item in value.items()}
        return {**known, chance.choice(EVIL): chance.choice(EVIL)}
    if isinstance(value, list):
        return [hostile(item, chance) for item in value]
    return f"{chance.choice(EVIL)}{value}{chance.choice(EVIL)}" if isinstance(value, str) else value


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_others_wrote_gets_out(name: str) -> None:
    chance = random.Random(name)
    told, events = RECORDS[name]()
    evil_events = [
        {
            **hostile(event, chance),
            "kind": event["kind"] if chance.random() < 0.8 else chance.choice(EVIL),
            "at": event["at"],
        }
        for event in events
    ]
    for event, source in zip(evil_events, events, strict=True):
        if isinstance(source["verdict"], dict) and isinstance(event["verdict"], dict):
            event["verdict"]["outcome"] = source["verdict"]["outcome"]
            for finding, kept in zip(event["verdict"]["findings"], source["verdict"]["findings"], strict=True):
                finding["outcome"] = kept["outcome"]
    evil = {**hostile(told, chance), "outcome": told["outcome"], "state": told["state"]}
    text = report.html(evil, evil_events)
    seen = Page(text)
    assert {tag for tag, _attrs in seen.tags} <= KNOWN
    for _tag, attrs in seen.tags:
        assert not [key for key in attrs if key.startswith("on") or key in ("src", "href")]
    assert "alert(1)" in seen.said
    assert not re.search("[\x00-\x08\x1b\u202e\ud800-\udfff]", text)
    text.encode()
    for dark in (False, True):
        ElementTree.fromstring(report.svg(evil, evil_events, dark))
    for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(chart)


ODD: list[t.Any] = [
    None,
    "",
    "x",
    -1,
    0,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [None],
    True,
    "2026-13-45 99:99:99",
    b"\xff",
]


def spoilt(value: t.Any, chance: random.Random, share: float) -> t.Any:
    if chance.random() < share:
        return copy.deepcopy(chance.choice(ODD))
    if isinstance(value, dict):
        return {key: spoilt(item, chance, share) for key, item in value.items() if chance.random() > share / 3}
    if isinstance(value, list):
        return [spoilt(item, chance, share) for item in value]
    return value


@pytest.mark.parametrize("seed", range(150))
def test_a_record_of_any_shape_gives_a_report(seed: int) -> None:
    chance = random.Random(seed)
    told, events = RECORDS[chance.choice(NAMES)]()
    share = chance.choice([0.01, 0.05, 0.2])
    bad = {key: spoilt(value, chance, share) for key, value in told.items()}
    bad_events = [spoilt(event, chance, share) for event in events]
    Page(report.html(bad, bad_events))
    ElementTree.fromstring(report.svg(bad, bad_events))


def test_a_rollout_without_any_event_has_a_report() -> None:
    said = page(({}, [])).said
    assert "No decision has been recorded." in said
    assert "no requests were counted" in said
    assert "no latency was measured" in said


def test_without_latency_the_chart_says_so() -> None:
    told, events = rolled_back()
    for event in events:
        for side in ("candidate", "stable") if event["samples"] else ():
            event["samples"][side].update(p99=None, mean=None)
            if "window" in event["samples"][side]:
                event["samples"][side]["window"].update(p99=None, mean=None)
    said = page((told, events)).said
    assert "no latency was measured" in said
    assert "p99 limit 500 ms" not in said


def test_where_no_request_came_the_curve_breaks() -> None:
    told, events = blue_green()
    template = next(event for event in rolled_back()[1] if event["kind"] == "sample")
    for index, requests in enumerate((5, 5, 0, 5, 5)):
        window = {"requests": requests, "failed": 0, "p99": None, "mean": None}
        samples = {"candidate": {"requests": 9, "failed": 0, "window": window}, "stable": {}}
        events.insert(3 + index, {**template, "samples": samples, "at": BEGIN + timedelta(seconds=3 + index)})
    root = ElementTree.fromstring(report.svg(told, events))
    paths = [
        element.get("d", "")
        for element in root.iter()
        if element.get("class") == "candidate" and element.tag.endswith("path")
    ]
    assert [path.count("M") for path in paths] == [1, 2]


# Colours


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_can_be_told_from_their_ground(palette: dict[str, str]) -> None:
    # WCAG 2.2, 1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for what a picture means.
    for name in ("ink", "soft", "good", "bad", "warn", "plain", "limit"):
        assert contrast(palette[name], palette["card"]) >= 4.5, name
    for name in ("soft", "ink"):
        assert contrast(palette[name], palette["page"]) >= 4.5, name
    for tone in ("good", "bad", "warn"):
        assert contrast(palette["on-mark"], palette[tone]) >= 4.5, tone
        assert contrast(palette[tone], palette[f"{tone}-fill"]) >= 4.5, tone
    assert contrast(palette["ink"], palette["bad-fill"]) >= 4.5
    for name in ("candidate", "stable"):
        assert contrast(palette[name], palette["card"]) >= 3, name


def test_both_palettes_have_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)


def test_the_two_sides_differ_by_more_than_colour() -> None:
    text = report.html(*rolled_back())
    assert re.search(r"\.chart \.stable\{[^}]*stroke-dasharray", text)
    assert not re.search(r"\.chart \.candidate\{[^}]*stroke-dasharray", text)
    assert '<circle class="dot-candidate"' in text
    assert '<rect class="dot-stable"' in text
