# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API of a controller: both prefixes, logins, lists in pages, and errors with a cure."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.controller_api import ControllerApi
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Forbidden,
    InvalidIntent,
    Refused,
    ServingError,
    Unavailable,
)
from ansible_collections.mlops.serving.tests.unit.adapters.web_stub import Asked, Told, WebStub

SECRET = "secret-that-nobody-may-see"
PING = "/api/v2/ping/"


def after_ping(answer: Callable[[Asked], Told]) -> Callable[[Asked], Told]:
    return lambda asked: Told(200, {"version": "24.6.1"}) if asked.path == PING else answer(asked)


def connect(stub: WebStub, **login: Any) -> ControllerApi:
    return ControllerApi.connect(stub.host, **(login or {"token": SECRET}))


def authorization(asked: Asked) -> str | None:
    return asked.headers.get("Authorization")


@pytest.mark.parametrize("prefix", ["/api/v2/", "/api/controller/v2/"])
def test_both_apis_are_found_and_the_login_waits_for_them(prefix: str) -> None:
    def answer(asked: Asked) -> Told:
        if asked.path == f"{prefix}ping/":
            return Told(200, {"version": "4.6"})
        # What a gateway in front of it says to anything.
        return Told(200, {"id": 1}) if asked.path.startswith(prefix) else Told(200, b"<!DOCTYPE html>")

    with WebStub(answer) as stub:
        assert connect(stub).get("projects", 1) == {"id": 1}
    assert stub.asked[-1].path == f"{prefix}projects/1/"
    assert [authorization(one) for one in stub.asked[:-1]] == [None] * (len(stub.asked) - 1)
    assert authorization(stub.asked[-1]) == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        ({"token": f"{SECRET}\n", "username": "u", "password": "p"}, f"Bearer {SECRET}"),
        (
            {"token": "", "username": "ü", "password": SECRET},
            "Basic " + base64.b64encode(f"ü:{SECRET}".encode()).decode(),
        ),
    ],
)
def test_logins(login: dict[str, str], sent: str) -> None:
    with WebStub(after_ping(lambda asked: Told(200, {}))) as stub:
        connect(stub, **login).get("organizations", 1)
    assert authorization(stub.asked[-1]) == sent


@pytest.mark.parametrize(
    ("host", "login", "words"),
    [
        ("", {"token": SECRET}, "controller_host is not given. Say where the controller is, with -e controller_host="),
        ("awx.example.com", {"token": SECRET}, "or is no address"),
        ("http://a b", {"token": SECRET}, "or is no address"),
        (f"https://me:{SECRET}@awx.example.com", {"token": SECRET}, "controller_host: has a login in it"),
        ("http://127.0.0.1:1", {}, "Nothing to log in with. Set CONTROLLER_OAUTH_TOKEN"),
        ("http://127.0.0.1:1", {"username": "u"}, "Nothing to log in with"),
        ("http://127.0.0.1:1", {"token": f"{SECRET}\nX: y"}, "controller_oauthtoken: has letters that no token has"),
    ],
)
def test_an_address_or_a_login_that_is_none(host: str, login: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidIntent) as raised:
        ControllerApi.connect(host, **login)
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_lists_are_read_to_their_end() -> None:
    names = [f"name {number}, with a comma" for number in range(100)]

    def answer(asked: Asked) -> Told:
        page = int(asked.query.get("page", 1))
        # Such as a proxy's other side, which nobody reaches from here.
        following = f"http://internal:8052{asked.path}?page={page + 1}&page_size=200" if page < 3 else None
        return Told(200, {"next": following, "results": [{"id": page}]})

    with WebStub(after_ping(answer)) as stub:
        api = connect(stub)
        found = api.listed("hosts", "name", names)
    # In three parts, as an address may not be too long, with three pages each.
    assert [one["id"] for one in found] == [1, 2, 3] * 3
    assert api.requests == 9
    assert {one.path for one in stub.asked[1:]} == {"/api/v2/hosts/"}
    assert stub.asked[1].query["page_size"] == "200"
    assert stub.asked[-3].query["or__name"] == "name 99, with a comma"


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        ("", {}),
        ("---\n", {}),
        ('{"a": 1}', {"a": 1}),
        ("---\na: 1\n", {"a": 1}),
        ("a: [", "a: ["),
    ],
)
def test_text_is_a_mapping_here(text: str, mapping: Any) -> None:
    with WebStub(after_ping(lambda asked: Told(200, {"results": [{"variables": text, "extra_data": {}}]}))) as stub:
        api = connect(stub)
        assert api.listed("inventories", "name", ["i"]) == [{"variables": mapping, "extra_data": {}}]
        api.send("PATCH", ["inventories", 1], {"variables": {"b": 1, "a": 2}, "extra_data": {"c": 3}})
    asked = stub.asked[-1]
    assert (asked.method, asked.path) == ("PATCH", "/api/v2/inventories/1/")
    assert json.loads(asked.body) == {"variables": '{"a": 2, "b": 1}', "extra_data": {"c": 3}}


def test_answers_without_content_and_objects_that_are_not_there() -> None:
    with WebStub(after_ping(lambda asked: Told(404 if asked.method == "GET" else 204))) as stub:
        api = connect(stub)
        assert api.get("workflow_approval_templates", 1) is None
        assert api.send("POST", ["job_templates", 1, "credentials"], {"id": 2}) == {}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            Told(401, {"detail": "no"}),
            Forbidden,
            'answered 401: {"detail": "no"}. The login is not right or has expired. Make a token',
        ),
        (Told(403, {"detail": "no"}), Forbidden, "The user needs to be an administrator of the organization"),
        (Told(400, {"playbook": ["not found"]}), Refused, "not found"),
        (Told(404), Refused, "projects/ answered 404. See that"),
        (Told(503, b"<html>\n  away"), Unavailable, "answered 503: <html> away"),
        (Told(400, b"x" * 2000), Refused, "x ..."),
        (Told(200, b"<!DOCTYPE html>"), Unavailable, "something else than JSON"),
        (Told(200, {"results": 1}, cut=True), Unavailable, "does not answer"),
        (
            Told(301, b"", (("Location", "https://user:pw@other/api/v2/projects/"),)),
            Refused,
            "answered 301. It refers to https://other: give that as controller_host.",
        ),
        (Told(302, b"", (("Location", "/login"),)), Refused, "answered 302. See that"),
    ],
)
def test_what_it_refuses_is_told_with_a_cure(answer: Told, kind: type[ServingError], words: str) -> None:
    with WebStub(after_ping(lambda asked: answer)) as stub:
        api = connect(stub)
        with pytest.raises(kind) as raised:
            api.send("POST", ["projects"], {"name": "p"})
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Told(404), "/api/v2/ping/ answered 404; /api/controller/v2/ping/ answered 404. See that the address is right"),
        (Told(200, b"<!DOCTYPE html>"), "answered 200"),
        (
            Told(301, b"", (("Location", "https://other/sub/api/v2/ping/"),)),
            "It refers to https://other/sub: give that",
        ),
    ],
)
def test_where_there_is_no_controller(answer: Told, words: str) -> None:
    with WebStub(lambda asked: answer) as stub:
        with pytest.raises(Unavailable) as raised:
            connect(stub)
        assert f"There is no controller at {stub.host}: " in str(raised.value)
        assert words in str(raised.value)
    assert not any(map(authorization, stub.asked))


def test_an_address_with_a_folder() -> None:
    with WebStub(lambda asked: Told(200, {"version": "1"}) if asked.path == f"/awx{PING}" else Told(404)) as stub:
        api = ControllerApi.connect(f"{stub.host}/awx/", token=SECRET)
        assert api.get("users", 1) is None
    assert stub.asked[-1].path == "/awx/api/v2/users/1/"
