# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of module endpoint to rows: find what is meant, check it, and say what would change."""

from __future__ import annotations

import contextlib
import typing as t
import uuid
from dataclasses import dataclass

from ansible.module_utils.common.validation import check_type_dict

from .._adapters.intents import Intents
from .._adapters.postgres import Row
from .._adapters.scope import Scope, check_uuid
from .._domain.errors import InvalidIntent, NotFound
from .._domain.intent import Endpoint, parse
from .._domain.keys import canonical_keys

SECTIONS = ("traffic", "autoscaling", "runtime_config")
COLUMNS = ("runtime", "model_id", "model_version_id", *SECTIONS)
_GONE = ("DELETED", "DELETING")

Item = t.Mapping[str, t.Any]


@dataclass
class Change:
    """What is to become of one endpoint. ``before`` is None for a new one, ``after`` is the whole row."""

    action: str
    before: Row | None
    after: Row
    warnings: tuple[str, ...] = ()


class Catalog:
    """The rows that the items speak of, read with a statement a table whatever the number of items."""

    def __init__(self, endpoints: t.Iterable[Row], models: t.Iterable[Row], versions: t.Iterable[Row]) -> None:
        self._endpoints: dict[str, list[Row]] = {}
        for row in endpoints:
            self._endpoints.setdefault(row["name"].lower(), []).append(row)
        self.models = {row["id"]: row for row in models}
        self._versions = {row["id"]: row for row in versions}
        self._numbered = {(row["model_id"], row["version"]): row for row in self._versions.values()}

    @classmethod
    def read(cls, intents: Intents, items: t.Sequence[Item], *, tenant_id: str | None, lock: bool) -> Catalog:
        """
        :param tenant_id: the tenant of all items, where they have one; no other tenant's rows are read then
        :param lock: keep others from changing the endpoints' rows until the transaction ends
        """
        names = tuple({item["name"] for item in items})
        endpoints = intents.endpoints(Scope(tenant_id=tenant_id, names=names), lock=lock) if names else []
        asked = {str(item["model"]) for item in items if item.get("model")}
        version_ids = {str(item["model_version"]) for item in items if is_id(item.get("model_version"))}
        version_ids |= {row["model_version_id"] for row in endpoints if row["model_version_id"]}
        model_ids = {name for name in asked if is_id(name)} | {row["model_id"] for row in endpoints if row["model_id"]}
        models = intents.models(tenant_id=tenant_id, names=asked, ids=model_ids)
        versions = intents.versions(model_ids={row["id"] for row in models} | model_ids, ids=version_ids)
        return cls(endpoints, models, versions)

    def endpoint(self, item: Item) -> Row | None:
        rows = [row for row in self._endpoints.get(item["name"].lower(), ()) if _within(row, item)]
        return _only(rows, "endpoint", item, "name", item["name"])

    def version(self, version_id: str | None) -> Row | None:
        return self._versions.get(version_id or "")

    def numbered(self, model_id: str, number: int) -> Row | None:
        return self._numbered.get((model_id, number))

    def numbers(self, model_id: str) -> list[int]:
        return sorted(number for model, number in self._numbered if model == model_id)

    def model(self, item: Item, tenant_id: str | None) -> Row | None:
        """The model that the item names; of the endpoint's tenant where that is known."""
        wanted = item.get("model")
        if not wanted:
            return None
        rows = [
            row
            for row in self.models.values()
            if (row["id"] == str(wanted).lower() or _same(row["name"], str(wanted)))
            and tenant_id in (None, row["tenant_id"])
        ]
        if tenant_id and item.get("project_id"):
            rows = [row for row in rows if row["project_id"] == item["project_id"]] or rows
        if not rows:
            raise InvalidIntent(
                "is no model" + (f" of tenant {tenant_id}" if tenant_id else ""),
                endpoint=item["name"],
                field="model",
                value=wanted,
                cure="register it with mlops.serving.model_version",
            )
        return _only(rows, "model", item, "model", wanted)


def normal(item: Item) -> Item:
    """The item with its ids as Postgres writes them, so that they can be compared."""
    ids = {name: _at(item, check_uuid, name, item.get(name) or None) for name in ("tenant_id", "project_id")}
    return {**item, **ids}


def plan(item: Item, catalog: Catalog, *, present: bool) -> Change:
    """What one item changes.

    :raises InvalidIntent: with the endpoint's name, the field and its value; then nothing of this item is written
    """
    row = catalog.endpoint(item)
    if not present:
        return _removal(item, row)
    model, version = _version(item, catalog, row)
    after = _merged(item, row, model, version)
    warnings = _check(item, after, version)
    if row is None:
        new = {**after, "status": "CREATING", "url": None, "created_by": item.get("created_by")}
        return Change("created", None, new, warnings)
    changed = any(row[name] != after[name] for name in COLUMNS)
    if row["status"] in _GONE:
        return Change("revived", row, {**after, "status": "CREATING", "url": None}, warnings)
    if not changed:
        return Change("unchanged", row, row, warnings)
    status = "CREATING" if row["status"] == "CREATING" else "DEPLOYING"
    return Change("updated", row, {**after, "status": status}, warnings)


def shown(row: Row | None, catalog: Catalog) -> Row:
    """The intent of a row in the words of the module's options, for a diff; empty where there is none."""
    if row is None or row["status"] in _GONE:
        return {}
    version = catalog.version(row["model_version_id"])
    model = catalog.models.get(row["model_id"] or "")
    return {
        "model": model["name"] if model else row["model_id"],
        "model_version": version["version"] if version else row["model_version_id"],
        **{name: row[name] for name in ("runtime", *SECTIONS)},
    }


def is_id(value: t.Any) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


def _removal(item: Item, row: Row | None) -> Change:
    if row is None:
        nothing = {"id": None, "name": item["name"], "status": None, "url": None}
        return Change(
            "unchanged", nothing, {**nothing, "tenant_id": item.get("tenant_id"), "project_id": item.get("project_id")}
        )
    if row["status"] in _GONE:
        return Change("unchanged", row, row)
    return Change("deleted", row, {**row, "status": "DELETING"})


def _version(item: Item, catalog: Catalog, row: Row | None) -> tuple[Row | None, Row | None]:
    """The model and the version that the endpoint will have."""
    tenant_id = row["tenant_id"] if row else item.get("tenant_id")
    model = catalog.model(item, tenant_id)
    wanted = item.get("model_version")
    if str(wanted).isdigit():
        wanted = int(str(wanted))
    where: dict[str, t.Any] = {"endpoint": item["name"], "field": "model_version", "value": wanted}
    if wanted in (None, ""):
        stored = catalog.version(row["model_version_id"]) if row else None
        if stored is None or (model and stored["model_id"] != model["id"]):
            raise InvalidIntent(
                "is needed: an endpoint serves one version of a model",
                endpoint=item["name"],
                field="model_version",
                cure="give its number or its id",
            )
        return model, stored
    of_tenant = f" of tenant {tenant_id}" if tenant_id else ""
    if is_id(wanted):
        version = catalog.version(str(uuid.UUID(str(wanted))))
        if version is None:
            raise InvalidIntent(
                f"is no model version{of_tenant}", **where, cure="see model_versions for those that are there"
            )
        if model and version["model_id"] != model["id"]:
            raise InvalidIntent(
                f"is not a version of model {model['name']}", **where, cure="leave out model, or name the right one"
            )
        return model, version
    if not isinstance(wanted, int):
        raise InvalidIntent("is neither a version number nor an id", **where, cure="give a whole number or a UUID")
    model_id = model["id"] if model else row["model_id"] if row else None
    if model_id is None:
        raise InvalidIntent(
            "is needed to know whose version is meant",
            endpoint=item["name"],
            field="model",
            cure="give the model's name or id",
        )
    version = catalog.numbered(model_id, wanted)
    if version is None:
        numbers = ", ".join(map(str, catalog.numbers(model_id)))
        raise InvalidIntent(
            f"is no version of this model{of_tenant}",
            **where,
            cure=(f"use one of {numbers}, or " if numbers else "") + "register it with mlops.serving.model_version",
        )
    return model, version


def _merged(item: Item, row: Row | None, model: Row | None, version: Row | None) -> Row:
    """The row with the options that were given; what was not given stays, or gets the platform's default."""
    source = row or {
        "id": None,
        "status": "CREATING",
        "url": None,
        "runtime": "kserve",
        **{name: {} for name in SECTIONS},
    }
    home = row or model or version or {}
    after = {
        **source,
        "name": row["name"] if row else item["name"],
        "tenant_id": row["tenant_id"] if row else item.get("tenant_id") or home.get("tenant_id"),
        "project_id": row["project_id"] if row else item.get("project_id") or home.get("project_id"),
        "model_id": version["model_id"] if version else source.get("model_id"),
        "model_version_id": version["id"] if version else source.get("model_version_id"),
    }
    if item.get("runtime") is not None:
        after["runtime"] = item["runtime"]
    for name in SECTIONS:
        if item.get(name) is not None:
            after[name] = _mapping(item, name)
    return after


def _mapping(item: Item, name: str) -> dict[str, t.Any]:
    value = item[name]
    if isinstance(value, str) and value.strip():
        # A template may have turned the mapping into text; what is no mapping is told by the next check.
        with contextlib.suppress(TypeError):
            value = check_type_dict(value)
    _at(item, lambda: canonical_keys(name, value, strict=True))
    return t.cast("dict[str, t.Any]", value)


def _check(item: Item, after: Row, version: Row | None) -> tuple[str, ...]:
    if version and after["tenant_id"] != version["tenant_id"]:
        raise InvalidIntent(
            f"is no model version of tenant {after['tenant_id']}",
            endpoint=item["name"],
            field="model_version",
            value=item.get("model_version"),
            cure="use a version that this tenant owns",
        )
    endpoint = Endpoint(
        id=after["id"] or str(uuid.UUID(int=0)),
        name=after["name"],
        model_version_id=after["model_version_id"],
        artifact_uri=version["artifact_uri"] if version else None,
        **{name: after[name] for name in ("runtime", *SECTIONS)},
    )
    # What was given has been held to the known keys; what somebody stored earlier keeps serving.
    return parse(endpoint, strict=False).warnings


def _at(item: Item, function: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    try:
        return function(*arguments)
    except InvalidIntent as error:
        raise error.at(item["name"]) from None


def _same(one: str, other: str) -> bool:
    """The platform's names are citext."""
    return one.lower() == other.lower()


def _within(row: Row, item: Item) -> bool:
    return all(item.get(name) in (None, row[name]) for name in ("tenant_id", "project_id"))


def _only(rows: list[Row], what: str, item: Item, option: str, value: t.Any) -> Row | None:
    if len(rows) < 2:
        return rows[0] if rows else None
    choices = "; ".join(f"tenant_id {row['tenant_id']} project_id {row['project_id']}" for row in rows[:10])
    raise NotFound(
        f"names {len(rows)} {what}s: {choices}",
        endpoint=item["name"],
        field=option,
        value=value,
        cure="say which one with tenant_id and project_id" + (", or by its id" if what == "model" else ""),
    )


__all__ = ("COLUMNS", "SECTIONS", "Catalog", "Change", "is_id", "normal", "plan", "shown")
