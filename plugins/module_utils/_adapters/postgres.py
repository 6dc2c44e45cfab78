# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to Postgres: opened with limits, shared by threads, its errors in our words and without secrets."""

from __future__ import annotations

import contextlib
import re
import threading
import typing as t

from .._domain.errors import Forbidden, InvalidIntent, NotFound, Unavailable

try:
    import psycopg2
    import psycopg2.extensions
    import psycopg2.extras
except ImportError:
    HAS_PSYCOPG2 = False
else:
    HAS_PSYCOPG2 = True

Row = dict[str, t.Any]
Parameters = t.Mapping[str, t.Any]

_DEFAULTS = {
    "application_name": "mlops.serving",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # Keepalives do not count while something sent is not acknowledged: that would hang for a quarter of an hour.
    "tcp_user_timeout": 60000,
}
# A statement of ours is short; one that is not hangs on a lock, and a person wants to know.
_SESSION = "set statement_timeout = '60s'; set lock_timeout = '20s'; set idle_in_transaction_session_timeout = '120s'"
_REFUSED = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|role .* (does not exist|is not permitted to log in)"
    r"|permission denied|certificate authentication|must be superuser|pg_hba\.conf rejects",
    re.IGNORECASE,
)
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_NO_TABLE = ("42P01", "3F000", "42703")  # undefined_table, invalid_schema_name, undefined_column
_NO_RIGHT = ("42501", "28000", "28P01")  # insufficient_privilege, invalid_authorization, invalid_password


class Postgres:
    """A connection that is made on first use and made again when the server went away.

    Safe to share between threads: a statement is atomic, ``transaction`` keeps other threads out until it ends.
    """

    def __init__(self, parameters: Parameters) -> None:
        given = dict(parameters)
        if HAS_PSYCOPG2 and "dsn" in given:
            given = {**_parsed(str(given.pop("dsn"))), **given}
        self._parameters = {**_DEFAULTS, **given}
        self._connection: t.Any = None
        self._lock = threading.RLock()
        self._depth = 0

    def where(self) -> str:
        """Server, database and role for messages, never the password."""
        given = self._parameters
        host = given.get("host") or given.get("service") or "the server that libpq's environment names"
        port = f":{given['port']}" if given.get("port") else ""
        database = f", database {given['dbname']}" if given.get("dbname") else ""
        user = f", user {given['user']}" if given.get("user") else ""
        return f"{host}{port}{database}{user}"

    def open(self) -> Postgres:
        with self._lock:
            self._connected()
        return self

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                with contextlib.suppress(psycopg2.Error):
                    self._connection.close()
                self._connection = None

    def query(self, sql: str, values: t.Any = None) -> list[Row]:
        """All rows, each a dict by column."""
        with self._cursor() as cursor:
            cursor.execute(sql, values)
            if not cursor.description:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str, values: t.Any = None) -> Row | None:
        """The first row, or None."""
        rows = self.query(sql, values)
        return rows[0] if rows else None

    def one(self, sql: str, values: t.Any = None) -> Row:
        """The row of a statement that always gives one."""
        return self.query(sql, values)[0]

    def execute(self, sql: str, values: t.Any = None) -> int:
        """Run a statement; the number of rows it touched."""
        with self._cursor() as cursor:
            cursor.execute(sql, values)
            return int(cursor.rowcount)

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        """All statements inside are written together or not at all. Inside another transaction: a part of it."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                with self._told_errors():
                    self._connected().autocommit = False
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if outermost:
                    self._end("rollback")
                raise
            self._depth -= 1
            if outermost:
                try:
                    with self._told_errors():
                        self._connection.commit()
                finally:
                    self._end("rollback")

    def fileno(self) -> int:
        """For ``select`` while listening to notifications."""
        with self._lock:
            return int(self._connected().fileno())

    def notifications(self) -> list[str]:
        """Payloads that have arrived since the last call on the channels this connection listens to."""
        with self._lock, self._told_errors():
            connection = self._connected()
            connection.poll()
            payloads = [notice.payload for notice in connection.notifies]
            connection.notifies.clear()
            return payloads

    @contextlib.contextmanager
    def _cursor(self) -> t.Iterator[t.Any]:
        with (
            self._lock,
            self._told_errors(),
            self._connected().cursor() as cursor,
        ):
            yield cursor

    def _end(self, how: str) -> None:
        """Back to one transaction a statement; a connection that cannot even do that is dropped."""
        try:
            getattr(self._connection, how)()
            self._connection.autocommit = True
        except psycopg2.Error:
            self.close()

    def _connected(self) -> t.Any:
        if self._connection is not None and self._connection.closed:
            self._connection = None
            if self._depth:
                raise Unavailable(f"the database connection was lost within a transaction ({self.where()})")
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> t.Any:
        if not HAS_PSYCOPG2:
            raise Unavailable(
                "the Python library psycopg2 is missing in the interpreter that runs this module",
                cure="install psycopg2-binary there, or set ansible_python_interpreter to the environment that has it",
            )
        try:
            connection = psycopg2.connect(**self._parameters)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(_SESSION)
        except psycopg2.Error as error:
            raise self._translated(error, "connect to the database") from None
        return connection

    @contextlib.contextmanager
    def _told_errors(self) -> t.Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            raise self._translated(error, "use the database") from error

    def _translated(self, error: t.Any, action: str) -> Exception:
        """A ServingError for what the surroundings cause; a mistake of ours (bad SQL) stays what it is."""
        code = getattr(error, "pgcode", None)
        said = self.scrub(" ".join(str(error).split()))
        where = f"cannot {action} at {self.where()}: {said}"
        if code in _NO_RIGHT or (code is None and _REFUSED.search(said)):
            return Forbidden(where, cure="check user, password and rights (login_user, login_password or DATABASE_URL)")
        if code == "3D000" or (code is None and _NO_DATABASE.search(said)):
            return NotFound(where, cure="create the database, or correct login_db or DATABASE_URL")
        if code in _NO_TABLE:
            return NotFound(where, cure="run the role mlops.serving.endpoint_store, which creates what is missing")
        if isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
            return Unavailable(
                where, cure="see that it runs and can be reached (login_host, login_port or DATABASE_URL)"
            )
        return t.cast(Exception, error)

    def scrub(self, text: str) -> str:
        for name in ("password", "sslpassword"):
            secret = str(self._parameters.get(name) or "")
            if secret:
                text = text.replace(secret, "********")
        return text


def _parsed(dsn: str) -> dict[str, t.Any]:
    try:
        return psycopg2.extensions.parse_dsn(dsn)
    except psycopg2.Error:
        # libpq's message quotes the text, which may hold a password.
        raise InvalidIntent(
            "is not a connection string that libpq understands",
            field="database_url",
            cure="write it as postgresql://user:password@host:5432/database",
        ) from None


def json_value(value: t.Any) -> t.Any:
    """``value`` as a parameter for a jsonb column; None stays SQL's null."""
    return None if value is None else psycopg2.extras.Json(value)


def is_duplicate(error: BaseException | None) -> bool:
    """Whether a unique constraint was violated."""
    return getattr(error, "pgcode", None) == "23505"


__all__ = ("HAS_PSYCOPG2", "Parameters", "Postgres", "Row", "is_duplicate", "json_value")
