# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates and hooks that a user brings along: an address that says yes or no, a command, a request with its expected answer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import typing as t
from urllib.parse import urlsplit

from .._domain.errors import Refused, ServingError
from .._domain.gates import Answer
from .._domain.golden import differs
from .web import Reply, Web

__all__ = ("GoldenRequests", "command_answer", "http_answer", "http_hook")

# EX_TEMPFAIL of sysexits.h: a command says so that it has no answer yet.
_NO_ANSWER = 75
_KEPT = 4096
_SHOWN = 200
_LAST_WORDS_SECONDS = 1.0


def http_answer(
    url: str,
    *,
    body: t.Any = None,
    headers: t.Mapping[str, str] | None = None,
    timeout: float = 10.0,
    **tls: t.Any,
) -> Answer:
    """What an address says of a gate: 2xx passes, 4xx and 5xx fail; 503, a redirect or no answer at all are none.

    :param body: sent as JSON with POST; without one it is a GET
    :param tls: ``ca_cert``, ``validate_certs`` and credentials, as of ``Web``
    """
    try:
        reply = _send(url, "GET" if body is None else "POST", body, headers, timeout, f"ask {_shown(url)}", tls)
    except ServingError as error:
        return Answer(why=error.what)
    words = _told(reply)
    if reply.code == 503 or 300 <= reply.code < 400:
        return Answer(why=words)
    return Answer(ok=200 <= reply.code < 300, why=words)


def http_hook(
    method: str,
    url: str,
    *,
    body: t.Any = None,
    headers: t.Mapping[str, str] | None = None,
    timeout: float = 30.0,
    **tls: t.Any,
) -> str:
    """Call a hook; what it answered, in a line.

    :raises Refused: for an answer that is not 2xx
    :raises Unavailable: for none
    """
    action = f"call {method} {_shown(url)}"
    reply = _send(url, method, body, headers, timeout, action, tls)
    if not 200 <= reply.code < 300:
        raise Refused(f"cannot {action}: {_told(reply)}")
    return _told(reply)


def command_answer(
    command: t.Sequence[str],
    *,
    environment: t.Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Answer:
    """What a command says of a gate: it ends with 0 to pass, with 75 (EX_TEMPFAIL) or not in time for no answer, else it fails.

    No shell is involved. The last line that it wrote is the reason. What it started is killed with it.

    :param environment: in addition to this process' own
    """
    name = os.path.basename(command[0])
    with tempfile.TemporaryFile() as output:
        try:
            # AnsibleModule.run_command knows no time-out, and this is no module.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            # No verdict on the candidate: the plan is wrong, and it says so at each look.
            return Answer(why=f"{name} cannot be run: {error.strerror or error}")
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return Answer(why=f"{name} did not end within {timeout:g} s")
        finally:
            _kill_group(process)
        words = _last_line(output)
    if code == _NO_ANSWER:
        return Answer(why=words or f"{name} has no answer (exit code {_NO_ANSWER})")
    told = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
    return Answer(ok=code == 0, why=words if code == 0 else f"{told}: {words}".rstrip(": "))


class GoldenRequests:
    """Requests with known answers, sent over kept connections. Thread safe.

    :param base_url: where to connect: the gateway, or a service's own address
    :param host: the name that is asked for, which the gateway routes by
    """

    def __init__(self, base_url: str, host: str | None = None, *, timeout: float = 10.0, **tls: t.Any) -> None:
        self._web = Web(base_url, field="base_url", timeout=timeout, **tls)
        self._host = {"Host": host} if host else {}

    def close(self) -> None:
        self._web.close()

    def send(self, request: t.Mapping[str, t.Any]) -> tuple[bool, str, float]:
        """Whether the answer is the expected one, why not, and the seconds that it took.

        :param request: ``path``, ``method`` (POST with a body, else GET), ``body`` (JSON), ``headers``, ``timeout``, and
            ``expect`` as ``golden.differs`` has it
        """
        path, body = str(request["path"]), request.get("body")
        method = str(request.get("method") or ("GET" if body is None else "POST")).upper()
        headers = {**(request.get("headers") or {}), **self._host}
        begun = time.monotonic()
        try:
            data, kind = _encoded(body)
            reply = self._web.send(
                method,
                path,
                action=f"send {method} {path.partition('?')[0]}",
                body=data,
                headers={**kind, **headers},
                timeout=request.get("timeout"),
            )
        except ServingError as error:
            return False, error.what, time.monotonic() - begun
        seconds = time.monotonic() - begun
        why = differs(request.get("expect") or {}, reply.code, reply.body)
        return why is None, why or "", seconds


def _send(
    url: str,
    method: str,
    body: t.Any,
    headers: t.Mapping[str, str] | None,
    timeout: float,
    action: str,
    tls: t.Mapping[str, t.Any],
) -> Reply:
    parts = urlsplit(url)
    web = Web(f"{parts.scheme}://{parts.netloc}", field="url", timeout=timeout, **tls)
    try:
        data, kind = _encoded(body)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return web.send(method, path, action=action, body=data, headers={**kind, **(headers or {})})
    finally:
        web.close()


def _encoded(body: t.Any) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, {}
    return json.dumps(body, default=str).encode(), {"Content-Type": "application/json"}


def _shown(url: str) -> str:
    """An address without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _told(reply: Reply) -> str:
    """Status and first line of an answer."""
    lines = [line.strip() for line in reply.body[:_KEPT].decode("utf-8", "replace").splitlines() if line.strip()]
    first = lines[0][:_SHOWN] if lines and not lines[0].startswith("<") else ""
    return f"HTTP {reply.code}: {first}" if first else f"HTTP {reply.code}"


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End what the command started, politely first; nothing of it may outlive its look."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if process.returncode is not None:
            continue
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_SECONDS)


def _last_line(output: t.IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - _KEPT))
    lines = [line.strip() for line in output.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:_SHOWN] if lines else ""
