# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents are the same whether the text is taken apart or not, and what is skipped is not parsed."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._adapters.manifest_text import parse
from ansible_collections.mlops.serving.plugins.module_utils._domain.documents import left_out_early
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from hypothesis import given
from hypothesis import strategies as st

A = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: n\ndata:\n  text: |\n    one\n    --- two\n    three\n"
B = "kind: Secret\nmetadata:\n  labels:\n    name: other\n  name: 'b'\n"


@pytest.mark.parametrize(
    "text",
    [
        A,
        f"---\n{A}---\n{B}",
        f"{A}--- # comment\n{B}---\n",
        f"# licence\n---\n{A}\n---\n\n---\n{B}",
        f"%YAML 1.1\n---\n{A}",
        f"--- {{kind: List}}\n---\n{B}",
        f"{A}...\n---\n{B}",
        '---\n{"kind": "A"}\n---\n{kind: B}\n',
        f"---\r\n{A}".replace("\n", "\r\n"),
        "",
    ],
)
def test_documents_are_those_of_yaml(text: str) -> None:
    wanted = [document for document in yaml.safe_load_all(text.replace("\r\n", "\n")) if document is not None]
    assert [document for document in parse("f", text.encode()) if document is not None] == wanted


_SCALARS = st.text(st.sampled_from("ab-: #|>{%.\n\"'"), max_size=12) | st.integers() | st.none()
_DOCUMENTS = st.dictionaries(st.text(st.sampled_from("ab-."), min_size=1, max_size=4), st.lists(_SCALARS, max_size=3), max_size=3)


@given(st.lists(_DOCUMENTS, max_size=4))
def test_whatever_yaml_writes(documents: list[dict[str, t.Any]]) -> None:
    text = yaml.safe_dump_all(documents, explicit_start=True)
    assert parse("f", text.encode()) == (documents or [None])


def test_what_is_skipped_keeps_its_place_and_is_not_parsed() -> None:
    broken = "kind: Broken\nmetadata:\n  name: llm-thing\nspec: [\n"
    text = f"---\n{A}---\n{broken}---\n{B}".encode()
    found = parse("f", text, left_out_early([{"kind": "Broken", "name": "llm*"}]))
    assert [document and document["kind"] for document in found] == ["ConfigMap", None, "Secret"]
    with pytest.raises(InvalidIntent):
        parse("f", text, left_out_early([{"kind": "Broken", "name": "llm"}]))


@pytest.mark.parametrize(
    ("target", "skipped"),
    [
        ({"name": "*"}, True),
        ({"kind": "Config*", "namespace": "n"}, True),
        ({"kind": "Config*", "namespace": "m"}, False),
        ({"name": "oth*"}, False),
        ({"kind": "ConfigMap", "name": "a"}, False),
    ],
)
def test_only_entries_with_a_star_skip_and_only_what_they_fit(target: dict[str, str], skipped: bool) -> None:
    assert (parse("f", A.encode(), left_out_early([target])) == [None]) == skipped


def test_an_error_names_the_line_in_the_file() -> None:
    with pytest.raises(InvalidIntent, match="line 14"):
        parse("f", f"---\n{A}---\na: [\n".encode())
