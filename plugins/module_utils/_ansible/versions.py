# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers and removes versions of models."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.intents import Intents
from .._adapters.postgres import Row
from .._adapters.scope import check_uuid
from .._domain.errors import InvalidIntent, NotFound, Refused, ServingError
from .._domain.intent import check_payload
from .._domain.model_address import check_own_layout
from .connections import open_store
from .endpoints import is_id
from .module import Result, diff

_FIELDS = ("artifact_uri", "metrics", "stage")


def write_version(module: AnsibleModule, result: Result) -> None:
    """Fills ``model``, ``model_version``, ``model_created`` and, when asked for, ``diff``."""
    params = module.params
    for name in ("tenant_id", "project_id"):
        check_uuid(name, params[name])
    if params["version"] is not None and params["version"] < 1:
        raise InvalidIntent("versions count from 1", field="version", value=params["version"], cure="give its number")
    if params["artifact_uri"] is not None:
        _check_artifact(params["artifact_uri"])
    with open_store(module) as store:
        store.ready()
        write = _present if params["state"] == "present" else _absent
        with store.transaction():
            before, after = write(params, Intents(store.database), result, dry_run=module.check_mode)
            if result["changed"] and not module.check_mode:
                # An endpoint may serve this version: its intent has changed with it.
                store.notify()
    result["model_version"] = after or before
    if module._diff and result["changed"]:
        result["diff"] = diff(_shown(before), _shown(after), header=f"model {params['model']}")


def _present(
    params: t.Mapping[str, t.Any], intents: Intents, result: Result, *, dry_run: bool
) -> tuple[Row | None, Row | None]:
    model = _find_model(params, intents)
    result["model_created"] = model is None
    if model is None:
        model = _new_model(params, intents, dry_run=dry_run)
    elif not dry_run:
        intents.lock_model(model["id"])
    result["model"] = model
    versions = intents.versions(model_ids=[model["id"]], ids=[]) if model["id"] else []
    before = _find_version(params, versions)
    given = {name: params[name] for name in _FIELDS if params[name] is not None}
    if before is not None:
        after = {**before, **given}
        result["changed"] = after != before
        if result["changed"] and not dry_run:
            intents.update_version(after)
        return before, after
    if not params["artifact_uri"]:
        raise InvalidIntent(
            "is needed for a new version: it is what will be served",
            field="artifact_uri",
            cure="give its s3:// address",
        )
    number = params["version"] or max((row["version"] for row in versions), default=0) + 1
    after = {
        "id": None,
        "tenant_id": model["tenant_id"],
        "project_id": model["project_id"],
        "model_id": model["id"],
        "version": number,
        "metrics": {},
        "stage": None,
        **given,
    }
    if not dry_run:
        after["id"] = intents.create_version({**after, "created_by": params["created_by"]})
    result["changed"] = True
    return None, after


def _absent(
    params: t.Mapping[str, t.Any], intents: Intents, result: Result, *, dry_run: bool
) -> tuple[Row | None, Row | None]:
    model = _find_model(params, intents)
    result["model"] = model
    if model is None:
        return None, None
    before = next(
        (row for row in intents.versions(model_ids=[model["id"]], ids=[]) if row["version"] == params["version"]), None
    )
    if before is None:
        return None, None
    users = intents.users_of_version(before["id"])
    if users:
        raise Refused(
            f"version {before['version']} of model {model['name']} is served or is what would be returned to, by: {', '.join(users)}",
            field="version",
            value=before["version"],
            cure="give those endpoints another version first",
        )
    if not dry_run:
        intents.delete_version(before["id"])
    result["changed"] = True
    return before, None


def _find_model(params: t.Mapping[str, t.Any], intents: Intents) -> Row | None:
    wanted = params["model"]
    ids = [wanted] if is_id(wanted) else []
    rows = intents.models(tenant_id=params["tenant_id"], names=[wanted], ids=ids)
    if params["project_id"]:
        rows = [row for row in rows if row["project_id"] == params["project_id"].lower()]
    if len(rows) > 1:
        choices = "; ".join(f"tenant_id {row['tenant_id']} project_id {row['project_id']}" for row in rows[:10])
        raise NotFound(
            f"names {len(rows)} models: {choices}",
            field="model",
            value=wanted,
            cure="say which with tenant_id and project_id",
        )
    if not rows and ids:
        raise NotFound(
            "there is no model of this id", field="model", value=wanted, cure="give a name to register a new model"
        )
    return rows[0] if rows else None


def _new_model(params: t.Mapping[str, t.Any], intents: Intents, *, dry_run: bool) -> Row:
    if not params["create_model"]:
        raise NotFound(
            "there is no such model",
            field="model",
            value=params["model"],
            cure="set create_model to true, or correct the name",
        )
    for name in ("tenant_id", "project_id"):
        if not params[name]:
            raise InvalidIntent(
                "is needed to register a new model", field=name, cure="give the id that the platform shows"
            )
    model: Row = {
        "id": None,
        "tenant_id": params["tenant_id"],
        "project_id": params["project_id"],
        "name": params["model"],
    }
    if not dry_run:
        model["id"] = intents.create_model(
            tenant_id=model["tenant_id"],
            project_id=model["project_id"],
            name=model["name"],
            created_by=params["created_by"],
        )
    return model


def _find_version(params: t.Mapping[str, t.Any], versions: t.Sequence[Row]) -> Row | None:
    """By its number; without one, the newest version that already has this artifact."""
    if params["version"] is not None:
        return next((row for row in versions if row["version"] == params["version"]), None)
    return next(
        (row for row in reversed(versions) if params["artifact_uri"] and row["artifact_uri"] == params["artifact_uri"]),
        None,
    )


def _check_artifact(uri: str) -> None:
    try:
        check_payload("kserve", None, None, None, endpoint_name="", artifact_uri=uri)
    except ServingError as error:
        raise InvalidIntent(error.what, field="artifact_uri", value=uri, cure=error.cure) from None
    check_own_layout("artifact_uri", uri)


def _shown(row: Row | None) -> Row:
    return {name: row[name] for name in ("version", *_FIELDS)} if row else {}


__all__ = ("write_version",)
