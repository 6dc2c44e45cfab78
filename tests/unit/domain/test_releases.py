# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions go together, and where their manifests are looked for."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, Refused
from ansible_collections.mlops.serving.plugins.module_utils._domain.releases import (
    CHECKSUMS,
    COMPONENTS,
    RUN_HERE,
    check_installable,
    default_version,
    release,
    versions_for,
)


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_has_a_default_version_and_an_address_of_https(component: str) -> None:
    found = release(component)
    assert found.version == default_version(component)
    assert all(src.startswith("https://") and found.version in src and "{" not in src for src in found.src)


def test_a_leading_v_is_no_other_version() -> None:
    assert release("kserve", "v0.20.0") == release("kserve", "0.20.0")
    assert versions_for("v0.20.0") == versions_for("0.20.0")


def test_the_set_of_an_unlisted_version_is_that_of_the_one_before() -> None:
    assert versions_for("0.18.4")["keda"] == versions_for("0.18.0")["keda"] == "2.17.3"
    assert versions_for("0.18.4")["kserve"] == "0.18.4"
    assert versions_for("0.21.0")["keda"] == "2.18.0"


@pytest.mark.parametrize("version", ["0.14.0", "latest", ""])
def test_no_set_is_invented(version: str) -> None:
    with pytest.raises(InvalidIntent, match="kserve_version"):
        versions_for(version)


def test_a_mirror_is_laid_out_by_component_and_version() -> None:
    found = release("keda", "v2.18.0", manifests="https://mirror.example.com/serving/")
    assert found.src == ("https://mirror.example.com/serving/keda/2.18.0/keda-2.18.0.yaml",)
    folder = release("knative_serving", "1.21.1", manifests="/srv/manifests")
    assert folder.src == tuple(
        f"/srv/manifests/knative_serving/1.21.1/serving-{part}.yaml" for part in ("crds", "core")
    )


def test_known_checksums_count_for_a_mirror_too() -> None:
    known = {name: value for (_component, version, name), value in CHECKSUMS.items() if version == "0.20.0"}
    assert len(known) == 2
    assert set(release("kserve", "0.20.0").checksum.values()) == set(known.values())
    mirrored = release("kserve", "0.20.0", manifests="/srv").checksum
    assert mirrored == {f"/srv/kserve/0.20.0/{name}": value for name, value in known.items()}
    assert release("kserve", "0.18.0").checksum == {}


def test_manifests_that_came_after_their_tag_are_taken_from_a_later_one() -> None:
    assert all("/kserve/v0.20.0/install/v0.17.0/" in address for address in release("kserve", "0.17.0").src)
    assert all("/kserve/v0.18.0/install/v0.18.0/" in address for address in release("kserve", "0.18.0").src)
    assert len(release("kserve", "0.17.0").checksum) == 2


def test_the_networking_layer_goes_with_the_minor_version_of_knative() -> None:
    assert versions_for("0.15.2")["kourier"] == "1.15.0"
    assert default_version("kourier", "0.20.0", knative="v1.20.3") == "1.20.0"
    assert default_version("keda", "0.20.0", knative="v1.20.3") == "2.18.0"


@pytest.mark.parametrize("version", ["0.16.0", "v0.16.1", "0.19.0"])
def test_releases_that_cannot_be_used_are_refused_with_the_reason(version: str) -> None:
    with pytest.raises(Refused, match=r"KServe 0\.1[69]"):
        check_installable("kserve", version)


def test_others_are_not() -> None:
    for component, version in [*RUN_HERE, ("kserve", "0.18.0"), ("keda", "0.19.0")]:
        check_installable(component, version)


def test_a_component_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidIntent, match="cert_manager"):
        release("helm")
