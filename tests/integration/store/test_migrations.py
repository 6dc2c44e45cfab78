"""A database comes to the schema that the collection needs, whatever it was before; or it stays as it was."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters import migrations
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Store
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Forbidden, NotFound, Refused

ALL = [
    *(
        "platform",
        "deployment",
        "rollout",
        "events",
        "simulator",
        "simulated_metrics",
        "rollback",
        "dead_letters",
        "trace",
        "intake",
        "observed_version",
    ),
    "intent",
]

# As the platform's own database is: more columns, more tables, its own trigger.
PLATFORM = """
create extension citext; create extension pgcrypto;
create table tenants (id uuid primary key, slug text);
create table models (id uuid primary key default gen_random_uuid(), tenant_id uuid not null, project_id uuid not null, name citext not null,
    description text, flavour text not null default 'x', created_by text, created_at timestamptz default now(),
    updated_at timestamptz default now(), unique (tenant_id, project_id, name));
create table model_versions (id uuid primary key default gen_random_uuid(), tenant_id uuid not null, project_id uuid not null,
    model_id uuid not null references models (id) on delete cascade, version int not null, artifact_uri text, source_run_id uuid,
    metrics jsonb default '{}', stage text, created_by text, created_at timestamptz default now(), updated_at timestamptz default now(),
    unique (model_id, version));
create table endpoints (id uuid primary key default gen_random_uuid(), tenant_id uuid not null, project_id uuid not null, name citext not null,
    status text default 'CREATING', url text, runtime text default 'kserve', model_id uuid references models (id) on delete set null,
    model_version_id uuid references model_versions (id) on delete set null, traffic jsonb default '{}', autoscaling jsonb default '{}',
    runtime_config jsonb default '{}', owner_team text, tenant_slug text, created_by text, created_at timestamptz default now(),
    updated_at timestamptz default now(), unique (tenant_id, project_id, name));
insert into endpoints (tenant_id, project_id, name, tenant_slug, traffic)
    values (gen_random_uuid(), gen_random_uuid(), 'old', 'acme', null);
"""


def schema_of(database: Postgres) -> list[dict[str, object]]:
    return database.query(
        "select table_schema, table_name, column_name, data_type, is_nullable from information_schema.columns"
        " where table_schema in ('public', 'serving') order by 1, 2, 3"
    )


@pytest.fixture
def empty(database: str) -> Postgres:
    return Store.connect(database).database


def test_an_empty_database_gets_everything_once(empty: Postgres) -> None:
    assert migrations.migrate(empty) == ALL
    migrations.check(empty)
    before = schema_of(empty)
    assert migrations.migrate(empty) == []
    assert schema_of(empty) == before


def test_dry_run_tells_what_it_would_do_and_leaves_nothing(empty: Postgres) -> None:
    before = schema_of(empty)
    assert migrations.migrate(empty, dry_run=True) == ALL
    assert schema_of(empty) == before
    with pytest.raises(NotFound, match="endpoint_store"):
        migrations.check(empty)


def test_the_platforms_tables_stay_as_they_are(empty: Postgres) -> None:
    empty.execute(PLATFORM)
    before = [row for row in schema_of(empty) if row["table_schema"] == "public"]
    migrations.migrate(empty)
    assert [row for row in schema_of(empty) if row["table_schema"] == "public"] == before
    [endpoint] = empty.query("select name, traffic, intent_hash from serving.intent")
    assert endpoint["name"] == "old"
    assert endpoint["traffic"] is None
    assert len(endpoint["intent_hash"]) == 64


def test_a_table_of_that_name_that_is_not_the_platforms_is_refused(empty: Postgres) -> None:
    empty.execute("create table endpoints (id int)")
    with pytest.raises(Refused, match=r"endpoints\.tenant_id"):
        migrations.migrate(empty)
    assert [row["table_name"] for row in schema_of(empty)] == ["endpoints"]


def test_a_newer_database_is_refused_and_left_alone(empty: Postgres) -> None:
    migrations.migrate(empty)
    empty.execute("insert into serving.migration (name, number, checksum) values ('future', 99, 'x')")
    for use in (migrations.migrate, migrations.check):
        with pytest.raises(Refused, match=r"newer than this collection.*future.*Upgrade"):
            use(empty)


def test_a_renderer_of_another_version_makes_the_view_again(empty: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.execute(PLATFORM)
    migrations.migrate(empty)
    before = empty.query("select intent_hash from serving.intent")
    *ordered, intent = migrations.MIGRATIONS
    changed = migrations.Migration(
        intent.number + 1, "intent", intent.sql.replace("e.runtime_config,\n        1", "e.runtime_config, 2"), True
    )
    monkeypatch.setattr(migrations, "MIGRATIONS", (*ordered, changed))
    with pytest.raises(Refused, match="older than this collection; missing: intent"):
        migrations.check(empty)
    assert migrations.migrate(empty) == ["intent"]
    assert empty.query("select intent_hash from serving.intent") != before
    monkeypatch.undo()
    with pytest.raises(Refused, match="newer"):
        migrations.check(empty)


def test_an_applied_migration_whose_text_changed_is_refused(empty: Postgres) -> None:
    migrations.migrate(empty)
    empty.execute("update serving.migration set checksum = 'edited' where name = 'rollout'")
    with pytest.raises(Refused, match="rollout was applied to this database with another text"):
        migrations.check(empty)


def test_two_runs_at_once_apply_each_migration_once(database: str) -> None:
    applied: list[list[str]] = []
    runs = [
        threading.Thread(target=lambda: applied.append(migrations.migrate(Store.connect(database).database)))
        for _turn in range(3)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(applied) == [[], [], ALL]


def test_a_role_without_the_right_is_told_so_in_the_dry_run_too(empty: Postgres, database: str) -> None:
    empty.execute(
        "do $$ begin create role nobody_much login password 'x'; exception when duplicate_object then null; end $$"
    )
    target = {"dsn": database, "user": "nobody_much", "password": "x"}
    with pytest.raises(Forbidden, match=r"permission denied.*Check user"):
        migrations.migrate(Store.connect(target).database, dry_run=True)


def test_removal_drops_the_schema_and_nothing_else(empty: Postgres) -> None:
    empty.execute(PLATFORM)
    before = schema_of(empty)
    migrations.migrate(empty)
    assert migrations.remove(empty, dry_run=True)
    migrations.check(empty)
    assert migrations.remove(empty)
    assert schema_of(empty) == before
    assert not migrations.remove(empty)
    assert empty.query("select name from endpoints") == [{"name": "old"}]


def test_tables_that_the_collection_made_stay_usable_after_removal(empty: Postgres) -> None:
    migrations.migrate(empty)
    migrations.remove(empty)
    empty.execute(
        "insert into endpoints (tenant_id, project_id, name) values (gen_random_uuid(), gen_random_uuid(), 'x')"
    )
    assert empty.execute("update endpoints set url = 'x'") == 1
    assert migrations.migrate(empty) == ALL


def test_removal_is_refused_while_something_is_on_a_cluster(empty: Postgres) -> None:
    migrations.migrate(empty)
    empty.execute(
        "insert into serving.deployment (endpoint_id, endpoint_name, deploy_mode, applied_hash)"
        " values (gen_random_uuid(), 'precious', 'kserve', 'x')"
    )
    with pytest.raises(Refused, match="precious"):
        migrations.remove(empty)
    migrations.check(empty)


def test_rollout_events_are_append_only(empty: Postgres) -> None:
    migrations.migrate(empty)
    empty.execute(
        "with r as (insert into serving.rollout (endpoint_id, strategy, plan, state)"
        " values (gen_random_uuid(), 'canary', '{}', 'x') returning id)"
        " insert into serving.rollout_event (rollout_id, who, kind) select id, 'me', 'started' from r"
    )
    for sql in (
        "update serving.rollout_event set who = 'you'",
        "delete from serving.rollout_event",
        "truncate serving.rollout_event",
    ):
        with pytest.raises(Forbidden, match="append only"):
            empty.execute(sql)
    assert empty.query("select who from serving.rollout_event") == [{"who": "me"}]


def test_an_endpoint_has_one_active_rollout(empty: Postgres) -> None:
    import psycopg2

    migrations.migrate(empty)
    insert = "insert into serving.rollout (endpoint_id, strategy, plan, state) values (%s, 'canary', '{}', 'x')"
    endpoint = ("6b1f8a9e-3f0e-4f77-8a43-2d0f4a0b7c11",)
    empty.execute(insert, endpoint)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        empty.execute(insert, endpoint)
    empty.execute("update serving.rollout set finished_at = now()")
    empty.execute(insert, endpoint)
