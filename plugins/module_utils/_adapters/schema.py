# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's tables as SQL. Only ``.py`` files travel with a module, so they are strings.

A released text never changes: what comes later is a further migration. The view ``serving.intent`` is the exception, it
is made again whenever its text or the renderer's version differs.
"""

from __future__ import annotations

from .._domain.manifest import RENDERER_VERSION

# Made only where missing. A database of the platform has more columns and tables, which is fine.
PLATFORM = """
create extension if not exists citext;
create extension if not exists pgcrypto;

create table if not exists models (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null,
    project_id uuid not null,
    name citext not null,
    description text,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (tenant_id, project_id, name)
);

create table if not exists model_versions (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null,
    project_id uuid not null,
    model_id uuid not null references models (id) on delete cascade,
    version int not null,
    artifact_uri text,
    metrics jsonb not null default '{}',
    stage text,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (model_id, version)
);

do $$
begin
    if to_regclass('endpoints') is null then
        create table endpoints (
            id uuid primary key default gen_random_uuid(),
            tenant_id uuid not null,
            project_id uuid not null,
            name citext not null,
            status text not null default 'CREATING',
            url text,
            runtime text not null default 'kserve',
            model_id uuid references models (id) on delete set null,
            model_version_id uuid references model_versions (id) on delete set null,
            traffic jsonb not null default '{}',
            autoscaling jsonb not null default '{}',
            runtime_config jsonb not null default '{}',
            created_by text,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            unique (tenant_id, project_id, name)
        );
        create or replace function mlops_serving_touch_updated_at() returns trigger language plpgsql as
            'begin new.updated_at := now(); return new; end';
        create trigger endpoints_touch before update on endpoints
            for each row execute function mlops_serving_touch_updated_at();
    end if;
end $$;
"""

# Columns that the collection reads or writes: a table of the same name that lacks one is not the platform's.
PLATFORM_COLUMNS = {
    "models": ("id", "tenant_id", "project_id", "name"),
    "model_versions": ("id", "tenant_id", "project_id", "model_id", "version", "artifact_uri", "metrics", "stage"),
    "endpoints": (
        *("id", "tenant_id", "project_id", "name", "status", "url", "runtime", "model_id", "model_version_id"),
        *("traffic", "autoscaling", "runtime_config", "created_by"),
    ),
}

# No foreign key to endpoints: the record of what is on the cluster outlives the row.
DEPLOYMENT = """
create table serving.deployment (
    endpoint_id uuid primary key,
    tenant_id uuid,
    project_id uuid,
    endpoint_name text not null,
    generation bigint not null default 0,
    applied_hash text,
    attempted_hash text,
    namespace text,
    name text,
    deploy_mode text check (deploy_mode in ('simulate', 'kserve')),
    serving_mode text,
    stable_version_id uuid,
    stable_revision text,
    stable_spec jsonb,
    applied_spec jsonb,
    pending jsonb,
    warnings jsonb,
    url text,
    host text,
    lease_owner text,
    lease_until timestamptz,
    claimed_at timestamptz,
    epoch bigint not null default 0,
    last_error text,
    attempts int not null default 0,
    next_attempt_at timestamptz,
    requested_at timestamptz,
    observed_at timestamptz,
    unique (namespace, name)
);
comment on column serving.deployment.generation is 'how many intents have been brought to the cluster';
comment on column serving.deployment.attempted_hash is 'the intent last worked on, applied or failed';
comment on column serving.deployment.applied_spec is 'the template of the last convergence: the candidate''s while a canary goes on';
comment on column serving.deployment.epoch is 'fencing token: grows with every lease, each later write says epoch = mine';
comment on column serving.deployment.requested_at is 'somebody asked to look at the cluster although the intent is the same';
"""

ROLLOUT = """
create table serving.rollout (
    id uuid primary key default gen_random_uuid(),
    endpoint_id uuid not null,
    tenant_id uuid,
    strategy text not null check (strategy in ('canary', 'ab', 'blue_green')),
    plan jsonb not null,
    state text not null,
    step int not null default 0,
    progress jsonb not null default '{}',
    stable_version_id uuid,
    candidate_version_id uuid,
    expected_hash text,
    command text,
    step_deadline timestamptz,
    deadline timestamptz,
    outcome text,
    reason text,
    simulated boolean not null default false,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz
);
create unique index rollout_active on serving.rollout (endpoint_id) where finished_at is null;
create index rollout_endpoint on serving.rollout (endpoint_id, created_at desc);

create table serving.rollout_event (
    id bigint generated always as identity primary key,
    rollout_id uuid not null references serving.rollout (id),
    at timestamptz not null default clock_timestamp(),
    who text not null,
    kind text not null,
    step int,
    written jsonb,
    observed jsonb,
    samples jsonb,
    verdict jsonb,
    message text
);
create index rollout_event_rollout on serving.rollout_event (rollout_id, id);

create function serving.append_only() returns trigger language plpgsql as
    'begin raise exception ''% is append only: % is not allowed'', tg_table_name, tg_op using errcode = ''42501''; end';
create trigger rollout_event_append_only before update or delete or truncate on serving.rollout_event
    for each statement execute function serving.append_only();
"""

# A way back after a promotion is a rollout of its own.
ROLLBACK = """
alter table serving.rollout drop constraint rollout_strategy_check;
alter table serving.rollout add constraint rollout_strategy_check
    check (strategy in ('canary', 'ab', 'blue_green', 'rollback'));
alter table serving.rollout add column endpoint_name text, add column evidence jsonb not null default '{}';
comment on column serving.rollout.evidence is 'counters and the judge''s state after the last look';
comment on column serving.rollout.command is 'what a person asked for; taken by whoever drives the rollout';
"""

EVENTS = """
create table serving.dead_letter (
    id bigint generated always as identity primary key,
    stream text not null,
    stream_sequence bigint not null,
    subject text not null,
    payload bytea,
    reason text not null,
    first_seen timestamptz not null default now(),
    last_seen timestamptz not null default now(),
    times_seen int not null default 1,
    unique (stream, stream_sequence)
);

create table serving.outbox (
    id bigint generated always as identity primary key,
    subject text not null,
    endpoint_id uuid,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    published_at timestamptz
);
create index outbox_unpublished on serving.outbox (id) where published_at is null;
"""

SIMULATOR = """
create table serving.simulated_service (
    namespace text not null,
    name text not null,
    uid text not null,
    generation bigint not null,
    resource_version bigint not null,
    object jsonb not null,
    state jsonb not null,
    primary key (namespace, name)
);
"""

SIMULATED_METRICS = """
create table serving.simulated_metrics (
    namespace text not null,
    name text not null,
    uid text not null,
    looks bigint not null default 0,
    read_at timestamptz not null,
    shares jsonb not null,
    counters jsonb not null,
    primary key (namespace, name)
);
comment on column serving.simulated_metrics.shares is 'percent of the traffic by revision since read_at';
"""

# Letters from before these columns are given what can be read out of them. ``encode(..., 'escape')`` never fails, and leaves
# ASCII as it is.
DEAD_LETTERS = """
alter table serving.dead_letter
    add column endpoint_id uuid,
    add column trace_id text,
    add column size int,
    add column replay_of bigint,
    add column replayed_at timestamptz,
    add column replays int not null default 0,
    add column discarded_at timestamptz;
update serving.dead_letter set
    endpoint_id = substring(encode(payload, 'escape') from '"endpoint_id"\\s*:\\s*"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"')::uuid,
    size = coalesce(substring(reason from '^it has ([0-9]{1,9}) bytes')::int, octet_length(payload), 0);
comment on column serving.dead_letter.size is 'bytes of the event; of a large one the payload holds the beginning only';
comment on column serving.dead_letter.replay_of is 'the letter whose replay this event was';
create index dead_letter_open on serving.dead_letter (id) where replayed_at is null and discarded_at is null;

alter table serving.outbox
    alter column payload drop not null,
    add column body bytea,
    add column headers jsonb not null default '{}',
    add column message_id text,
    add constraint outbox_content check (payload is not null or body is not null);
comment on column serving.outbox.body is 'what is sent in the place of the payload where that need not be JSON';
comment on column serving.outbox.message_id is 'null for the id that is made of the endpoint''s and the row''s';
"""

# Beside serving.deployment and not in it: whoever takes events in would wait there for the workers' rows, and they for its.
TRACE = """
create table serving.trace (
    endpoint_id uuid primary key,
    trace_id text not null,
    asked_at timestamptz not null default now()
);
comment on table serving.trace is 'the trace of the event that last asked for an endpoint, for the lines of the workers';
"""

# Counted where events are noted, in the same transaction, so no event counts twice and the workers can tell.
INTAKE = """
create table serving.intake (
    stream text primary key,
    requested bigint not null default 0,
    stale bigint not null default 0,
    dead bigint not null default 0,
    early bigint not null default 0,
    last_at timestamptz not null default now()
);
comment on table serving.intake is 'how many events were taken in, by what became of them';
comment on column serving.intake.stale is 'events that asked for another model version than the row has: the row counts';
comment on column serving.intake.early is 'deliveries of events whose endpoint is not there yet; they come again';
"""

# With the uid, as another cluster begins to count anew.
OBSERVED_VERSION = """
alter table serving.deployment add column observed_version text;
comment on column serving.deployment.observed_version is
    'uid and resourceVersion of the InferenceService when it was last found to be what the row asks for';
"""

# The hash covers what the rendering depends on, so a row that was edited by hand in SQL is seen as well.
INTENT = f"""
drop view if exists serving.intent;
create view serving.intent as
select
    e.id, e.tenant_id, e.project_id, e.name, e.status, e.url, e.runtime, e.model_id, e.model_version_id,
    v.version, v.artifact_uri, e.traffic, e.autoscaling, e.runtime_config,
    encode(sha256(convert_to(jsonb_build_array(
        e.tenant_id, e.project_id, e.runtime, e.model_version_id, v.artifact_uri, e.traffic, e.autoscaling, e.runtime_config,
        {RENDERER_VERSION}
    )::text, 'UTF8')), 'hex') as intent_hash
from endpoints e
left join model_versions v on v.id = e.model_version_id;
"""

__all__ = (
    *("DEAD_LETTERS", "DEPLOYMENT", "EVENTS", "INTAKE", "INTENT", "OBSERVED_VERSION", "PLATFORM", "PLATFORM_COLUMNS"),
    *("ROLLBACK", "ROLLOUT", "SIMULATED_METRICS", "SIMULATOR", "TRACE"),
)
