# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as data, for results and for the report."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.postgres import Row
from .._domain.plan import plan_from_json
from .module import Result

__all__ = ("as_data", "event_data", "traffic", "write_report")


def as_data(row: Row, events: t.Sequence[Row] = ()) -> dict[str, t.Any]:
    """What module rollout_info documents."""
    progress = row["progress"]
    last = next((event for event in reversed(events) if event["samples"]), None)
    shares: dict[str, int] = next(
        (e["observed"]["shares"] for e in reversed(events) if (e["observed"] or {}).get("shares")), {}
    )
    plan = plan_from_json(row["plan"])
    return {
        "id": row["id"],
        "endpoint": row["endpoint"],
        "endpoint_id": row["endpoint_id"],
        "strategy": row["strategy"],
        "state": "paused" if progress.get("hold") and not row["finished_at"] else row["state"],
        "hold": progress.get("hold"),
        "step": row["step"],
        "steps": list(plan.steps),
        "share": plan.steps[row["step"]] if 0 <= row["step"] < len(plan.steps) else 0,
        "plan": row["plan"],
        "stable": {"version": row["stable_version"], "revision": progress.get("stable")},
        "candidate": {"version": row["candidate_version"], "revision": progress.get("candidate")},
        "outcome": row["outcome"],
        "reason": row["reason"] or progress.get("reason") or None,
        "simulated": row["simulated"],
        "driven": bool(row["held"]) and row["finished_at"] is None,
        "created_by": row["created_by"],
        "created_at": _time(row["created_at"]),
        "finished_at": _time(row["finished_at"]),
        "traffic": shares,
        "totals": _totals(last["samples"]) if last else {},
    }


def traffic(row: Row) -> dict[str, str]:
    """Percent by version, as the rollout has it wanted, for a diff."""
    stable, candidate = f"version {row['stable_version']}", f"version {row['candidate_version']}"
    if row["finished_at"] is not None:
        return {candidate if row["outcome"] == "promoted" else stable: "100 %"}
    share = as_data(row)["share"]
    return {stable: f"{100 - share} %", candidate: f"{share} %"}


def event_data(event: Row) -> dict[str, t.Any]:
    return {**event, "at": _time(event["at"])}


def write_report(module: AnsibleModule, result: Result, row: Row, events: t.Sequence[Row]) -> None:
    """One self-contained HTML file, where one was asked for."""
    path = module.params.get("report")
    if not path or module.check_mode:
        return
    from .._domain.report import html

    text = html(as_data(row, events), [event_data(event) for event in events])
    path = os.path.abspath(os.path.expanduser(path))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(partial, path)
    result["report"] = path


def _totals(samples: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        side: {k: v for k, v in samples[side].items() if k != "window"}
        for side in ("candidate", "stable")
        if side in samples
    }


def _time(value: t.Any) -> str | None:
    return None if value is None else value.isoformat()
