# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patches of docs/install.md on KServe's own documents, without a cluster."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._domain.documents import Item, prepare

from tools.cluster import groups, manifests, parts
from tools.cluster.layout import Home

from .conftest import ROOT

pytestmark = pytest.mark.groups("kserve")


def test_kserves_controller_gets_what_thousands_of_endpoints_need() -> None:
    (block,) = re.findall(r"```yaml\n(kserve_patches:.*?)```", (ROOT / "docs" / "install.md").read_text(), re.DOTALL)
    home = Home.from_environment()
    parts.build(home, groups.closure(["kserve"]))
    released = [Item(document, "kserve", number) for number, document in enumerate(manifests.load(home, "kserve"), 1)]
    patched = prepare(released, [], yaml.safe_load(block)["kserve_patches"]).items

    def limits(items: list[Item]) -> object:
        (found,) = [
            container["resources"]["limits"]
            for item in items
            if (item.kind, item.document["metadata"]["name"]) == ("Deployment", "kserve-controller-manager")
            for container in item.document["spec"]["template"]["spec"]["containers"]
            if container["name"] == "manager"
        ]
        return found

    assert limits(released) == {"cpu": "100m", "memory": "300Mi"}
    assert limits(patched) == {"cpu": "2", "memory": "2Gi"}
