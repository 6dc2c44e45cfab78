# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What examples/kserve shows is what a real API server with KServe's webhooks accepts, and what it keeps."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._domain.comparison import differences
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused

from .conftest import ROOT

pytestmark = pytest.mark.groups("kserve")

EXAMPLES = sorted(path.name for path in (ROOT / "examples" / "kserve").glob("*.yaml"))


@pytest.fixture
def kserve(cluster: t.Any) -> t.Iterator[KServeCluster]:
    connected = KServeCluster.connect({"kubeconfig": str(cluster.kubeconfig)})
    yield connected
    connected.close()


def manifest(example: str, namespace: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = yaml.safe_load((ROOT / "examples" / "kserve" / example).read_text(encoding="utf-8"))
    found["metadata"]["namespace"] = namespace
    return found


@pytest.mark.parametrize("example", EXAMPLES)
def test_is_accepted_and_kept_as_it_is(example: str, kserve: KServeCluster, namespace: t.Any) -> None:
    ours = manifest(example, namespace.name)
    kept = kserve.apply(ours, dry_run=True)
    assert differences(ours, kept) == []
    assert kserve.get(namespace.name, ours["metadata"]["name"]) is None


def test_a_field_that_kserve_does_not_know_is_refused(kserve: KServeCluster, namespace: t.Any) -> None:
    wrong = manifest(EXAMPLES[0], namespace.name)
    wrong["spec"]["predictor"]["model"]["storageURI"] = "s3://models/x/"
    with pytest.raises(Refused, match="storageURI"):
        kserve.apply(wrong, dry_run=True)
