# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of any kind over a tiny API server, and the sources that manifests are read from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.manifest_sources import read_sources
from ansible_collections.mlops.serving.plugins.module_utils._adapters.objects import NotYet, Objects
from ansible_collections.mlops.serving.plugins.module_utils._domain.documents import Item, collect
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Drift,
    InvalidIntent,
    Refused,
    Unavailable,
)

from .api_server_stub import StubApiServer, status

PATH = "/apis/example.com/v1/namespaces/n/widgets/a"
KINDS = {
    "resources": [
        {"name": "widgets", "kind": "Widget", "namespaced": True},
        {"name": "widgets/status", "kind": "Widget", "namespaced": True},
    ]
}


def groups(*versions: str) -> dict[str, Any]:
    return {"groups": [{"versions": [{"groupVersion": version} for version in versions]}]}


def widget(namespace: str | None = "n") -> Item:
    metadata = {"name": "a", **({"namespace": namespace} if namespace else {})}
    return collect("f", [{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata}])[0]


@pytest.fixture
def server() -> Iterator[StubApiServer]:
    stub = StubApiServer()
    yield stub
    stub.close()


@pytest.fixture
def objects(server: StubApiServer) -> Iterator[Objects]:
    found = Objects.connect({"host": server.host})
    yield found
    found.close()


def test_a_kind_is_looked_up_once_and_again_while_it_is_not_there(server: StubApiServer, objects: Objects) -> None:
    server.on("GET", "/apis", groups("apps/v1"), groups("apps/v1", "example.com/v1"))
    server.on("GET", "/apis/example.com/v1", KINDS)
    server.on("GET", PATH, status(404, "NotFound", "not found", name="a", kind="widgets"))
    server.on("PATCH", PATH, {"metadata": {"name": "a"}})
    with pytest.raises(NotYet, match=r"does not know the kind Widget of example.com/v1"):
        objects.apply(widget(), None, manager="m")
    assert objects.get(widget()) is None
    objects.apply(widget(), None, manager="m", dry_run=True)
    assert server.requests() == [
        ("GET", "/apis"),
        ("GET", "/apis"),
        ("GET", "/apis/example.com/v1"),
        ("GET", PATH),
        ("PATCH", PATH),
    ]
    assert server.asked[-1].query == {"fieldManager": "m", "dryRun": "All"}


def test_it_writes_at_the_version_that_it_compares_with(server: StubApiServer, objects: Objects) -> None:
    server.on("GET", "/apis", groups("example.com/v1"))
    server.on("GET", "/apis/example.com/v1", KINDS)
    server.on("PATCH", PATH, {"metadata": {"name": "a"}})
    objects.apply(widget(), {"metadata": {"resourceVersion": "7"}}, manager="m", force=True)
    assert server.asked[-1].body["metadata"]["resourceVersion"] == "7"
    assert server.asked[-1].query == {"fieldManager": "m", "force": "true"}
    cause = {"reason": "FieldManagerConflict", "field": ".spec.a", "message": 'conflict with "argocd"'}
    server.on("PATCH", PATH, status(409, "Conflict", "Apply failed", causes=[cause]))
    with pytest.raises(Drift, match="force_conflicts"):
        objects.apply(widget(), None, manager="m")
    with pytest.raises(InvalidIntent, match=r"metadata.namespace: is missing in Widget a \(f, document 1\)"):
        objects.apply(widget(None), None, manager="m")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_of_a_deletion_is_said_in_its_body(server: StubApiServer, objects: Objects, dry_run: bool) -> None:
    server.on("GET", "/apis", groups("example.com/v1"))
    server.on("GET", "/apis/example.com/v1", KINDS)
    server.on("DELETE", PATH, {})
    objects.delete(widget(), {"metadata": {"uid": "u"}}, dry_run=dry_run)
    assert server.asked[-1].body.get("dryRun") == (["All"] if dry_run else None)
    assert server.asked[-1].body["preconditions"] == {"uid": "u"}


def never(url: str) -> bytes:
    raise AssertionError(url)


def test_folders_files_and_addresses(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {day: 2024-01-01, sign: =}\n"
    (tmp_path / "b.yaml").write_text(text % "b" + "---\n" + text % "c")
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}')
    (tmp_path / "notes.txt").write_text("no manifest")
    content = (text % "d").encode()
    sums = {"https://h/d.yaml": f"sha256:{hashlib.sha256(content).hexdigest()}"}
    items = read_sources([str(tmp_path), "https://h/d.yaml"], sums, lambda _url: content)
    assert [(item.name, item.index) for item in items] == [("a", 1), ("b", 1), ("c", 2), ("d", 1)]
    assert items[1].document["data"] == {"day": "2024-01-01", "sign": "="}


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: [1\nb: 2\n")
    with pytest.raises(InvalidIntent, match="is no YAML at line 2"):
        read_sources([str(file)], {}, never)
    with pytest.raises(Refused, match=r"has the checksum sha256:[0-9a-f]{64}, not 00"):
        read_sources([str(file)], {str(file): "00"}, never)
    file.write_text("")
    with pytest.raises(InvalidIntent, match="is the checksum of no source"):
        read_sources([str(file)], {"other": "00"}, never)
    with pytest.raises(InvalidIntent, match="cannot be read: No such file"):
        read_sources([str(tmp_path / "none.yaml")], {}, never)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidIntent, match="is a folder without"):
        read_sources([str(tmp_path / "empty")], {}, never)


def test_an_address_that_does_not_answer_is_told_where_that_is_allowed() -> None:
    def away(_url: str) -> bytes:
        raise Unavailable("away")

    told: list[str] = []
    assert (
        read_sources(["http://h/a"], {"http://h/a": "0"}, away, unread=lambda source, _error: told.append(source)) == []
    )
    assert told == ["http://h/a"]
    with pytest.raises(Unavailable, match="away"):
        read_sources(["http://h/a"], {}, away)
