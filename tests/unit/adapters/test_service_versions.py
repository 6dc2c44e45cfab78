# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of all InferenceServices of a namespace: one request a page, and metadata only."""

from __future__ import annotations

from ansible_collections.mlops.serving.plugins.module_utils._adapters.service_reader import ServiceReader


class Client:
    def __init__(self, *pages: dict[str, object]) -> None:
        self._pages = list(pages)
        self.asked: list[tuple[str, str, object, object]] = []

    def request(self, method: str, path: str, *, action: str, query: dict[str, object], accept: str | None) -> object:
        self.asked.append((method, path, query["continue"], accept))
        return self._pages.pop(0)


def page(token: str | None, **versions: str) -> dict[str, object]:
    items = [
        {"metadata": {"namespace": "a/b", "name": name, "uid": "u", "resourceVersion": v}}
        for name, v in versions.items()
    ]
    return {"metadata": {"continue": token}, "items": items}


def test_one_request_a_page() -> None:
    client = Client(page("more", x="1", y="2"), page(None, z="3"))
    assert ServiceReader(client).versions("a/b") == {"x": "u/1", "y": "u/2", "z": "u/3"}  # type: ignore[arg-type]
    assert [(method, token) for method, _path, token, _accept in client.asked] == [("GET", None), ("GET", "more")]
    path, accept = client.asked[0][1], client.asked[0][3]
    assert path == "/apis/serving.kserve.io/v1beta1/namespaces/a%2Fb/inferenceservices"
    assert str(accept).startswith("application/json;as=PartialObjectMetadataList")
