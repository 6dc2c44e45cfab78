# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to an address that a user named: credentials, TLS and time-outs, and errors that never show a secret."""

from __future__ import annotations

import base64
import os
import ssl
import typing as t
from urllib.parse import unquote, urlsplit, urlunsplit

from .._domain.errors import InvalidIntent, Unavailable

__all__ = ("Reply", "Web")

_CONNECT_SECONDS = 5.0
_LONGEST_WAIT = 30.0


class Reply(t.NamedTuple):
    code: int
    body: bytes
    retry_after: float | None = None


class Web:
    """Kept connections to one server. Thread safe. Redirects are not followed: credentials belong to this address alone.

    :param url: may carry user and password, which no message shows
    :param field: the option that the address came from, for errors
    """

    def __init__(
        self,
        url: str,
        *,
        field: str,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        ca_cert: str | None = None,
        validate_certs: bool = True,
        headers: t.Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        try:
            import urllib3
        except ImportError as error:
            raise Unavailable(
                f"the Python library urllib3 cannot be imported ({error})",
                cure="install it where the module runs: pip install urllib3",
            ) from error
        parts = _parts(url, field)
        host = parts.netloc.rpartition("@")[2]
        self.url: str = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._errors: t.Any = urllib3.exceptions
        self._headers = {"User-Agent": "mlops.serving", **(headers or {})}
        user = username or unquote(parts.username or "")
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif user:
            pair = f"{user}:{password if password is not None else unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if ca_cert and not os.path.isfile(os.path.expanduser(ca_cert)):
            raise InvalidIntent("does not exist", field="ca_cert", value=ca_cert, cure="name an existing file")
        if not validate_certs:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._timeout = timeout
        self._limits: t.Any = urllib3.Timeout
        self._pool: t.Any = urllib3.PoolManager(
            maxsize=16,
            cert_reqs="CERT_REQUIRED" if validate_certs else "CERT_NONE",
            ca_certs=os.path.expanduser(ca_cert) if ca_cert else None,
        )

    def close(self) -> None:
        self._pool.clear()

    def send(
        self,
        method: str,
        path: str = "",
        *,
        action: str,
        body: bytes | None = None,
        headers: t.Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """One request; every answer is a reply, whatever its code.

        :param action: what is tried, in words, for errors
        :param timeout: seconds for the whole request
        :raises Unavailable: where nothing answers
        """
        seconds = timeout or self._timeout
        limits = self._limits(connect=min(seconds, _CONNECT_SECONDS), total=seconds)
        try:
            response = self._pool.request(
                method,
                f"{self.url}{path}",
                body=body,
                headers={**self._headers, **(headers or {})},
                timeout=limits,
                retries=False,
            )
        except (self._errors.HTTPError, OSError) as error:
            raise self._unreachable(error, action, seconds) from None
        return Reply(response.status, response.data, _retry_after(response.headers.get("Retry-After")))

    def _unreachable(self, error: Exception, action: str, seconds: float) -> Unavailable:
        """In words of ours: urllib3's may quote the address with its query."""
        errors = self._errors
        cause = getattr(error, "reason", None) if isinstance(error, errors.MaxRetryError) else error
        words = " ".join(str(cause).split())
        if isinstance(cause, (errors.SSLError, ssl.SSLError)):
            what, cure = f"no trusted TLS connection to {self.url}: {words}", "give its certificate authority as ca_cert"
        elif isinstance(cause, errors.NewConnectionError):
            refused = "refused" in words.lower()
            what = f"{self.url} {'refuses the connection' if refused else 'cannot be reached'}"
            cure = "check the address, and that the server runs"
        elif isinstance(cause, errors.TimeoutError):
            what, cure = f"{self.url} does not answer within {seconds:g} s", "look at its load, or allow more time"
        else:
            what, cure = f"the connection to {self.url} broke ({type(cause).__name__})", "try again"
        return Unavailable(f"cannot {action}: {what}", cure=cure)


def _parts(url: str, field: str) -> t.Any:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        # The value may hold a password.
        cure = "write it as http://prometheus.monitoring.svc:9090, with http or https"
        raise InvalidIntent("is not an address", field=field, cure=cure)
    return parts


def _retry_after(told: str | None) -> float | None:
    try:
        return min(max(float(told or ""), 0.0), _LONGEST_WAIT)
    except ValueError:
        return None
