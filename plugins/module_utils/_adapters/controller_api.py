# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The REST API of AWX and automation controller. The login goes to the address that was given and to no other."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import typing as t
import urllib.error
import urllib.request
from urllib.parse import urlencode, urlsplit

from .._domain.errors import Forbidden, InvalidIntent, Refused, ServingError, Unavailable

__all__ = ("ControllerApi",)

Object = dict[str, t.Any]

_PREFIXES = ("/api/v2/", "/api/controller/v2/")
_PAGE = 200
# Names in one listing: the address stays far below what servers take.
_NAMES = 40
# Text in the API, which people write as YAML or JSON, and mappings here.
_TEXTS = ("extra_vars", "variables")
_LONGEST_ANSWER = 600
_CURES = {
    401: "the login is not right or has expired. Make a token with the scope write in the controller (your user, Tokens) and give it"
    " as CONTROLLER_OAUTH_TOKEN, or see that CONTROLLER_USERNAME and CONTROLLER_PASSWORD are right",
    403: "the user needs to be an administrator of the organization, and of the system for credential types",
}
_CURE = "see that the controller is reachable from here, and that what it says is so"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: t.Any, **__: t.Any) -> None:
        """Another address would get the login."""


class _Reply(t.NamedTuple):
    url: str
    code: int
    content: bytes
    location: str | None


class ControllerApi:
    """:param host: where it is, without the path of the API"""

    def __init__(self, host: str, login: str, *, validate_certs: bool = True, timeout: float = 60.0) -> None:
        self.host = host
        self.requests = 0
        self._login, self._timeout, self._prefix = login, timeout, ""
        # SSL_CERT_FILE and SSL_CERT_DIR count.
        context = ssl.create_default_context()
        if not validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))

    @classmethod
    def connect(
        cls,
        host: str,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        validate_certs: bool = True,
        timeout: float = 60.0,
    ) -> ControllerApi:
        """
        :raises InvalidIntent: address or login are not given, or are none
        :raises Unavailable: there is no controller
        """
        host = _address(host)
        api = cls(host, _login(token, username, password), validate_certs=validate_certs, timeout=timeout)
        api._find()
        return api

    def listed(self, kind: str, field: str, values: t.Sequence[t.Any]) -> list[Object]:
        """All objects of a kind whose field has one of the values."""
        found: list[Object] = []
        for first in range(0, len(values), _NAMES):
            asked = [(f"or__{field}", value) for value in values[first : first + _NAMES]]
            query: str | None = urlencode([("page_size", _PAGE), *asked])
            while query:
                page = self._answer(self._send("GET", f"{kind}/?{query}"))
                found += [_read(one) for one in page.get("results") or ()]
                # Its host may be the one that a proxy speaks to.
                query = urlsplit(page.get("next") or "").query
        return found

    def get(self, *path: str | int) -> Object | None:
        reply = self._send("GET", _path(path))
        return None if reply.code == 404 else _read(self._answer(reply))

    def send(self, method: str, path: t.Sequence[str | int], body: Object) -> Object:
        written = {
            name: json.dumps(value, sort_keys=True) if name in _TEXTS and isinstance(value, dict) else value
            for name, value in body.items()
        }
        return self._answer(self._send(method, _path(path), written))

    def _find(self) -> None:
        """Which API it has. Both answer to everybody, so the login is not sent before that is known."""
        said: list[str] = []
        for prefix in _PREFIXES:
            reply = self._ask("GET", f"{prefix}ping/", {})
            if isinstance(reply, str):
                said.append(reply)
                continue
            elsewhere = _elsewhere(reply, self.host)
            if elsewhere:
                what = f"There is no controller at {self.host}: {reply.url} answered {reply.code}"
                raise Unavailable(what, cure=f"it refers to {elsewhere}: give that as controller_host")
            if reply.code == 200 and "version" in (_json(reply.content) or {}):
                self._prefix = prefix
                return
            said.append(f"{prefix}ping/ answered {reply.code}")
        raise Unavailable(
            f"There is no controller at {self.host}: {'; '.join(dict.fromkeys(said))}",
            cure="see that the address is right and reachable from here. A certificate of an authority of your own is known when"
            " SSL_CERT_FILE names the authority's certificate",
        )

    def _send(self, method: str, path: str, body: Object | None = None) -> _Reply:
        self.requests += 1
        headers = {"Authorization": self._login}
        reply = self._ask(method, f"{self._prefix}{path}", headers, body)
        if isinstance(reply, str):
            raise Unavailable(f"{self.host} does not answer: {reply}", cure=_CURE)
        return reply

    def _ask(self, method: str, path: str, headers: dict[str, str], body: Object | None = None) -> _Reply | str:
        """An answer of whatever code, or why there is none."""
        url = f"{self.host}{path}"
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        shown = url.partition("?")[0]
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return _Reply(shown, answer.status, answer.read(), None)
        except urllib.error.HTTPError as error:
            with error:
                return _Reply(shown, error.code, error.read(), error.headers.get("Location"))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            return " ".join(str(reason).split()) or type(reason).__name__

    def _answer(self, reply: _Reply) -> Object:
        if reply.code in (200, 201, 204):
            found = _json(reply.content)
            if found is None:
                raise Unavailable(f"{reply.url} answered something else than JSON", cure=_CURE)
            return found
        detail = " ".join(reply.content.decode(errors="replace").split())
        if len(detail) > _LONGEST_ANSWER:
            detail = f"{detail[:_LONGEST_ANSWER]} ..."
        kind: type[ServingError] = Forbidden if reply.code in (401, 403) else Refused
        if reply.code == 429 or reply.code >= 500:
            kind = Unavailable
        cure = _CURES.get(reply.code, _CURE)
        elsewhere = _elsewhere(reply, self.host)
        if elsewhere:
            cure = f"it refers to {elsewhere}: give that as controller_host"
        raise kind(f"{reply.url} answered {reply.code}{f': {detail}' if detail else ''}", cure=cure)


def _address(host: str) -> str:
    try:
        parts = urlsplit(host.strip())
        sound = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in host.strip()
        )
    except ValueError:
        sound = False
    if not sound:
        cure = "say where the controller is, with -e controller_host=https://awx.example.com or CONTROLLER_HOST"
        raise InvalidIntent(
            "controller_host is not given, or is no address" if host else "controller_host is not given", cure=cure
        )
    if "@" in parts.netloc:
        cure = "give the login as CONTROLLER_OAUTH_TOKEN, or CONTROLLER_USERNAME and CONTROLLER_PASSWORD"
        raise InvalidIntent("has a login in it", field="controller_host", cure=cure)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _login(token: str | None, username: str | None, password: str | None) -> str:
    token = (token or "").strip()
    if token:
        if not (token.isascii() and token.isprintable()):
            raise InvalidIntent(
                "has letters that no token has", field="controller_oauthtoken", cure="give it as one line"
            )
        return f"Bearer {token}"
    if username and password:
        return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
    cure = "set CONTROLLER_OAUTH_TOKEN, or CONTROLLER_USERNAME and CONTROLLER_PASSWORD, in the environment"
    raise InvalidIntent("Nothing to log in with", cure=cure)


def _path(steps: t.Iterable[str | int]) -> str:
    return "".join(f"{step}/" for step in steps)


def _elsewhere(reply: _Reply, host: str) -> str | None:
    """The controller's other address, where the answer refers to one."""
    parts = urlsplit(reply.location or "")
    if not 300 <= reply.code < 400 or parts.scheme not in ("http", "https"):
        return None
    other = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    path = reply.url[len(host) :]
    if parts.path.endswith(path):
        other += parts.path[: -len(path)]
    return None if other == host else other


def _json(content: bytes) -> Object | None:
    """Of what is no mapping None; an answer without content says nothing."""
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else ({} if found is None else None)


def _read(held: Object) -> Object:
    return {name: _mapping(value) if name in _TEXTS else value for name, value in held.items()}


def _mapping(text: t.Any) -> t.Any:
    """As it is where it is no mapping, or YAML that nobody here can read: it counts as another one then."""
    if not isinstance(text, str):
        return text
    if not text.strip() or text.strip() == "---":
        return {}
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml
    except ImportError:
        return text
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return {} if found is None else found
