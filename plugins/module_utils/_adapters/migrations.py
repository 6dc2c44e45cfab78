# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a database to the schema that this version of the collection needs; all of it or nothing."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

from .._domain.errors import NotFound, Refused
from .._domain.manifest import RENDERER_VERSION
from . import schema
from .postgres import Postgres

# Two runs at once: the second waits for the first. Any constant does ("serving" read as a number).
_ADVISORY_LOCK = 0x73657276696E67
_BOOK = """
create schema if not exists serving;
create table if not exists serving.migration (
    name text primary key,
    number int not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
"""
_ROLE = "run the role mlops.serving.endpoint_store"


@dataclass(frozen=True)
class Migration:
    """One step. A ``repeatable`` one is applied again when its text changes, and its number only grows."""

    number: int
    name: str
    sql: str
    repeatable: bool = False

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


MIGRATIONS = (
    Migration(1, "platform", schema.PLATFORM),
    Migration(2, "deployment", schema.DEPLOYMENT),
    Migration(3, "rollout", schema.ROLLOUT),
    Migration(4, "events", schema.EVENTS),
    Migration(5, "simulator", schema.SIMULATOR),
    Migration(6, "simulated_metrics", schema.SIMULATED_METRICS),
    Migration(6, "rollback", schema.ROLLBACK),
    Migration(7, "dead_letters", schema.DEAD_LETTERS),
    Migration(8, "trace", schema.TRACE),
    Migration(9, "intake", schema.INTAKE),
    Migration(10, "observed_version", schema.OBSERVED_VERSION),
    Migration(RENDERER_VERSION, "intent", schema.INTENT, repeatable=True),
)


class _TrialError(Exception):
    """Undoes a trial run."""


def migrate(database: Postgres, *, dry_run: bool = False) -> list[str]:
    """Apply what is missing, in one transaction.

    :param dry_run: run it all the same and take it back, so that a missing right shows up in check mode too
    :returns: names of the migrations that were (or would be) applied, in order
    :raises Refused: the database is newer than the collection, or a table of that name is not the platform's
    """
    applied: list[str] = []
    try:
        with database.transaction():
            database.execute("select pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
            database.execute("set local client_min_messages = warning")
            database.execute(_BOOK)
            known = _recorded(database)
            _refuse_newer(known)
            for migration in _missing(known):
                database.execute(migration.sql)
                if migration.name == "platform":
                    _check_platform(database)
                database.execute(
                    "insert into serving.migration (name, number, checksum) values (%s, %s, %s) on conflict (name) do update"
                    " set number = excluded.number, checksum = excluded.checksum, applied_at = now()",
                    (migration.name, migration.number, migration.checksum),
                )
                applied.append(migration.name)
            if dry_run:
                raise _TrialError
    except _TrialError:
        pass
    return applied


def remove(database: Postgres, *, dry_run: bool = False) -> bool:
    """Drop the schema ``serving`` with all that the collection remembers; the platform's tables and rows stay.

    :returns: whether there was something to drop
    :raises Refused: endpoints are still deployed, whose InferenceServices would be orphans
    """
    if database.row("select 1 as found from pg_namespace where nspname = 'serving'") is None:
        return False
    if database.row("select to_regclass('serving.deployment') as found") != {"found": None}:
        deployed = database.query(
            "select endpoint_name from serving.deployment where deploy_mode = 'kserve'"
            " and (applied_hash is not null or pending is not null) order by endpoint_name limit 6"
        )
        if deployed:
            names = ", ".join(row["endpoint_name"] for row in deployed[:5]) + (", ..." if len(deployed) > 5 else "")
            raise Refused(
                f"endpoints are still on the cluster, and the record of them would be lost: {names}",
                cure="delete them with mlops.serving.endpoint (state: absent) and mlops.serving.reconcile first",
            )
    if not dry_run:
        with database.transaction():
            database.execute("set local client_min_messages = warning")
            database.execute("drop schema serving cascade")
    return True


def check(database: Postgres) -> None:
    """Raise unless the database has exactly the schema that this version needs. One query."""
    try:
        known = _recorded(database)
    except NotFound:
        raise NotFound(f"the schema serving is missing in the database at {database.where()}", cure=_ROLE) from None
    _refuse_newer(known)
    missing = [migration.name for migration in _missing(known)]
    if missing:
        raise Refused(
            f"the schema serving at {database.where()} is older than this collection; missing: {', '.join(missing)}",
            cure=_ROLE,
        )


def _recorded(database: Postgres) -> dict[str, dict[str, t.Any]]:
    return {row["name"]: row for row in database.query("select name, number, checksum from serving.migration")}


def _missing(known: t.Mapping[str, dict[str, t.Any]]) -> list[Migration]:
    missing = []
    for migration in MIGRATIONS:
        found = known.get(migration.name)
        if found is None or (migration.repeatable and found["checksum"] != migration.checksum):
            missing.append(migration)
        elif found["checksum"] != migration.checksum:
            raise Refused(
                f"migration {migration.name} was applied to this database with another text",
                cure="use the version of the collection that made the schema serving, or report this as a bug",
            )
    return missing


def _refuse_newer(known: t.Mapping[str, dict[str, t.Any]]) -> None:
    ours = {migration.name: migration.number for migration in MIGRATIONS}
    newer = sorted(name for name, row in known.items() if row["number"] > ours.get(name, -1))
    if newer:
        raise Refused(
            f"the schema serving is newer than this collection: it has {', '.join(newer)}, which this version does not know",
            cure="upgrade mlops.serving here to the version that is used elsewhere",
        )


def _check_platform(database: Postgres) -> None:
    rows = database.query(
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.oid in (to_regclass('models'), to_regclass('model_versions'), to_regclass('endpoints'))"
        " and a.attnum > 0 and not a.attisdropped"
    )
    there = {(row["relname"], row["attname"]) for row in rows}
    lacking = [
        f"{table}.{name}"
        for table, names in schema.PLATFORM_COLUMNS.items()
        for name in names
        if (table, name) not in there
    ]
    if lacking:
        raise Refused(
            f"the database has tables of the platform's names without these columns: {', '.join(lacking)}",
            cure="use the platform's database, or an empty one",
        )


__all__ = ("MIGRATIONS", "Migration", "check", "migrate", "remove")
