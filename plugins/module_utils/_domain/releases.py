# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which versions belong together, which of them were run by this collection's own tests, and where their manifests are."""

from __future__ import annotations

import posixpath
import typing as t
from dataclasses import dataclass

from .errors import InvalidIntent
from .versions import KNATIVE, check_kserve, parse_version

__all__ = ("COMPONENTS", "SETS", "Release", "check_installable", "default_version", "release", "versions_for")


@dataclass(frozen=True)
class Source:
    """:param address: of one file of a release; ``{version}`` is without a leading v, ``{tree}`` the tag in whose tree the file is"""

    files: tuple[str, ...]
    address: str


_GITHUB = "https://github.com/{}/releases/download/"
_KNATIVE = "knative-v{version}/{file}"
COMPONENTS: dict[str, Source] = {
    "cert_manager": Source(("cert-manager.yaml",), _GITHUB.format("cert-manager/cert-manager") + "v{version}/{file}"),
    "knative_serving": Source(("serving-crds.yaml", "serving-core.yaml"), _GITHUB.format("knative/serving") + _KNATIVE),
    "kourier": Source(("kourier.yaml",), _GITHUB.format("knative-extensions/net-kourier") + _KNATIVE),
    "istio": Source(("istio.yaml",), _GITHUB.format("knative-extensions/net-istio") + _KNATIVE),
    "net_istio": Source(("net-istio.yaml",), _GITHUB.format("knative-extensions/net-istio") + _KNATIVE),
    # The files as they are in the tree of the tag: what stands there under a tag has a checksum that can be known.
    "kserve": Source(
        ("kserve.yaml", "kserve-cluster-resources.yaml"),
        "https://raw.githubusercontent.com/kserve/kserve/v{tree}/install/v{version}/{file}",
    ),
    "keda": Source(("keda-{version}.yaml",), _GITHUB.format("kedacore/keda") + "v{version}/{file}"),
    "kyverno": Source(("install.yaml",), _GITHUB.format("kyverno/kyverno") + "v{version}/{file}"),
}
# Not in the tree of their own tag: they were written there after it (install/ of KServe's tags v0.17.0 and v0.20.0).
_TREES = {("kserve", "0.17.0"): "0.20.0"}

# By KServe's version, newest first: what its own installer pins (kserve-deps.env, quick_install.sh). Kyverno is no dependency of
# KServe: it is the one the guardrails were tested with.
_NEWER = {"cert_manager": "1.17.0", "knative_serving": "1.21.1", "kyverno": "1.18.2"}
SETS: dict[str, dict[str, str]] = {
    "0.20.0": {**_NEWER, "keda": "2.18.0"},
    "0.18.0": {**_NEWER, "keda": "2.17.3"},
    "0.17.0": {**_NEWER, "keda": "2.17.3"},
    "0.15.0": {"cert_manager": "1.16.1", "knative_serving": "1.15.2", "keda": "2.14.0", "kyverno": "1.18.2"},
}
# What the cluster tests of this collection install and serve with.
RUN_HERE = frozenset(
    {
        ("cert_manager", "1.11.5"),
        ("knative_serving", "1.21.1"),
        ("kourier", "1.21.0"),
        ("kserve", "0.17.0"),  # to upgrade from
        ("kserve", "0.20.0"),
        ("keda", "2.18.0"),
        ("kyverno", "1.18.2"),
    }
)
CHECKSUMS: dict[tuple[str, str, str], str] = {
    (
        "kserve",
        "0.20.0",
        "kserve.yaml",
    ): "6e6c1a5ceeb889e6ac41d68a551fa8c7d1fc1abcba10284154a0872bcc0d3fb8",
    (
        "kserve",
        "0.20.0",
        "kserve-cluster-resources.yaml",
    ): "ee79c890721edc498738fd0f4d8a615adc8baa2d19d552d6d97528d858144e5d",
    (
        "kserve",
        "0.17.0",
        "kserve.yaml",
    ): "f6cda8a8a7328ff7cde9e42f3b5bd69c1be904e35387dd64bf9474af3a23bfc9",
    (
        "kserve",
        "0.17.0",
        "kserve-cluster-resources.yaml",
    ): "88ef39c8023a40d9b1c3bef0311bbc962373dc29d31f6ee34bbf2dffd742907b",
}
# The networking layers have a release for each minor version of Knative, and seldom a patch of the same number.
_LAYERS = ("kourier", "istio", "net_istio")


@dataclass(frozen=True)
class Release:
    """:param src: files or addresses
    :param checksum: SHA-256 by file or address, where it is known
    :param run_here: whether the tests of this collection have run this version
    """

    component: str
    version: str
    src: tuple[str, ...]
    checksum: t.Mapping[str, str]
    run_here: bool


def versions_for(kserve: str) -> dict[str, str]:
    """The set that goes with a version of KServe, by component; that of the nearest older one for a version that is not listed.

    :raises InvalidIntent: where ``kserve`` is no version, or is older than all sets
    """
    wanted = parse_version(kserve)
    if wanted is None:
        raise InvalidIntent("is no version", field="kserve_version", value=kserve, cure="write it as 0.20.0")
    for known, chosen in SETS.items():
        if wanted >= (parse_version(known) or wanted):
            knative = chosen["knative_serving"]
            return {"kserve": _plain(kserve), **chosen, **{layer: _layer(knative) for layer in _LAYERS}}
    oldest = list(SETS)[-1]
    raise InvalidIntent(
        f"is older than {oldest}, the oldest that this collection knows a set of versions for",
        field="kserve_version",
        value=kserve,
        cure=f"install {oldest} or newer, or give the version of each component",
    )


def default_version(component: str, kserve: str | None = None, knative: str | None = None) -> str:
    """
    :param knative: version of Knative that a networking layer goes with; the one of ``kserve`` where it is empty
    :raises InvalidIntent: for an unknown component
    """
    _source(component)
    if knative and component in _LAYERS:
        return _layer(_plain(knative))
    return versions_for(kserve or next(iter(SETS)))[component]


def release(
    component: str,
    version: str | None = None,
    *,
    manifests: str = "",
    kserve: str | None = None,
    knative: str | None = None,
) -> Release:
    """Where a component's manifests are.

    :param version: with or without a leading v; the one that goes with ``kserve`` and ``knative`` where it is empty
    :param manifests: empty for the project's own release; else a folder or base address that holds ``component/version/file``
    :raises InvalidIntent: for an unknown component or a word that is no version
    """
    source, plain = _source(component), _plain(version or default_version(component, kserve, knative))
    if parse_version(plain) is None:
        raise InvalidIntent("is no version", field=f"{component}_version", value=version, cure="write it as 1.2.3")
    names = [name.format(version=plain) for name in source.files]
    if manifests:
        places = {name: posixpath.join(str(manifests), component, plain, name) for name in names}
    else:
        tree = _TREES.get((component, plain), plain)
        places = {name: source.address.format(version=plain, tree=tree, file=name) for name in names}
    known = {places[name]: CHECKSUMS[component, plain, name] for name in names if (component, plain, name) in CHECKSUMS}
    return Release(component, plain, tuple(places.values()), known, (component, plain) in RUN_HERE)


def check_installable(component: str, version: str) -> None:
    """:raises Refused: for releases of KServe that cannot do what this collection is for"""
    if component == "kserve":
        check_kserve(KNATIVE, parse_version(version))


def _layer(knative: str) -> str:
    return ".".join([*knative.split(".")[:2], "0"])


def _plain(version: str) -> str:
    return str(version).removeprefix("v")


def _source(component: str) -> Source:
    if component not in COMPONENTS:
        raise InvalidIntent(
            "is no component", field="component", value=component, cure=f"use one of {', '.join(COMPONENTS)}"
        )
    return COMPONENTS[component]
