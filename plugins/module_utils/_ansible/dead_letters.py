# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules dead_letter_info and dead_letter: what could not be taken in, and what shall become of it."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta, timezone

from ansible.module_utils.basic import AnsibleModule

from .._adapters.dead_letters import Choice, DeadLetters, State
from .._adapters.outbox import Outbox
from .._domain.errors import InvalidIntent, NotFound, Refused
from .._domain.letters import shown, without_secrets
from .argspec import Options
from .connections import open_store
from .module import Result, diff
from .requests import relay

__all__ = ("CHOICE", "change_dead_letters", "list_dead_letters")

CHOICE: Options = {
    "ids": {"type": "list", "elements": "int"},
    "subject": {"type": "str"},
    "endpoint": {"type": "str"},
    "reason": {"type": "str"},
    "since": {"type": "str"},
    "before": {"type": "str"},
}
_AGE = re.compile(r"(\d{1,9})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TIMES = ("first_seen", "last_seen", "replayed_at", "discarded_at")
_SHOWN = (
    *("id", "state", "subject", "endpoint", "endpoint_id", "trace_id", "stream", "stream_sequence", "size"),
    *("times_seen", "replay_of", "replays", *_TIMES),
)
_NAMED = 5


def list_dead_letters(module: AnsibleModule, result: Result) -> None:
    """Fills ``dead_letters``, the newest first, and ``total``."""
    params = module.params
    choice = _choice(params, params["state"])
    with open_store(module) as store:
        store.ready()
        letters = DeadLetters(store.database)
        rows = letters.find(choice, limit=max(0, params["limit"]))
        result["total"] = letters.count(choice) if len(rows) == params["limit"] else len(rows)
    result["dead_letters"] = [_told(row, longest=max(0, params["payload_length"])) for row in rows]


def change_dead_letters(module: AnsibleModule, result: Result) -> None:
    """Fills ``dead_letters`` (those that were chosen), ``published``, ``waiting`` and, when asked for, ``diff``."""
    params = module.params
    wanted: State = params["state"]
    result.update(dead_letters=[], published=0)
    choice = _choice(params, "any")
    with open_store(module) as store:
        store.ready()
        letters = DeadLetters(store.database)
        with store.transaction():
            found = letters.take(choice)
            _all_there(choice, found)
            meant = [row for row in found if _is_meant(row, params)]
            if wanted == "replayed":
                _whole(meant)
            if not module.check_mode:
                (letters.replay if wanted == "replayed" else letters.discard)(meant)
        chosen = {row["id"] for row in meant}
        result["changed"] = bool(chosen)
        result["dead_letters"] = [
            {
                **{name: row[name] for name in ("id", "subject", "endpoint", "endpoint_id")},
                "state": wanted if row["id"] in chosen else row["state"],
                "changed": row["id"] in chosen,
            }
            for row in found
            if row["id"] in chosen or choice.ids
        ]
        if module._diff:
            result["diff"] = [
                diff({"state": row["state"]}, {"state": wanted}, header=f"dead letter {row['id']}") for row in meant
            ]
        if wanted == "replayed" and not module.check_mode:
            outbox = Outbox(store.database)
            relay(module, result, outbox)
            result["waiting"] = outbox.waiting()


def _is_meant(row: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> bool:
    """What was discarded comes back only where it is named, and what was replayed only where somebody insists."""
    if row["state"] == "open":
        return True
    if params["state"] == "discarded":
        return False
    return bool(params["force"]) if row["state"] == "replayed" else params["ids"] is not None


def _all_there(choice: Choice, found: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    missing = sorted(set(choice.ids or ()) - {row["id"] for row in found})
    if missing:
        cure = "see mlops.serving.dead_letter_info for those that are there"
        raise NotFound(
            "there is no such dead letter among those that are chosen", field="ids", value=missing, cure=cure
        )


def _whole(meant: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    cut = [row for row in meant if row["size"] > row["kept"]]
    if cut:
        named = ", ".join(f"{row['id']} ({row['kept']} of {row['size']} bytes)" for row in cut[:_NAMED])
        more = f" and {len(cut) - _NAMED} more" if len(cut) > _NAMED else ""
        cure = "choose the others by their ids, discard these, and request what they asked for with mlops.serving.deploy_request"
        raise Refused(
            f"cannot be replayed, as only the beginning of them was kept: {named}{more}", field="ids", cure=cure
        )


def _choice(params: t.Mapping[str, t.Any], state: State) -> Choice:
    ids = params["ids"]
    for number in ids or ():
        if not 0 < number < 2**63:
            cure = "give numbers as mlops.serving.dead_letter_info shows them"
            raise InvalidIntent("is not the id of a dead letter", field="ids", value=number, cure=cure)
    return Choice(
        ids=None if ids is None else tuple(ids),
        since=_time(params, "since"),
        before=_time(params, "before"),
        state=state,
        **{name: params[name] for name in ("subject", "endpoint", "reason")},
    )


def _time(params: t.Mapping[str, t.Any], name: str) -> str | None:
    value = params[name]
    if value is None:
        return None
    age = _AGE.fullmatch(value.strip())
    try:
        if age:
            at = datetime.now(timezone.utc) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        else:
            # Python 3.10 does not know the Z.
            at = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", value.strip()))
    except (ValueError, OverflowError):
        cure = "write a time as 2026-01-31T14:00:00Z, or an age as 90m, 2h or 7d"
        raise InvalidIntent("is not a time", field=name, value=value, cure=cure) from None
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).isoformat()


def _told(row: t.Mapping[str, t.Any], *, longest: int) -> Result:
    seen = shown(row["payload"], size=row["size"], longest=longest)
    told = {name: row[name] for name in _SHOWN}
    for name in _TIMES:
        told[name] = row[name].isoformat(timespec="seconds") if row[name] is not None else None
    return {
        **told,
        "reason": without_secrets(row["reason"]),
        "payload": seen.payload,
        "payload_kind": seen.kind,
        "payload_cut": seen.cut,
    }
