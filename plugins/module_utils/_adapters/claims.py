# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A claimed endpoint, and how the store's rows become one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from .._domain.convergence import Pending, Record
from .._domain.errors import LeaseLost
from .._domain.intent import Endpoint
from .postgres import Row

ENDPOINT_FIELDS = tuple(field.name for field in dataclasses.fields(Endpoint) if field.name != "columns")


@dataclass(frozen=True)
class Settings:
    """How what is claimed shall be deployed.

    :param everything: also endpoints whose intent is applied already, to look at the cluster again
    :param patient: leave endpoints alone that failed and whose next attempt is not due (a worker's way)
    """

    deploy_mode: str = "simulate"
    namespace_template: str = "mlops-serving"
    name_prefix: str = "isvc"
    force_mode: bool = False
    everything: bool = False
    patient: bool = False


@dataclass(frozen=True)
class Claim:
    """One endpoint that is ours until the lease ends. With ``refused`` it is not ours, and that says why.

    :param trace_id: of the event that last asked for it
    :param attempts: how often it has failed in a row before
    """

    endpoint: Endpoint
    record: Record
    namespace: str
    name: str
    epoch: int
    serving_mode: str | None
    deploy_mode: str
    refused: str | None = None
    trace_id: str | None = None
    attempts: int = 0


def lost(claim: Claim) -> LeaseLost:
    return LeaseLost(
        "another worker has taken it over since this one last looked",
        endpoint=claim.endpoint.name,
        cure="nothing is to be done here, the other worker goes on",
    )


def endpoint_from(row: Row) -> Endpoint:
    """An ``Endpoint`` from a row of ``serving.intent`` with ``columns``."""
    fields = {name: row[name] for name in ENDPOINT_FIELDS}
    return Endpoint(**{**fields, "columns": row.get("columns") or {}})


def claimed(row: Row, record: Row, *, refused: str | None = None) -> Claim:
    endpoint = endpoint_from(row)
    if endpoint.status == "DELETED":  # set by hand while its InferenceService is still there
        endpoint = dataclasses.replace(endpoint, status="DELETING")
    pending = record["pending"]
    return Claim(
        endpoint=endpoint,
        record=Record(
            stable_version=record["stable_version_id"],
            stable_revision=record["stable_revision"],
            stable_spec=record["stable_spec"],
            applied_spec=record["applied_spec"],
            pending=Pending(**pending) if pending else None,
        ),
        namespace=record["namespace"] or "",
        name=record["deployment_name"] or "",
        epoch=record["epoch"] or 0,
        serving_mode=record["serving_mode"],
        deploy_mode=record["deploy_mode"] or "",
        refused=refused,
        trace_id=record["trace_id"],
        attempts=record["attempts"] or 0,
    )


def orphaned(row: Row) -> Row:
    gone: Row = dict.fromkeys(ENDPOINT_FIELDS)
    gone.update(
        id=row["endpoint_id"],
        name=row["endpoint_name"],
        tenant_id=row["deployment_tenant"],
        project_id=row["deployment_project"],
        status="DELETING",
        runtime="",
        intent_hash="orphan",
    )
    return {**row, **gone, "columns": {}}


def other_mode(row: Row, settings: Settings) -> str | None:
    if not row["other_mode"] or settings.force_mode:
        return None
    return (
        f"endpoint {row['name']}: it is deployed in mode {row['deploy_mode']}, and this run is in mode {settings.deploy_mode}. "
        f"Set deploy_mode (DEPLOY_MODE) to {row['deploy_mode']}, or force_mode to move it."
    )


__all__ = ("ENDPOINT_FIELDS", "Claim", "Settings", "claimed", "endpoint_from", "lost", "orphaned", "other_mode")
