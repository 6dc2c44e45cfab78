# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the report that are read: facts, decisions, gates with their evidence, and the plan."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from html import escape

from .gates import LATENCY
from .report_sentence import gate_name, mark_words, metric_of, side_values
from .report_story import Mark, Side, Story
from .report_words import (
    Json,
    duration,
    entries,
    evidence,
    fields,
    moment,
    number,
    percent,
    plural,
    text,
    whole,
    without_outcome,
)

__all__ = ("decisions", "facts", "gates", "plan", "plan_words", "strategy")

# Later decisions carry the last verdict too; it is told where it counted.
_JUDGED = ("passed", "paused", "promoting", "returning")
_GATES = 60
_PLAN = 20_000
_STRATEGIES = {"canary": "Canary", "ab": "A/B", "blue_green": "Blue/green", "rollback": "Rollback"}
_OUTCOMES = {"pass": "kept", "fail": "FAILED", "no_data": "no data", "undecided": "undecided"}


def strategy(rollout: Json) -> str:
    """The strategy and its shares: ``Canary 1, 5, 10, 25, 50 %``."""
    name = _STRATEGIES.get(str(rollout.get("strategy")), text(rollout.get("strategy"), 40) or "unknown")
    steps = [f"{step:g}" for step in map(number, entries(rollout.get("steps"))[:40]) if step is not None]
    return f"{name} {', '.join(steps)}\u00a0%" if steps else name


def _utc(at: datetime, seconds: bool = True) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def facts(story: Story) -> str:
    rollout = story.rollout
    sides = []
    for name in ("stable", "candidate"):
        side = fields(rollout.get(name))
        sides.append((text(side.get("version"), 60) or "?", text(side.get("revision"), 80)))
    finished = moment(rollout.get("finished_at"))
    plan = fields(rollout.get("plan"))
    candidate, stable = story.totals
    rows = [
        ("Endpoint", text(rollout.get("endpoint"), 120) or "unknown", text(rollout.get("endpoint_id"), 60)),
        ("Stable version", sides[0][0], sides[0][1]),
        ("Candidate version", sides[1][0], sides[1][1]),
        ("Strategy", strategy(rollout), ""),
        ("Started by", text(rollout.get("created_by"), 120) or "unknown", ""),
        ("Began (UTC)", _utc(story.begin), ""),
        ("Took" if finished else "Has taken, so far", duration(story.end), "" if finished else "it has not ended"),
        (
            "Requests on the candidate",
            f"{candidate.requests:,}",
            f"{candidate.failed:,} failed ({percent(candidate.errors)})" if candidate.requests else "",
        ),
        (
            "Requests on stable",
            f"{stable.requests:,}",
            f"{stable.failed:,} failed ({percent(stable.errors)})" if stable.requests else "",
        ),
        (
            "Samples recorded",
            f"{story.looks:,}",
            f"source: {text(plan.get('source'), 40)}" if plan.get("source") else "",
        ),
    ]
    return (
        '<dl class="facts">'
        + "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{f'<small>{escape(more)}</small>' if more else ''}</dd></div>"
            for name, value, more in rows
        )
        + "</dl>"
    )


def decisions(story: Story) -> str:
    """One row a decision, with the number that it has in the charts."""
    columns = ("No.", "Time (UTC)", "What happened", "Traffic", "Requests", "Failed", "Failed on stable", "Written")
    head = "".join(
        f'<th scope="col" role="columnheader"{_class("num") if name in ("Traffic", "Requests") else ""}>{name}</th>'
        for name in columns
    )
    rows: list[str] = []
    before = 0
    for mark in story.marks:
        if mark.number != before + 1:
            rows.append(
                f'<tr role="row"><td role="cell" colspan="{len(columns)}" class="small">{mark.number - before - 1:,} decisions are left out here'
                " to keep the file small; the rollout's record has them all.</td></tr>"
            )
        before = mark.number
        rows.append(_row(story, mark))
    if not rows:
        rows.append(f'<tr role="row"><td role="cell" colspan="{len(columns)}">No decision has been recorded.</td></tr>')
    return (
        '<table role="table"><caption>Each decision, with its number in the charts. Requests are counted since the rollout began.</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{"".join(rows)}</tbody></table>'
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _cell(name: str, value: str, css: str = "") -> str:
    classes = " ".join(part for part in (css, "" if value else "none") if part)
    return f'<td role="cell"{_class(classes)} data-is="{escape(name)}">{value}</td>'


def _row(story: Story, mark: Mark) -> str:
    event = mark.event
    who = text(event.get("who"), 80)
    message = without_outcome(event.get("message"))[1]
    verdict = _verdict(fields(event.get("verdict"))) if mark.kind in _JUDGED else ""
    # The share alone says nothing that the column beside it does not say.
    bare = mark.share is not None and message == f"{mark.share:g} %"
    said = f"<div>{escape(message)}</div>" if message and not bare else ""
    who = "" if who == text(story.rollout.get("created_by"), 80) else who
    more = " \u00b7 ".join(part for part in (verdict, f"by {who}" if who else "") if part)
    what = f'<span class="what {mark.tone}-word">{escape(_start(mark_words(mark)))}</span>{said}'
    if more:
        what += f"<small>{escape(more)}</small>"
    when = f"{mark.when.astimezone(timezone.utc):%H:%M:%S}"
    counted = mark.kind not in ("started", "staged") and (mark.candidate or mark.stable)
    return (
        f'<tr role="row"{_class("bad" if mark.tone == "bad" and mark.kind == "returning" else "")}>'
        f'<th scope="row" role="rowheader"><span class="no {mark.tone}">{mark.number}</span></th>'
        f'<td role="cell" class="nowrap" data-is="">{when} <small>+{escape(duration(mark.at))}</small></td>'
        f'<td role="cell" class="said">{what}</td>'
        + _cell("Traffic", "" if mark.share is None else f"{mark.share:g} %", "num")
        + _cell("Requests", f"{mark.candidate.requests:,}" if counted and mark.candidate else "", "num")
        + _cell("Failed", _failed(mark.candidate) if counted else "", "nowrap")
        + _cell("Failed on stable", _failed(mark.stable) if counted else "", "nowrap")
        + _cell("Written", escape(_written(fields(event.get("written")))), "small")
        + "</tr>"
    )


def _start(words: str) -> str:
    return words[:1].upper() + words[1:]


def _failed(side: Side | None) -> str:
    if side is None or not side.requests:
        return ""
    return f"{side.failed:,} <small>({percent(side.errors)})</small>"


def _written(written: Json) -> str:
    """What the decision wrote into the endpoint's row."""
    parts = []
    for key, value in list(written.items())[:6]:
        name = {"model_version": "version", "model_version_id": "version", "canaryTrafficPercent": "share"}.get(
            str(key), text(key, 40)
        )
        shown = text(value, 60)
        if name == "share":
            shown = "cleared" if value is None else f"{shown} %"
        if key == "model_version_id" and len(shown) > 12:
            shown = shown[:8]
        parts.append(f"{name} {shown}")
    return ", ".join(parts)


def _verdict(verdict: Json) -> str:
    if not verdict:
        return ""
    found = [fields(finding) for finding in entries(verdict.get("findings"))]
    most = max((number(finding.get("evidence")) or 0.0 for finding in found), default=0.0)
    word = {"fail": "verdict: fail", "ok": "nothing against it", "no_data": "no data"}.get(
        str(verdict.get("outcome")), ""
    )
    return f"{word}, evidence {evidence(most)}" if word and most > 1 else word


def gates(story: Story) -> str:
    """Each gate's last word: what was measured, against which limit, and how strong the evidence against the candidate is."""
    findings = [fields(finding) for finding in entries(story.verdict.get("findings"))][:_GATES]
    seen = {gate_name(finding) for finding in findings}
    rows = [_gate(story, finding) for finding in findings]
    rows += [
        f'<tr role="row"><th scope="row" role="rowheader">{escape(gate.name)}</th><td role="cell" colspan="5">has not been looked at</td></tr>'
        for gate in story.gates[:_GATES]
        if gate.name not in seen
    ]
    if not rows:
        return "<p>The plan has no gates.</p>"
    head = "".join(
        f'<th scope="col" role="columnheader">{name}</th>'
        for name in ("Gate", "Candidate", "Stable", "Limit", "Evidence against the candidate", "Finding")
    )
    return (
        '<table role="table"><caption>The evidence is a likelihood ratio (or e-value): how much better the numbers fit a candidate that breaks the'
        " limit than one that keeps it. However often one looks, it reaches the odds needed by chance at most so often as the plan allows."
        f'</caption><thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{"".join(rows)}</tbody></table>'
    )


def _gate(story: Story, finding: Json) -> str:
    candidate, stable = side_values(finding, story)
    if metric_of(finding, story) == LATENCY:
        candidate, stable = (value if value == "-" else f"{value} slower" for value in (candidate, stable))
    outcome = str(finding.get("outcome"))
    odds, needed = number(finding.get("evidence")) or 0.0, number(finding.get("needed")) or 0.0
    meter = ""
    if needed > 1:
        full = min(1.0, math.log(max(1.0, odds)) / math.log(needed))
        meter = f'<span class="meter{" bad" if outcome == "fail" else ""}" aria-hidden="true"><i style="width:{100 * full:.0f}%"></i></span>'
    asked = f" <small>of {evidence(needed)} needed</small>" if needed > 1 and odds > 1 else ""
    requests = whole(finding.get("requests"))
    tone = {"fail": "bad", "pass": "good", "no_data": "warn"}.get(outcome, "plain")
    why = text(finding.get("why"), 300)
    counted = plural(requests, "request")
    return (
        f'<tr role="row"{_class("bad" if outcome == "fail" else "")}><th scope="row" role="rowheader"><b>{escape(text(finding.get("gate"), 80))}</b></th>'
        f'<td role="cell" data-is="Candidate" class="nowrap">{candidate}</td>'
        f'<td role="cell" data-is="Stable" class="nowrap">{stable}</td>'
        f'<td role="cell" data-is="Limit">{escape(text(finding.get("limit"), 80))}</td>'
        f'<td role="cell" data-is="Evidence"><span class="nowrap">{evidence(odds)}{asked}</span>{meter}</td>'
        f'<td role="cell"><span class="what {tone}-word">{escape(text(_OUTCOMES.get(outcome, outcome), 40))}</span>'
        f"{escape(why)}{f' <small>({counted})</small>' if requests else ''}</td></tr>"
    )


def plan(story: Story) -> str:
    """The plan as it is stored."""
    stored = story.rollout.get("plan")
    if not stored:
        return "<p>No plan was recorded.</p>"
    try:
        words = json.dumps(stored, indent=2, default=str, ensure_ascii=True)
    except (TypeError, ValueError, RecursionError):
        words = str(stored)
    if len(words) > _PLAN:
        words = words[:_PLAN] + "\n... the rest is left out"
    return f"<details><summary>As it is stored</summary><pre>{escape(words)}</pre></details>"


def plan_words(story: Story) -> str:
    """The plan in a few sentences."""
    stored = fields(story.rollout.get("plan"))
    parts = [f"{strategy(story.rollout)}."]
    limits = [_limit_words(gate.to_json()) for gate in story.gates[:_GATES]]
    if limits:
        parts.append(f"Gates: {'; '.join(limits)}.")
    requests = number(stored.get("min_requests"))
    if requests:
        parts.append(
            f"At least {plural(int(requests), 'request')} of the candidate before it is promoted, fewer at small shares."
        )
    budget = number(stored.get("harm_budget"))
    if budget:
        parts.append(f"At most {plural(int(budget), 'failed request')} may be lost on it.")
    alpha = number(stored.get("alpha"))
    if alpha:
        parts.append(
            f"A candidate that keeps its limits is sent back by mistake in at most {percent(alpha)} of rollouts."
        )
    if stored.get("on_inconclusive"):
        parts.append(f"Without enough evidence: {text(stored['on_inconclusive'], 40)}.")
    return " ".join(parts)


def _limit_words(gate: Json) -> str:
    """A gate as its user wrote it, without what is only technical."""
    name = text(gate.get("name") or gate.get("metric"), 60)
    shown = {"max": "at most", "min": "at least", "over_stable": "over stable by at most"}
    words = [
        f"{shown.get(key, key)} {text(value, 80)}"
        for key, value in gate.items()
        if key not in ("metric", "name", "looks", "query", "command", "url")
    ]
    return " ".join([name, ", ".join(words)]).strip()
