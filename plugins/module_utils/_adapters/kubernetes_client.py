# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request to the API server: JSON in, JSON out, patient with 429 and 5xx, errors in words.

Credentials, TLS and connections are the official library's; its models are not used, nothing is discovered, and so
neither new fields nor other versions of the library matter.
"""

from __future__ import annotations

import json
import random
import threading
import time
import typing as t
from urllib.parse import urlencode

from .._domain.errors import Unavailable
from .kubernetes_connection import Connection, resolve
from .kubernetes_errors import Answer, is_absent, is_retryable, parse_status, translate, warnings_of

__all__ = ("APPLY_PATCH", "JSON_PATCH", "MERGE_PATCH", "KubernetesClient", "Query")

APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

# Values are strings, numbers, booleans or None, which leaves the name out.
Query = t.Mapping[str, t.Any]

_CONNECT_SECONDS = 10.0
# Above the 30 s that an admission webhook may take, and the API server's own limit of 60 s.
_READ_SECONDS = 65.0
_ATTEMPTS = 6
_PATIENCE_SECONDS = 45.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_MOST_WARNINGS = 100


class KubernetesClient:
    """Thread safe: one client serves all workers of a process over kept connections."""

    def __init__(
        self,
        connection: Connection,
        *,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        import kubernetes.client
        import urllib3

        self.host = connection.host
        self.source = connection.source
        self.warnings: list[str] = []
        self.requests = 0
        self._errors: t.Any = urllib3.exceptions
        self._timeout: t.Any = urllib3.Timeout
        self._connection = connection
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        if not connection.configuration.verify_ssl:
            # Whoever asked for it need not be told once a request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._api = kubernetes.client.ApiClient(connection.configuration)
        self._pool: t.Any = self._api.rest_client.pool_manager

    @classmethod
    def connect(cls, options: t.Mapping[str, t.Any], **hooks: t.Any) -> KubernetesClient:
        """A client for the cluster that ``options`` name (see ``kubernetes_connection.resolve``)."""
        return cls(resolve(options), **hooks)

    def close(self) -> None:
        self._api.close()
        self._pool.clear()

    def warn(self, text: str) -> None:
        """Keep a warning for the end of the run, each text once."""
        with self._lock:
            if text not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
                self.warnings.append(text)

    def get(self, path: str, *, action: str, query: Query | None = None, accept: str | None = None) -> t.Any:
        """The object at ``path``, or None where there is none.

        :raises Unavailable: also where the API server does not know the kind
        """
        return self.request("GET", path, action=action, query=query, accept=accept, absent_ok=True)

    def request(
        self,
        method: str,
        path: str,
        *,
        action: str,
        query: Query | None = None,
        body: t.Any = None,
        content_type: str = "application/json",
        accept: str | None = None,
        absent_ok: bool = False,
    ) -> t.Any:
        """Send one request, again where the API server asks for it, and return the decoded answer.

        Sending again is safe for every write here: a write that had arrived after all makes the second one a conflict.

        :param action: what is tried, in words, for errors
        :param absent_ok: a missing object is None, not an error
        """
        started = self._clock()
        for attempt in range(1, _ATTEMPTS + 1):
            outcome = self._attempt(method, path, action, query, body, content_type, accept)
            if not isinstance(outcome, (Answer, Unavailable)):
                return outcome.value
            if isinstance(outcome, Answer):
                if absent_ok and is_absent(outcome):
                    return None
                if not is_retryable(outcome):
                    raise translate(outcome, action, self.host)
                told = outcome.retry_after
            else:
                told = None
            pause = _pause(attempt, told)
            late = self._clock() - started + pause > _PATIENCE_SECONDS
            if late or attempt == _ATTEMPTS or (isinstance(outcome, Unavailable) and attempt > 1):
                raise outcome if isinstance(outcome, Unavailable) else translate(outcome, action, self.host)
            self._sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def stream(self, path: str, *, action: str, query: Query, read_seconds: float, accept: str | None = None) -> t.Any:
        """Open a streaming GET and return urllib3's response, not read yet; the caller closes it.

        :raises ServingError: where the answer is no success
        """
        try:
            response = self._send(
                "GET", self._url(path, query), action, None, None, accept, read_seconds, preload=False
            )
        except _BrokenError as broken:
            raise broken.error from None
        if response.status != 200:
            body = response.read()
            response.release_conn()
            raise translate(parse_status(response.status, body, response.headers), action, self.host)
        self._collect_warnings(response)
        return response

    def _attempt(
        self,
        method: str,
        path: str,
        action: str,
        query: Query | None,
        body: t.Any,
        content_type: str,
        accept: str | None,
    ) -> _Decoded | Answer | Unavailable:
        """One request. A connection that broke underneath is returned, not raised: it is worth one more try."""
        data = None if body is None else json.dumps(body).encode()
        try:
            response = self._send(method, self._url(path, query), action, data, content_type, accept, _READ_SECONDS)
        except _BrokenError as broken:
            return broken.error
        self._collect_warnings(response)
        if not 200 <= response.status < 300:
            return parse_status(response.status, response.data, response.headers)
        if not response.data:
            return _Decoded(None)
        try:
            return _Decoded(json.loads(response.data))
        except ValueError:
            raise Unavailable(
                f"cannot {action}: {self.host} does not answer in JSON",
                cure=f"name the address of the API server itself; this one is from {self.source}",
            ) from None

    def _send(
        self,
        method: str,
        url: str,
        action: str,
        data: bytes | None,
        content_type: str | None,
        accept: str | None,
        read_seconds: float,
        preload: bool = True,
    ) -> t.Any:
        with self._lock:
            self.requests += 1
        try:
            return self._pool.request(
                method,
                url,
                body=data,
                headers=self._headers(content_type if data is not None else None, accept),
                timeout=self._timeout(connect=_CONNECT_SECONDS, read=read_seconds),
                retries=False,
                preload_content=preload,
            )
        except (self._errors.HTTPError, OSError) as error:
            failure = self._unreachable(error, action)
            if isinstance(error, self._errors.ProtocolError):
                raise _BrokenError(failure) from error
            raise failure from error

    def _headers(self, content_type: str | None, accept: str | None) -> t.Any:
        import urllib3

        headers = urllib3.HTTPHeaderDict()
        headers["Accept"] = accept or "application/json"
        headers["User-Agent"] = "mlops.serving"
        if content_type:
            headers["Content-Type"] = content_type
        configuration = self._connection.configuration
        # Asked each time: tokens of service accounts and exec plugins expire, and the library renews them here.
        token = (configuration.auth_settings().get("BearerToken") or {}).get("value")
        if token:
            headers["Authorization"] = token
        elif configuration.username:
            headers["Authorization"] = configuration.get_basic_auth_token()
        for name, value in self._connection.headers:
            headers.add(name, value)
        return headers

    def _url(self, path: str, query: Query | None) -> str:
        pairs = [
            (name, str(value).lower() if isinstance(value, bool) else str(value))
            for name, value in (query or {}).items()
            if value is not None
        ]
        return f"{self._connection.configuration.host}{path}" + (f"?{urlencode(pairs)}" if pairs else "")

    def _collect_warnings(self, response: t.Any) -> None:
        texts = [text for header in response.headers.getlist("Warning") for text in warnings_of(header)]
        for text in texts:
            self.warn(text)

    def _unreachable(self, error: Exception, action: str) -> Unavailable:
        """The network's error in words; none of urllib3's texts carries a header, so none can carry a token."""
        errors = self._errors
        cause = getattr(error, "reason", None) if isinstance(error, errors.MaxRetryError) else error
        text = " ".join(str(cause).split())
        where = f"the API server at {self.host} (from {self.source})"
        if isinstance(cause, errors.SSLError):
            what = f"cannot {action}: no trusted TLS connection to {where}: {text}"
            return Unavailable(what, cure="give its certificate authority as ca_cert, or correct the host's name")
        if isinstance(cause, errors.ProxyError):
            return Unavailable(
                f"cannot {action}: the proxy on the way to {where} fails: {text}", cure="correct proxy or no_proxy"
            )
        if isinstance(cause, errors.NewConnectionError):
            refused = "refused" in text.lower()
            what = f"cannot {action}: {where} {'refuses the connection' if refused else 'cannot be reached: ' + text}"
            return Unavailable(what, cure="check that the cluster runs and that host or kubeconfig name the right one")
        if isinstance(cause, errors.TimeoutError):
            return Unavailable(
                f"cannot {action}: {where} does not answer in time", cure="try again; check network and load"
            )
        return Unavailable(f"cannot {action}: the connection to {where} broke: {text}", cure="try again")


class _Decoded(t.NamedTuple):
    value: t.Any


class _BrokenError(Exception):
    """A kept connection that the other side had closed."""

    def __init__(self, error: Unavailable) -> None:
        super().__init__(str(error))
        self.error = error


def _pause(attempt: int, told: float | None) -> float:
    """Seconds to wait: what the server said plus a little, else exponential; jittered so that workers spread."""
    if told is not None:
        return told + random.uniform(0, 0.25 * told + 0.1)
    return random.uniform(0.5, 1.0) * min(_FIRST_PAUSE * float(2 ** (attempt - 1)), _LONGEST_PAUSE)
