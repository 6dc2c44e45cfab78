# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a run of a rollout, in a word and as the exit code of a pipeline's job."""

from __future__ import annotations

from dataclasses import dataclass

from .report_words import Json, fields, text

__all__ = ("CODES", "Ending", "ending")

# 1 to 4, 99 and 250 are Ansible's own. Those from 10 on leave traffic as it is, those from 20 on have ended, those from 30 on never began
# or could not be followed to their end.
CODES = {
    "promoted": 0,
    "returned": 0,
    "unchanged": 0,
    "planned": 0,
    "stopped": 0,
    "staged": 0,
    "error": 2,
    "waiting": 10,
    "paused": 11,
    "inconclusive": 12,
    "drift": 13,
    "unfinished": 14,
    "rolled_back": 20,
    "aborted": 21,
    "superseded": 22,
    "failed": 23,
    "refused": 30,
    "unavailable": 31,
}
_HOLDS = {
    "until": "stopped",
    "approval": "waiting",
    "asked": "paused",
    "inconclusive": "inconclusive",
    "drift": "drift",
}
# What a person asked for is no failure of the run that does it.
_ASKED_FOR = {"abort": ("aborted", "rolled_back", "returned"), "pause": ("paused",)}
_DOUBT = "inconclusive: "


@dataclass(frozen=True)
class Ending:
    """
    :param word: a key of ``CODES``
    :param code: 0 where the run did what it was asked to
    :param said: why, in a line
    """

    word: str
    code: int
    said: str


def ending(result: Json, action: str = "run") -> Ending:
    """
    :param result: of module rollout, as a task registers it; also of one that failed
    :param action: that the run was asked for
    """
    rollout = fields(result.get("rollout"))
    word = _word(result, rollout)
    said = text(rollout.get("reason") or result.get("msg") or "") if word != "unchanged" else text(result.get("msg"))
    return Ending(word, 0 if word in _ASKED_FOR.get(action, ()) else CODES[word], said)


def _word(result: Json, rollout: Json) -> str:
    outcome = rollout.get("outcome") or result.get("outcome")
    if outcome == "rolled_back" and str(rollout.get("reason") or "").startswith(_DOUBT):
        return "inconclusive"
    if outcome in CODES:
        return str(outcome)
    failure = fields(result.get("failure"))
    if failure:
        return "unavailable" if failure.get("code") == "unavailable" else "refused"
    if result.get("failed") or not result.get("state"):
        return "error"
    if result.get("state") == "new":
        return "planned"
    if not rollout:
        return "unchanged"
    hold = str(rollout.get("hold") or "")
    if hold == "approval" and rollout.get("strategy") == "blue_green":
        return "staged"
    return _HOLDS.get(hold, "unfinished")
