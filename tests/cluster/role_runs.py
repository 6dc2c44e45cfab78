# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs roles of the collection by ansible-playbook, as a user does."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_runs import ROOT, Shown, ansible_playbook, write_play

from tools.cluster import manifests, parts, releases
from tools.cluster.access import Access

__all__ = ("ROOT", "RoleRuns", "lay_out_releases")


def lay_out_releases(cluster: Access, folder: Path, groups: t.Sequence[str]) -> str:
    """Manifests of these groups as the projects release them, in a folder that the roles can be given."""
    home = cluster.cluster.home
    parts.build(home, list(groups))
    releases.lay_out(folder / "releases", [manifests.release_folder(home, group) for group in groups])
    return str(folder / "releases")


class RoleRuns:
    """:param folder: a place for the playbook and for the manifests of ``groups``"""

    def __init__(self, cluster: Access, folder: Path, groups: t.Sequence[str] = ()) -> None:
        self.folder = folder
        self._own = {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)}
        self._manifests = lay_out_releases(cluster, folder, groups)

    def __call__(self, *roles: str, check: bool = False, fails: bool = False, **variables: t.Any) -> Shown:
        flags = ["--check"] if check else []
        given = {"serving_manifests": self._manifests, **variables}
        return ansible_playbook(write_play(self.folder, *roles), *flags, own=self._own, fails=fails, **given)
