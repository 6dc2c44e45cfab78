# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a list of endpoint intents: all that are right, in one transaction, and says what became of each."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.intents import Intents
from .._adapters.postgres import is_duplicate
from .._adapters.store import Store
from .._domain.errors import InvalidIntent, ServingError
from .connections import open_store
from .endpoints import Catalog, Change, Item, normal, plan, shown
from .module import Result, diff, failed

_ATTEMPTS = 3


Also = t.Callable[[Store, t.Sequence[Change]], None]


def write_endpoints(
    module: AnsibleModule,
    result: Result,
    items: t.Sequence[Item],
    *,
    present: bool,
    also: Also = lambda store, changes: None,
) -> None:
    """Fills ``endpoints`` (name, id, status, url, changed, action), ``failed_endpoints`` and, when asked for, ``diff``.

    :param also: called in the transaction that has written the changes, and not in check mode
    """
    with open_store(module) as store:
        store.ready()
        for last in range(_ATTEMPTS, 0, -1):
            try:
                catalog, changes, errors = _write(
                    store, items, present=present, check_mode=module.check_mode, also=also
                )
                break
            except Exception as error:
                # Somebody created an endpoint of that name since we looked: look again, and update it.
                if not is_duplicate(error) or last == 1:
                    raise
    result["endpoints"] = [_entry(change) for change in changes]
    result["changed"] = any(entry["changed"] for entry in result["endpoints"])
    if errors:
        result["failed_endpoints"] = errors
    for change in changes:
        for warning in change.warnings:
            module.warn(f"endpoint {change.after['name']}: {warning}")
    if module._diff:
        result["diff"] = [
            diff(shown(change.before, catalog), shown(change.after, catalog), header=f"endpoint {change.after['name']}")
            for change in changes
            if change.action != "unchanged"
        ]


def _write(
    store: Store, items: t.Sequence[Item], *, present: bool, check_mode: bool, also: Also
) -> tuple[Catalog, list[Change], list[Result]]:
    intents = Intents(store.database)
    changes: list[Change] = []
    errors: list[Result] = []
    known: list[Item] = []
    for item in items:
        try:
            known.append(normal(item))
        except ServingError as error:
            errors.append(failed(error, name=item["name"]))
    tenants = {item["tenant_id"] for item in known}
    with store.transaction():
        tenant_id = tenants.pop() if len(tenants) == 1 else None
        catalog = Catalog.read(intents, known, tenant_id=tenant_id, lock=not check_mode)
        seen: set[t.Any] = set()
        for item in known:
            try:
                change = plan(item, catalog, present=present)
                _once(change, seen)
                changes.append(change)
            except ServingError as error:
                errors.append(failed(error, name=item["name"]))
        if not check_mode:
            _apply(store, intents, changes)
            also(store, changes)
    return catalog, changes, errors


def _apply(store: Store, intents: Intents, changes: t.Sequence[Change]) -> None:
    new = {_key(change.after): change for change in changes if change.action == "created"}
    if new:
        for row in intents.create_endpoints([change.after for change in new.values()]):
            new[_key(row)].after["id"] = row["id"]
    old = [change.after for change in changes if change.action in ("updated", "revived", "deleted")]
    if old:
        intents.update_endpoints(old)
    written = [*(change.after for change in new.values()), *old]
    if written:
        store.notify([row["id"] for row in written])


def _once(change: Change, seen: set[t.Any]) -> None:
    key = _key(change.after)
    if key in seen:
        raise InvalidIntent(
            "is in the list twice", endpoint=change.after["name"], field="name", cure="keep one of them"
        )
    seen.add(key)


def _key(row: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    return row["tenant_id"], row["project_id"], row["name"].lower()


def _entry(change: Change) -> Result:
    entry = {name: change.after.get(name) for name in ("name", "id", "tenant_id", "project_id", "status", "url")}
    return {
        **entry,
        "changed": change.action != "unchanged",
        "action": change.action,
        "warnings": list(change.warnings),
    }


__all__ = ("write_endpoints",)
