# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a payload, whatever somebody has sent."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.letters import shown, without_secrets

SECRET = "hunter2-and-more"


def seen(payload: bytes, *, size: int | None = None, longest: int = 2000) -> tuple[object, str, bool]:
    found = shown(payload, size=len(payload) if size is None else size, longest=longest)
    return found.payload, found.kind, found.cut


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", ("", "text", False)),
        (b'{"a": [1, null, "\xc3\xa4"]}', ({"a": [1, None, "ä"]}, "json", False)),
        (b"[1]", ("[1]", "text", False)),
        (b'{"a": NaN}', ('{"a": NaN}', "text", False)),
        (b'{"half": "\\ud800"}', ({"half": "\\ud800"}, "json", False)),
        (b"\xff\x00", ("\\xff\x00", "binary", False)),
    ],
)
def test_what_it_is(payload: bytes, expected: tuple[object, str, bool]) -> None:
    assert seen(payload) == expected
    json.dumps(seen(payload)[0]).encode()


def test_deep_documents_stay_text() -> None:
    deep = b'{"a": ' * 50 + b"1" + b"}" * 50
    assert seen(deep) == (deep.decode(), "text", False)
    assert seen(b'{"a": ' + b"[" * 60000, longest=20)[1:] == ("text", True)


def test_what_was_kept_in_part_is_said_to_be_cut_even_in_the_middle_of_a_character() -> None:
    assert seen(b'{"a": 1}', size=100) == ('{"a": 1}', "text", True)
    assert seen(b"abc" + "ä".encode()[:1], size=100) == ("abc", "text", True)
    assert seen(b"abcdef", longest=3) == ("abc", "text", True)


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f'"db_password": "{SECRET}"',
        f"api-key: '{SECRET}'",
        f"Authorization: Bearer {SECRET}",
        f'{{"client_secret": "{SECRET}", "x": 1',
        f'"token":"a\\"{SECRET}"',
        f"nats://user:{SECRET}@host:4222",
    ],
)
def test_text_has_no_secrets(text: str) -> None:
    assert SECRET not in without_secrets(text)
    assert SECRET not in str(seen(text.encode())[0])


def test_data_has_no_secrets_and_the_rest_stays() -> None:
    payload = {"name": "demo", "apiKey": SECRET, "deep": [{"PASSWORD": {"of": SECRET}}], "token": None, "tokenizer": ""}
    found, kind, _cut = seen(json.dumps(payload).encode())
    assert kind == "json"
    assert SECRET not in str(found)
    assert found == {
        "name": "demo",
        "apiKey": "********",
        "deep": [{"PASSWORD": "********"}],
        "token": None,
        "tokenizer": "",
    }
