"""Which database, cluster and object store a module's options and environment mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.mlops.serving.plugins.module_utils._ansible.connections import parse_url, store_parameters
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent

ENVIRONMENT = {"DATABASE_URL": "postgresql://env:secret@env-host:5433/env-db"}
FROM_ENVIRONMENT = {"host": "env-host", "port": "5433", "user": "env", "password": "secret", "dbname": "env-db"}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, FROM_ENVIRONMENT),
        ({"login_user": "ann", "login_db": "other"}, {**FROM_ENVIRONMENT, "user": "ann", "dbname": "other"}),
        ({"database_url": "postgres://h/d"}, {"host": "h", "dbname": "d"}),
        ({"database_url": "postgres://h/d", "login_port": 1}, {"host": "h", "dbname": "d", "port": 1}),
        # Another server: the environment's password is not sent there.
        ({"login_host": "h"}, {"host": "h"}),
        ({"login_unix_socket": "/run/postgresql", "login_user": "ann"}, {"host": "/run/postgresql", "user": "ann"}),
        (
            {"login_host": "h", "ssl_mode": "verify-full", "login_ca_cert": "/ca", "ssl_cert": "/c", "ssl_key": "/k"},
            {"host": "h", "sslmode": "verify-full", "sslrootcert": "/ca", "sslcert": "/c", "sslkey": "/k"},
        ),
        (
            {"login_host": "h", "connect_params": {"target_session_attrs": "any"}},
            {"host": "h", "target_session_attrs": "any"},
        ),
    ],
)
def test_arguments_come_before_the_environment(params: dict[str, Any], expected: dict[str, Any]) -> None:
    assert store_parameters(params, ENVIRONMENT) == expected


def test_nothing_given_leaves_all_to_libpq() -> None:
    assert store_parameters({}, {}) == {}


@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_a_password_among_the_further_parameters_is_refused(name: str) -> None:
    with pytest.raises(InvalidIntent, match=r"login_password") as caught:
        store_parameters({"connect_params": {name: "hunter2"}}, {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+asyncpg://a:p%40ss%2Fword@h:5/d?ssl=require", {"password": "p@ss/word", "sslmode": "require"}),
        ("postgresql+psycopg2://a@h/d?application_name=x", {"application_name": "x", "user": "a"}),
        ("postgresql://[::1]:5432/d", {"host": "::1", "port": "5432"}),
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "d"}),
    ],
)
def test_urls_as_the_platform_writes_them(url: str, expected: dict[str, str]) -> None:
    assert expected.items() <= parse_url(url).items()


@pytest.mark.parametrize("url", ["mysql://a:hunter2@h/d", "postgresql://a:hunter2@h:port/d", "host=h password=hunter2"])
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidIntent, match=r"database_url.*postgresql://user:password@host") as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)


def test_a_password_is_taken_out_of_messages() -> None:
    database = Postgres({"host": "h", "user": "ann", "password": "hunter2"})
    assert database.scrub("cannot use hunter2 here") == "cannot use ******** here"
    assert "hunter2" not in database.where()
    assert "ann" in database.where()


def test_a_connection_string_is_not_repeated_either() -> None:
    with pytest.raises(InvalidIntent) as caught:
        Postgres({"dsn": "host=h password='hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in Postgres({"dsn": "host=h password=hunter2 user=ann"}).where()
