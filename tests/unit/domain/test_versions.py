# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between KServe releases."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused
from ansible_collections.mlops.serving.plugins.module_utils._domain.versions import (
    Version,
    check_kserve,
    mode_spelling,
    normal_mode,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v0.20.0", (0, 20, 0)),
        ("0.20", (0, 20, 0)),
        ("0.15.2", (0, 15, 2)),
        ("v0.20.0-rc1", (0, 20, 0)),
        ("latest", None),
        ("", None),
        ("v1", None),
    ],
)
def test_versions(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        *((text, "Knative") for text in ("Knative", "knative", "Serverless", "serverless", "SERVERLESS")),
        *(
            (text, "Standard")
            for text in (
                "Standard",
                "standard",
                "RawDeployment",
                "rawdeployment",
                "raw_deployment",
                "raw-deployment",
                "raw",
            )
        ),
        *((text, None) for text in ("", "ModelMesh", "Knativ")),
    ],
)
def test_modes(text: str, mode: str | None) -> None:
    assert normal_mode(text) == mode


@pytest.mark.parametrize(
    ("version", "knative", "standard"),
    [
        (None, "Knative", "Standard"),
        ((0, 20, 0), "Knative", "Standard"),
        ((0, 17, 0), "Knative", "Standard"),
        ((0, 15, 2), "Serverless", "RawDeployment"),
        ((0, 14, 0), "Serverless", "RawDeployment"),
    ],
)
def test_mode_names_follow_the_release(version: Version | None, knative: str, standard: str) -> None:
    assert mode_spelling("Knative", version) == knative
    assert mode_spelling("Standard", version) == standard


@pytest.mark.parametrize(
    ("mode", "version", "words"),
    [
        ("Knative", (0, 16, 0), "kserve = '0.16.0': KServe 0.16 cannot update or delete"),
        ("Standard", (0, 16, 1), "kserve = '0.16.1': KServe 0.16 cannot update or delete"),
        ("Knative", (0, 19, 0), "kserve = '0.19.0': KServe 0.19.0 refuses its own first write"),
    ],
)
def test_releases_that_cannot_work(mode: str, version: Version, words: str) -> None:
    with pytest.raises(Refused) as caught:
        check_kserve(mode, version)
    assert str(caught.value).startswith(words)
    assert "Install KServe" in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "version"),
    [
        ("Knative", None),
        ("Knative", (0, 15, 0)),
        ("Knative", (0, 17, 0)),
        ("Knative", (0, 18, 0)),
        ("Knative", (0, 20, 0)),
        ("Standard", (0, 19, 0)),
    ],
)
def test_releases_that_work(mode: str, version: Version | None) -> None:
    check_kserve(mode, version)
