# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module rollout_info does: rollouts of the store as data, as lines and as a report."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.postgres import Row
from .._adapters.rollouts import Rollouts
from .._adapters.scope import Scope, check_uuid
from .._adapters.store import Store
from .._domain.errors import InvalidIntent, NotFound
from .._domain.timeline import line
from .connections import open_store
from .endpoints import is_id
from .module import Result
from .rollout_data import as_data, event_data, write_report

__all__ = ("listing",)


def listing(module: AnsibleModule, result: Result) -> None:
    """``result`` gets ``rollouts``, the newest first."""
    params = module.params
    if params["limit"] < 1:
        raise InvalidIntent("is less than 1", field="limit", value=params["limit"], cure="leave it out for 20")
    with open_store(module) as store:
        store.ready()
        rollouts = Rollouts(store.database)
        rows = _find(module, store, rollouts)
        if params["events"] or params["timeline"] or params["report"]:
            events = {row["id"]: rollouts.events(row["id"]) for row in rows}
        else:
            events = {row["id"]: [] for row in rows}
            for event in rollouts.latest(list(events)) if rows else ():
                events[event["rollout_id"]].append(event)
    result["rollouts"] = [_told(module, row, events[row["id"]]) for row in rows]
    if params["report"]:
        row = _only(module, rows)
        write_report(module, result, row, events[row["id"]])


def _find(module: AnsibleModule, store: Store, rollouts: Rollouts) -> list[Row]:
    params = module.params
    wanted, project = params["endpoint"], params["project_id"]
    chosen: dict[str, t.Any] = {} if wanted is None else {"ids" if is_id(wanted) else "names": (wanted,)}
    scope = Scope(tenant_id=params["tenant_id"], **chosen)
    if project is not None:
        # A rollout's row does not know its project; its endpoint's does.
        within = store.endpoints(Scope(tenant_id=params["tenant_id"], project_id=project, **chosen))
        if not within:
            return []
        scope = Scope(tenant_id=params["tenant_id"], ids=tuple(endpoint.id for endpoint in within))
    check_uuid("id", params["id"])
    ids = None if params["id"] is None else [params["id"]]
    return rollouts.find(scope, ids=ids, active=params["active"], limit=params["limit"])


def _told(module: AnsibleModule, row: Row, events: t.Sequence[Row]) -> dict[str, t.Any]:
    told = as_data(row, events)
    if module.params["timeline"]:
        lines = (line({**event, "at": event["at"].astimezone()}, told) for event in events)
        told["timeline"] = [text for text in lines if text is not None]
    if module.params["events"]:
        told["events"] = [event_data(event) for event in events]
    return told


def _only(module: AnsibleModule, rows: t.Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    if not rows:
        raise NotFound(
            "there is no rollout to report on",
            endpoint=module.params["endpoint"],
            field="report",
            cure="see rollouts of all endpoints with mlops.serving.rollout_info without options",
        )
    raise InvalidIntent(
        "more than one rollout was found, and a report is about one",
        field="report",
        value=module.params["report"],
        cure="give id, or limit: 1 for the newest one",
    )
