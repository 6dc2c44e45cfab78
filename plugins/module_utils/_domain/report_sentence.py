# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened in a rollout and why, in one sentence, and what else a stranger would ask."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .gates import ERRORS, LATENCY, MEAN_LATENCY, QUEUE_SHARE
from .report_story import Mark, Story
from .report_words import (
    Json,
    duration,
    entries,
    evidence,
    fields,
    latency,
    number,
    percent,
    plural,
    text,
    version,
    whole,
    without_outcome,
)

__all__ = (
    "Headline",
    "decisive",
    "failing",
    "gate_name",
    "headline",
    "mark_told",
    "mark_words",
    "metric_of",
    "side_values",
)


# How the judge names the comparison of a gate with stable.
_COMPARED = " over stable"


@dataclass(frozen=True)
class Headline:
    """:param mark: good, bad, warn or plain: how it is drawn, beside the word
    :param word: the outcome: "Rolled back"
    :param sign: of the seal, known without its colour
    :param sentence: what happened and why
    :param detail: evidence, what it cost, how fast it was undone
    """

    mark: str
    word: str
    sign: str
    sentence: str
    detail: str


def headline(story: Story) -> Headline:
    rollout = story.rollout
    outcome = str(rollout.get("outcome") or "")
    tell = _ENDED.get(outcome, _running)
    tone, word, sentence = tell(story)
    detail = [_cost(story), _both(story)]
    if outcome == "returned":
        detail = [f"Reason: {_reason(story)}." if _reason(story) else "", *detail]
    elif outcome:
        detail = [_odds(story), _way_back(story), *detail]
    state = str(rollout.get("state") or "")
    sign = _SIGNS.get(outcome) or {"paused": "pause", "returning": "back"}.get(state, "clock")
    words = (sentence, " ".join(part for part in detail if part))
    # A number stays on the line of its sign.
    return Headline(
        tone, word, sign, *(part.replace(" %", "\u00a0%").replace("ersion ", "ersion\u00a0") for part in words)
    )


def failing(verdict: Json) -> list[Json]:
    return [fields(finding) for finding in entries(verdict.get("findings")) if fields(finding).get("outcome") == "fail"]


def decisive(story: Story) -> Json:
    """The finding that failed with the most evidence; empty where none did."""
    found = failing(story.verdict)
    return max(found, key=lambda finding: number(finding.get("evidence")) or 0.0) if found else {}


def side_values(finding: Json, story: Story) -> tuple[str, str]:
    """Candidate's and stable's value of a finding, in the unit of its gate."""
    metric, stable = metric_of(finding, story), number(finding.get("stable"))
    if stable is None:
        stable = _beside(finding, metric, story)
    told = _unit(metric)
    return told(number(finding.get("candidate"))), told(stable)


def _beside(finding: Json, metric: str, story: Story) -> float | None:
    """Stable's value where an absolute limit was tested: from the comparison of the same gate, or from the counts."""
    if number(finding.get("candidate")) is None:
        return None
    name = f"{text(finding.get('gate'), 80)}{_COMPARED}"
    for other in entries(story.verdict.get("findings")):
        if fields(other).get("gate") == name:
            return number(fields(other).get("stable"))
    counted = story.settled.stable if story.settled and story.settled.stable else story.totals[1]
    return counted.errors if metric == ERRORS else None


def gate_name(finding: Json) -> str:
    """The gate that a finding belongs to; its comparison with stable has a finding of its own."""
    name = text(finding.get("gate"), 80)
    return name[: -len(_COMPARED)] if name.endswith(_COMPARED) else name


def metric_of(finding: Json, story: Story) -> str:
    name = gate_name(finding)
    for gate in story.gates:
        if gate.name == name:
            return gate.metric
    return LATENCY if name.startswith(("p5", "p9")) else name


def _unit(metric: str) -> t.Callable[[float | None], str]:
    if metric in (ERRORS, LATENCY, QUEUE_SHARE):
        return percent
    if metric == MEAN_LATENCY:
        return latency
    return lambda value: "-" if value is None else f"{value:,.4g}"


def _names(story: Story) -> tuple[str, str]:
    rollout = story.rollout
    return version(rollout.get("candidate"), "the candidate"), version(rollout.get("stable"), "the stable version")


def _start(words: str) -> str:
    return words[:1].upper() + words[1:]


def _reason(story: Story) -> str:
    message = story.settled.event.get("message") if story.settled else None
    return without_outcome(story.rollout.get("reason") or message)[1].rstrip(".")


def _against(story: Story) -> str:
    """Why it failed, as a clause that follows the candidate's name; empty where no gate said so."""
    finding = decisive(story)
    if not finding:
        return ""
    metric, (candidate, stable) = metric_of(finding, story), side_values(finding, story)
    name, limit = gate_name(finding), text(finding.get("limit"), 80)
    compared = f", against {stable} on {_names(story)[1]}" if stable != "-" else ""
    allowed = f" (limit: {limit})" if limit else ""
    if candidate == "-":
        return ""
    if metric == ERRORS:
        return f"failed {candidate} of its requests{compared}{allowed}"
    if metric == LATENCY:
        bound = next((gate.max for gate in story.gates if gate.name == name and gate.max), None)
        slow = f"slower than {latency(bound)}" if bound else "too slow"
        return f"answered {candidate} of its requests {slow}{compared}{allowed}"
    if metric == MEAN_LATENCY:
        return f"took {candidate} a request on average{compared}{allowed}"
    if metric == QUEUE_SHARE:
        return f"let requests wait in its queue for {candidate} of their time{compared}{allowed}"
    return f"failed the gate {name} with {candidate}{compared}{allowed}"


def _rolled_back(story: Story) -> tuple[str, str, str]:
    candidate, stable = _names(story)
    against, reason = _against(story), _reason(story) or "no reason was recorded"
    given = story.settled.share if story.settled else None
    if against:
        where = f"At {given:g} % of the traffic, {candidate}" if given else _start(candidate)
        return "bad", "Rolled back", f"{where} {against}. {_start(stable)} serves again."
    share = f" at {given:g} % of the traffic" if given else ""
    return "bad", "Rolled back", f"{_start(candidate)} was taken back{share}, and {stable} serves: {reason}."


def _promoted(story: Story) -> tuple[str, str, str]:
    candidate, stable = _names(story)
    seen = story.totals[0]
    took = duration(story.end)
    if fields(story.rollout.get("plan")).get("strategy") == "rollback" or story.rollout.get("strategy") == "rollback":
        return "good", "Promoted", f"{_start(candidate)} serves again in place of {stable}, after {took}."
    sentence = f"{_start(candidate)} replaced {stable} after {took}"
    if not seen.requests:
        return "good", "Promoted", f"{sentence}; no request to it was counted before."
    errors = f"{percent(seen.errors)} errors"
    compared = f" ({percent(story.totals[1].errors)} on {stable})" if story.totals[1].requests else ""
    failed = failing(fields(story.verdict))
    against = "with evidence against it" if failed else "nothing spoke against it"
    return "good", "Promoted", f"{sentence}: {plural(seen.requests, 'request')}, {errors}{compared}, and {against}."


def _aborted(story: Story) -> tuple[str, str, str]:
    candidate, stable = _names(story)
    who = text(story.settled.event.get("who"), 80) if story.settled else ""
    reason = _reason(story)
    asked = reason in ("", "asked to")
    return (
        "warn",
        "Aborted",
        f"{_start(who) if who else 'Somebody'} stopped the rollout of {candidate}; {stable} serves."
        + ("" if asked else f" Reason: {reason}."),
    )


def _superseded(story: Story) -> tuple[str, str, str]:
    candidate, _stable = _names(story)
    reason = _reason(story)
    told = f": {reason}" if reason else ""
    return "warn", "Superseded", f"The rollout of {candidate} gave way to a newer request{told}."


def _failed(story: Story) -> tuple[str, str, str]:
    candidate, _stable = _names(story)
    return "bad", "Failed", f"The rollout of {candidate} failed: {_reason(story) or 'no reason was recorded'}."


def _returned(story: Story) -> tuple[str, str, str]:
    candidate, stable = _names(story)
    told = "The A/B of" if story.rollout.get("strategy") == "ab" else "The rollout of"
    sentence = f"{told} {candidate} against {stable} ended with {stable} after {duration(story.end)}"
    mine, theirs = story.totals
    if mine.requests and theirs.requests:
        sentence += (
            f": {percent(mine.errors)} of {plural(mine.requests, 'request')} failed on {candidate},"
            f" {percent(theirs.errors)} of {theirs.requests:,} on {stable}"
        )
        return "plain", "Returned", f"{sentence}."
    reason = _reason(story)
    return "plain", "Returned", f"{sentence}{': ' + reason if reason else ''}."


def _running(story: Story) -> tuple[str, str, str]:
    candidate, stable = _names(story)
    state = str(story.rollout.get("state") or "")
    share = story.shares[-1][1] if story.shares else 0.0
    where = f"{_start(candidate)} takes {share:g} % of the traffic, {stable} the rest"
    last = next((mark for mark in reversed(story.marks) if mark.kind in _HELD), None)
    if state == "paused":
        held = text(last.event.get("message"), 300).rstrip(".") if last else ""
        why = held or _reason(story) or "no reason was recorded"
        if last and last.kind == "approval":
            return "warn", "Waits for a person", f"{where}: {why}."
        if last and last.kind == "drift":
            return "warn", "Stopped by a change", f"{where}: {why}."
        return "warn", "Paused", f"{where}: {why}."
    if state == "returning":
        against = _against(story) or _reason(story)
        return (
            "bad",
            "Going back",
            f"{_start(candidate)} is being sent back to {stable}{': it ' + against if against else ''}.",
        )
    if state == "promoting":
        return "good", "Being promoted", f"{_start(candidate)} is taking over from {stable}."
    return "plain", "Running", f"{where}; nothing speaks against it so far."


_SIGNS = {
    "rolled_back": "back",
    "promoted": "tick",
    "aborted": "stop",
    "superseded": "stop",
    "failed": "cross",
    "returned": "back",
}
_HELD = ("paused", "approval", "drift")
_ENDED: dict[str, t.Callable[[Story], tuple[str, str, str]]] = {
    "rolled_back": _rolled_back,
    "promoted": _promoted,
    "aborted": _aborted,
    "superseded": _superseded,
    "failed": _failed,
    "returned": _returned,
}


def _odds(story: Story) -> str:
    finding = decisive(story)
    found, needed = number(finding.get("evidence")), number(finding.get("needed"))
    if not found or found <= 1:
        return ""
    asked = f", where {evidence(needed)} is enough" if needed and needed > 1 else ""
    after = f" after {plural(whole(finding.get('requests')), 'request')}" if whole(finding.get("requests")) else ""
    return f"Evidence against it {evidence(found)}{after}{asked}."


def _way_back(story: Story) -> str:
    settled, back = story.settled, story.returned
    if settled is None or back is None or settled.kind != "returning":
        return ""
    return f"{_start(_names(story)[1])} had all traffic again {duration(back.at - settled.at)} after {'the verdict' if failing(story.verdict) else 'that'}."


def _cost(story: Story) -> str:
    candidate, stable = _names(story)
    on_candidate, on_stable = story.totals
    if not on_candidate.requests and not on_stable.requests:
        return "No request was counted."
    failed = plural(on_candidate.failed, "request")
    return f"{failed} failed on {candidate}, {on_stable.failed:,} on {stable}."


def _both(story: Story) -> str:
    """Stable may be the worse one; nobody should run back into it without knowing."""
    worse = number(fields(story.verdict).get("stable_worse")) or 0.0
    if worse < 20:
        return ""
    return f"Note: {_names(story)[1]} fails more than {_names(story)[0]} (evidence {evidence(worse)})."


def mark_told(mark: Mark) -> str:
    """A decision with its share, for a picture without the table."""
    words = mark_words(mark)
    if mark.kind == "raised" and mark.share is not None:
        return f"raised to {mark.share:g} %"
    if mark.kind == "passed" and mark.share is not None:
        return f"{mark.share:g} % passed"
    return words


def mark_words(mark: Mark) -> str:
    """A decision in one or two words, for its row and its tooltip."""
    return _KINDS.get(mark.kind, text(mark.kind, 30) or "unknown")


_KINDS = {
    "started": "started",
    "staged": "staged at 0 %",
    "raised": "share raised",
    "passed": "step passed",
    "approval": "waits for approval",
    "hook": "hook",
    "paused": "paused",
    "resumed": "resumed",
    "command": "command",
    "promoting": "promotion begins",
    "promoted": "promoted",
    "returning": "sent back",
    "returned": "stable has all traffic",
    "restored": "stable restored",
    "drift": "changed by somebody",
    "superseded": "superseded",
    "finished": "finished",
}
