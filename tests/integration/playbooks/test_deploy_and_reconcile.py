"""The playbooks deploy and reconcile, by their names and by their paths."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.migrations import migrate
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres

TENANT = "11111111-1111-4111-8111-111111111111"
Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def sql(database: str) -> Iterator[Sql]:
    """A store with two versions of a model, and a way to ask it."""
    prepared = Postgres({"dsn": database})
    migrate(prepared)
    prepared.close()
    connection = psycopg2.connect(database)
    connection.autocommit = True

    def ask(text: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []

    ask(
        f"insert into models (tenant_id, project_id, name) values ('{TENANT}', '{TENANT}', 'add_sub');"
        " insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri)"
        " select tenant_id, project_id, id, n, 's3://models/add_sub/v' || n || '/' from models, generate_series(1, 2) n"
    )
    yield ask
    connection.close()


@pytest.fixture
def intents(tmp_path: Path) -> Callable[..., str]:
    """A file with these endpoints, as an argument of ansible-playbook."""

    def write(*endpoints: dict[str, Any]) -> str:
        file = tmp_path / "endpoints.json"
        file.write_text(json.dumps({"endpoints": endpoints}))
        return f"@{file}"

    return write


DEMO = {"name": "demo", "model": "add_sub", "model_version": 1}


def test_deploy_twice_by_name_and_by_path(play: Any, sql: Sql, intents: Any) -> None:
    file = intents(DEMO, {**DEMO, "name": "other", "autoscaling": {"minReplicas": 2}})
    first = play("mlops.serving.deploy", "-e", file)
    assert first.code == 0, first.output
    assert first.recap["changed"] == 2
    assert "http://isvc-" in first.output
    assert sql("select name, status from endpoints order by 1") == [("demo", "READY"), ("other", "READY")]
    second = play("playbooks/deploy.yml", "-e", file)
    assert second.code == 0, second.output
    assert (second.recap["changed"], second.recap["failed"]) == (0, 0)
    absent = play("playbooks/deploy.yml", "-e", intents(DEMO), "-e", "state=absent")
    assert absent.code == 0, absent.output
    assert sql("select name, status from endpoints order by 1") == [("demo", "DELETED"), ("other", "READY")]


def test_deploy_does_the_others_and_fails_at_its_end(play: Any, sql: Sql, intents: Any) -> None:
    file = intents(
        {**DEMO, "name": "refused", "traffic": {"canaryTrafficPercent": 150}},
        {**DEMO, "name": "good"},
        {**DEMO, "name": "late", "model_version": 2},
    )
    sql("""update model_versions set metrics = '{"simulate": {"load_error": "no such symbol"}}' where version = 2""")
    played = play("mlops.serving.deploy", "-e", file)
    assert played.code == 2
    assert sql("select name, status from endpoints order by 1") == [("good", "READY"), ("late", "ERROR")]
    assert "endpoint refused: traffic.canaryTrafficPercent = 150" in played.output
    assert "no such symbol" in played.output
    assert "http://isvc-" in played.output, "those that were deployed are shown"


def test_deploy_says_what_it_needs(play: Any) -> None:
    played = play("playbooks/deploy.yml")
    assert played.code == 2
    assert "No endpoints are given" in played.output


def test_check_mode_of_deploy_writes_nothing(play: Any, sql: Sql, intents: Any) -> None:
    played = play("playbooks/deploy.yml", "-e", intents(DEMO), "--check", "--diff")
    assert played.code == 0, played.output
    assert played.recap["changed"] == 1
    assert sql("select * from endpoints") == []


def test_reconcile_twice_by_name_and_by_path(play: Any, sql: Sql, database: str) -> None:
    sql(
        "insert into endpoints (tenant_id, project_id, name, model_id, model_version_id)"
        " select tenant_id, project_id, 'demo-' || version, model_id, id from model_versions"
    )
    first = play("mlops.serving.reconcile", "-vvv")
    assert first.code == 0, first.output
    assert first.recap["changed"] == 1
    assert str(urlsplit(database).password) not in first.output
    assert sql("select name, status from endpoints order by 1") == [("demo-1", "READY"), ("demo-2", "READY")]
    again = play("playbooks/reconcile.yml")
    assert again.code == 0, again.output
    assert again.recap["changed"] == 0
    assert "Nothing to do" in again.output
    sql("update endpoints set traffic = '[]' where name = 'demo-2'")
    failed = play("playbooks/reconcile.yml")
    assert failed.code == 2
    assert "endpoint demo-2: traffic = []" in failed.output
    assert failed.recap["failed"] == 1


def test_no_password_in_what_is_printed(play: Any, database: str) -> None:
    password = str(urlsplit(database).password)
    wrong = database.replace(password, "correct-horse-battery-staple")
    refused = play("playbooks/reconcile.yml", "-vvv", DATABASE_URL=wrong)
    assert refused.code == 2
    assert "check user, password and rights" in refused.output.lower()
    asked = play(
        *("localhost", "-m", "mlops.serving.reconcile", "-vvv"),
        *("-a", f"database_url={wrong}", "-e", "ansible_connection=local"),
        program="ansible",
        DATABASE_URL="",
    )
    assert asked.code == 2
    assert "check user, password and rights" in asked.output.lower()
    for printed in (refused, asked):
        assert password not in printed.output
        assert "correct-horse-battery-staple" not in printed.output
