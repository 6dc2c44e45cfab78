# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image stands for which, and where images are looked for."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.images import replaced, with_images

DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "images", "expected"),
    [
        ("nginx:1.25", {"docker.io": "r.io/hub"}, "r.io/hub/library/nginx:1.25"),
        ("kserve/agent:v1", {"docker.io": "r.io/hub"}, "r.io/hub/kserve/agent:v1"),
        ("docker.io/kserve/agent:v1", {"kserve": "x"}, "docker.io/kserve/agent:v1"),
        ("kserve/agent:v1", {"docker.io/kserve/": "r.io/k/"}, "r.io/k/agent:v1"),
        ("kserve/agent:v1", {"kserve/agent": "r.io/mine"}, "r.io/mine:v1"),
        ("kserve/agent:v1", {"kserve/agent": "r.io/mine:v2"}, "r.io/mine:v2"),
        ("kserve/agent:v1", {"kserve/agent:v1": "r.io/mine"}, "r.io/mine"),
        ("kserve/agent:v1", {"docker.io": "a", "kserve/agent": "b"}, "b:v1"),
        (f"gcr.io/k/queue{DIGEST}", {"gcr.io/k": "r.io:5000/k"}, f"r.io:5000/k/queue{DIGEST}"),
        (f"gcr.io/k/queue{DIGEST}", {"gcr.io/k/queue": "gcr.io/k/queue:v1"}, "gcr.io/k/queue:v1"),
        ("gcr.io/knative/x:1", {"gcr.io/k": "no"}, "gcr.io/knative/x:1"),
        ("localhost:5000/a:1", {"localhost:5000": "r.io"}, "r.io/a:1"),
        ("r.io:5000/a/b:1", {"r.io:5000/a/b": "c.io/b"}, "c.io/b:1"),
        ("nginx:1.25", {"nginx:1.25": "mine:1"}, "mine:1"),
        ("ko://knative.dev/cmd/queue", {"ko://knative.dev/cmd": "gcr.io/k"}, "gcr.io/k/queue"),
        ("quay.io/a:1", {"docker.io": "no"}, "quay.io/a:1"),
        ("n.io/t/server:1", {"n.io/t/server": ":2"}, "n.io/t/server:2"),
        ("n.io/t/server:1", {"n.io/t/server": ":2", "n.io": "r.io/n"}, "r.io/n/t/server:2"),
        ("n.io/t/server:1", {"n.io/t/server:1": ":2", "n.io/t/server": "r.io/s"}, "r.io/s:2"),
        (f"n.io/s{DIGEST}", {"n.io/s": ":2"}, "n.io/s:2"),
        ("n.io/t/server:1", {"n.io/t": ":2"}, "n.io/t/server:1"),
    ],
)
def test_replaced(image: str, images: dict[str, str], expected: str) -> None:
    assert replaced(image, images) == expected


def test_containers_wherever_they_stand_and_nothing_else() -> None:
    images = {"docker.io": "r.io"}
    container = {"name": "c", "image": "a/b:1", "args": ["--image=a/b:1"], "env": [{"name": "I", "value": "a/b:1"}]}
    changed = {**container, "image": "r.io/a/b:1"}
    given = {
        "kind": "Deployment",
        "spec": {"template": {"spec": {"containers": [container], "initContainers": [container]}}},
        "data": {"image": "a/b:1"},
    }
    assert with_images(given, images) == {
        "kind": "Deployment",
        "spec": {"template": {"spec": {"containers": [changed], "initContainers": [changed]}}},
        "data": {"image": "a/b:1"},
    }
    assert given["spec"]["template"]["spec"]["containers"] == [container]  # type: ignore[index]
    assert with_images({"spec": {"container": container}}, images) == {"spec": {"container": changed}}
    assert with_images(given, {}) is given
