# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that a person reads in the console while a rollout runs, and afterwards in ``rollout_info``."""

from __future__ import annotations

import typing as t

from .gates import ERRORS, LATENCY, MEAN_LATENCY
from .report_words import (
    Json,
    clock,
    entries,
    evidence,
    fields,
    in_shape,
    latency,
    moment,
    number,
    percent,
    text,
    whole,
    without_outcome,
)

__all__ = ("line",)

_WIDTH = 119
# What consoles and log files of any encoding can show.
_PLAIN = {
    "\u2192": "->",
    "\u2026": "...",
    "\u2013": "-",
    "\u2014": "-",
    "\u00d7": "x",
    "\u00a0": " ",
    "\u2265": ">=",
    "\u2264": "<=",
}
_QUANTILES = ("p50", "p90", "p95", "p99", "p99.9")


def line(event: Json, rollout: Json) -> str | None:
    """One event as one line of at most 119 ASCII characters; None for one that is not for the console (samples).

    The time is shown in the zone that ``event["at"]`` has: whoever prints chooses it.
    """
    kind = str(event.get("kind") or "")
    rollout = in_shape(rollout)
    told = _TOLD.get(kind, _other)
    words = told(event, rollout)
    if words is None:
        return None
    when = moment(event.get("at")) or moment(event.get("time"))
    return _ascii(f"{clock(when) if when else '--:--:--'}  {words}")


def _ascii(words: str) -> str:
    """Model and revision names may hold anything; a console line holds no control characters and has one width."""
    for found, shown in _PLAIN.items():
        words = words.replace(found, shown)
    words = words.encode("ascii", "replace").decode("ascii")
    words = "".join(letter if letter.isprintable() else "?" for letter in words).rstrip()
    return words if len(words) <= _WIDTH else words[: _WIDTH - 3].rstrip() + "..."


def _name(rollout: Json, side: str) -> str:
    version = text(fields(rollout.get(side)).get("version"), 40)
    return f"version {version}" if version else {"stable": "the stable version", "candidate": "the candidate"}[side]


def _share(event: Json, rollout: Json) -> float | None:
    """The candidate's share that an event is about: what was written, else its step, else what was observed."""
    written = number(fields(event.get("written")).get("canaryTrafficPercent"))
    if written is not None and event.get("kind") in ("raised", "staged"):
        return written
    steps, step = entries(rollout.get("steps")), number(event.get("step"))
    if step is not None and 0 <= int(step) < len(steps):
        return number(steps[int(step)])
    observed = fields(event.get("observed"))
    return number(fields(observed.get("shares")).get(str(observed.get("candidate")))) if step is None else None


def _at(word: str, share: float | None, rest: str) -> str:
    return f"{word:<7} {'' if share is None else f'{share:g} %':>5}  {rest}"


def _started(event: Json, rollout: Json) -> str:
    stable, candidate = (text(fields(rollout.get(side)).get("version"), 40) or "?" for side in ("stable", "candidate"))
    simulated = "   SIMULATED" if rollout.get("simulated") else ""
    return f"{text(rollout.get('endpoint'), 46)}   version {stable} -> {candidate}   {_plan(event, rollout)}{simulated}"


def _plan(event: Json, rollout: Json) -> str:
    steps = ", ".join(f"{step:g}" for step in map(number, entries(rollout.get("steps"))) if step is not None)
    strategy = str(rollout.get("strategy") or "")
    # What stands before it is said by the line already.
    message = text(str(event.get("message") or "").rpartition("   ")[2], 60)
    if strategy == "canary" and steps:
        return f"canary {steps}, then promote"
    if strategy == "ab" and steps:
        return message if message.startswith("A/B") else f"A/B {steps} %"
    if strategy == "blue_green":
        return "blue/green: stage at 0 %, then promote"
    return message or strategy


def _staged(event: Json, rollout: Json) -> str:
    revision = text(
        fields(event.get("observed")).get("candidate") or fields(rollout.get("candidate")).get("revision"), 80
    )
    return _at("stage", 0, text(event.get("message")) or f"{revision or _name(rollout, 'candidate')} is ready")


def _raised(event: Json, rollout: Json) -> str:
    share = _share(event, rollout)
    left = "" if share is None else f", {_name(rollout, 'stable')} {100 - share:g} %"
    return _at(
        "raise", share, f"{_name(rollout, 'candidate')} takes {'its share' if share is None else f'{share:g} %'}{left}"
    )


def _passed(event: Json, rollout: Json) -> str:
    return _at("step", _share(event, rollout), _judged(event, rollout, "pass"))


def _returning(event: Json, rollout: Json) -> str:
    share = _share(event, rollout)
    if fields(event.get("verdict")).get("outcome") == "fail":
        return _at("step", share, _judged(event, rollout, "FAIL"))
    return _at("return", share, f"to {_name(rollout, 'stable')}: {text(event.get('message')) or 'asked to'}")


def _judged(event: Json, rollout: Json, word: str) -> str:
    """Requests, errors on both sides, slow requests or the evidence, and the verdict, in columns."""
    samples = fields(event.get("samples"))
    sides = [fields(samples.get(side)) for side in ("candidate", "stable")]
    findings = [fields(finding) for finding in entries(fields(event.get("verdict")).get("findings"))]
    requests = whole(sides[0].get("requests")) or max((whole(one.get("requests")) for one in findings), default=0)
    mine, theirs = (_errors(side, findings, name) for side, name in zip(sides, ("candidate", "stable"), strict=True))
    columns = [f"{requests:>6} requests", f"errors {percent(mine):<6} (stable {percent(theirs)})".ljust(31)]
    failed = [one for one in findings if one.get("outcome") == "fail"]
    if failed:
        worst = max(failed, key=lambda one: number(one.get("evidence")) or 0.0)
        name, odds = text(worst.get("gate"), 30), number(worst.get("evidence")) or 0.0
        said = f"evidence {evidence(odds)}" if odds > 1 else ""
        columns.append(" ".join(part for part in ("" if name == ERRORS else name, said) if part))
    else:
        columns += [told for told in (_slow(one, rollout) for one in findings) if told][:1]
    columns[-1] = columns[-1].ljust(22) if len(columns) > 2 else columns[-1]
    if word == "pass" and fields(event.get("verdict")).get("outcome") == "no_data":
        word = "no data"
    return "   ".join([*columns, word])


def _errors(side: Json, findings: t.Sequence[Json], name: str) -> float | None:
    requests, failed = number(side.get("requests")), number(side.get("failed"))
    if requests and failed is not None:
        return min(1.0, failed / requests)
    if number(side.get("error_ratio")) is not None:
        return number(side.get("error_ratio"))
    return next((number(one.get(name)) for one in findings if one.get("gate") == ERRORS), None)


def _slow(finding: Json, rollout: Json) -> str:
    """``over 500 ms 0.2 %`` of a latency gate that has not failed."""
    name = text(finding.get("gate"), 24)
    value = number(finding.get("candidate"))
    if value is None:
        return ""
    if name == MEAN_LATENCY:
        return f"mean {latency(value)}"
    if name not in _QUANTILES:
        return ""
    for gate in entries(fields(rollout.get("plan")).get("gates")):
        if fields(gate).get("metric") == LATENCY and name in fields(gate):
            return f"over {text(fields(gate)[name], 12)} {percent(value)}"
    return f"too slow {percent(value)}"


def _returned(event: Json, rollout: Json) -> str:
    word = {"aborted": "aborted", "returned": "returned", "superseded": "returned"}.get(str(rollout.get("outcome")))
    word = word or ("returned" if rollout.get("strategy") == "ab" else "rolled back")
    return f"{word:<13}  {_name(rollout, 'stable')} serves 100 %{_cost(event, rollout)}"


def _promoted(event: Json, rollout: Json) -> str:
    return f"{'promoted':<13}  {_name(rollout, 'candidate')} serves 100 %{_cost(event, rollout)}"


def _cost(event: Json, rollout: Json) -> str:
    samples, totals = fields(event.get("samples")), fields(rollout.get("totals"))
    counted = [fields(samples.get(side)) or fields(totals.get(side)) for side in ("candidate", "stable")]
    if not any(counted):
        return ""
    mine, theirs = (whole(side.get("failed")) for side in counted)
    return f"; {mine} request{'' if mine == 1 else 's'} failed on {_name(rollout, 'candidate')}, {theirs} on {_name(rollout, 'stable')}"


def _promoting(event: Json, rollout: Json) -> str:
    return _at("promote", 100, text(event.get("message")) or f"{_name(rollout, 'candidate')} takes all traffic")


def _finished(event: Json, rollout: Json) -> str:
    """The message names the outcome, so that it is known before the rollout's row is read again."""
    outcome, reason = without_outcome(event.get("message"))
    outcome = outcome or str(rollout.get("outcome") or "finished")
    if outcome == "promoted":
        return _promoted(event, rollout)
    return f"{'done':<13}  {outcome.replace('_', ' ')}{': ' + reason if reason and reason != outcome else ''}"


def _other(event: Json, rollout: Json) -> str:
    word = {"approval": "wait", "paused": "pause", "resumed": "resume", "restored": "restore", "superseded": "ended"}
    kind = text(event.get("kind"), 12) or "?"
    who = text(event.get("who"), 40)
    said = without_outcome(event.get("message"), 400)[1] or kind
    told = f"{said} (by {who})" if kind in ("command", "resumed", "restored") and who else said
    return _at(word.get(kind, kind), _share(event, rollout), told)


def _nothing(_event: Json, _rollout: Json) -> None:
    return None


_TOLD: dict[str, t.Callable[[Json, Json], str | None]] = {
    "sample": _nothing,
    "started": _started,
    "staged": _staged,
    "raised": _raised,
    "passed": _passed,
    "returning": _returning,
    "returned": _returned,
    "promoting": _promoting,
    # The promotion has its line when the rollout finishes.
    "promoted": _nothing,
    "finished": _finished,
}
