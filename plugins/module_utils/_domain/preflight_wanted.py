# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody wants to install on a cluster, as preflight checks it. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .errors import InvalidIntent
from .versions import Version, knative_release, parse_version

__all__ = ("CERTIFICATES", "CHECKS", "INSTALLABLE", "MODES", "Wanted", "comparable")

MODES = ("standard", "knative", "both")
CERTIFICATES = ("cert_manager", "self_signed")
_KNATIVE_ONLY = ("knative_serving", "kourier", "istio", "net_istio")
INSTALLABLE = ("cert_manager", *_KNATIVE_ONLY, "kserve", "keda", "kyverno")
# Versions of these are those of Knative's modules where images are built from them.
_KNATIVE_NUMBERED = ("knative_serving", "kourier", "net_istio")
_GENERAL = (
    *("kubernetes", "rights", "nodes", "resources", "architecture", "ingress", "metrics_server"),
    *("gpus", "storage", "openshift"),
)
CHECKS = (*_GENERAL, *(f"{name}_{what}" for name in INSTALLABLE for what in ("version", "owner", "ready")))


@dataclass(frozen=True)
class Wanted:
    """:param mode: one of MODES
    :param versions: what is to be installed, by component; what the mode has no use for is left out
    :param provided: components that somebody else installs and keeps
    :param gpus: whether tenants use GPUs
    :param certificates: whether KServe's certificates come from cert-manager
    :param ignore: checks whose refusal is a warning
    """

    mode: str
    versions: t.Mapping[str, Version]
    provided: frozenset[str]
    gpus: bool
    ignore: frozenset[str]
    certificates: bool = True

    @property
    def knative(self) -> bool:
        return self.mode != "standard"

    @property
    def needed(self) -> tuple[str, ...]:
        """What KServe does not work without, besides itself."""
        return (*(("cert_manager",) if self.certificates else ()), *(("knative_serving",) if self.knative else ()))

    @classmethod
    def parse(cls, options: t.Mapping[str, t.Any]) -> Wanted:
        """Read ``kserve_mode``, ``versions``, ``provided``, ``certificates``, ``gpus`` and ``ignore``.

        An empty version is not wanted.

        :raises InvalidIntent: for unknown modes, components and checks, and for what is no version
        """
        mode = str(options.get("kserve_mode") or "knative")
        _known("kserve_mode", mode, MODES)
        provided = [str(name) for name in options.get("provided") or ()]
        ignore = [str(name) for name in options.get("ignore") or ()]
        for name in provided:
            _known("provided", name, INSTALLABLE)
        for name in ignore:
            _known("ignore", name, CHECKS)
        certificates = str(options.get("certificates") or CERTIFICATES[0])
        _known("certificates", certificates, CERTIFICATES)
        useless = {*(_KNATIVE_ONLY if mode == "standard" else ())}
        if certificates != CERTIFICATES[0]:
            useless.add("cert_manager")
        versions: dict[str, Version] = {}
        for name, text in (options.get("versions") or {}).items():
            _known("versions", name, INSTALLABLE)
            if text in (None, "") or name in provided or name in useless:
                continue
            version = parse_version(str(text))
            if version is None:
                raise InvalidIntent("is no version", field=f"versions.{name}", value=text, cure="write it as 1.2.3")
            versions[name] = version
        # KEDA acts on endpoints in Standard mode alone.
        unused = {*useless, *(("keda",) if mode == "knative" else ())}
        return cls(
            mode,
            versions,
            frozenset(provided) - unused,
            bool(options.get("gpus")),
            frozenset(ignore),
            certificates == CERTIFICATES[0],
        )


def comparable(component: str, text: str | None) -> Version | None:
    """A found version in the numbering of releases; None where it is none."""
    version = parse_version(text) if text else None
    return knative_release(version) if version and component in _KNATIVE_NUMBERED else version


def _known(field: str, name: str, names: t.Sequence[str]) -> None:
    if name not in names:
        raise InvalidIntent("is unknown", field=field, value=name, cure=f"use one of {', '.join(names)}")
