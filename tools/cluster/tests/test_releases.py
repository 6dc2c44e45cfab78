"""Releases are laid out as installers look for them."""

from __future__ import annotations

import json
from pathlib import Path

from tools.cluster import releases


def test_knative_numbers_its_releases_otherwise_than_its_modules() -> None:
    assert releases.knative_release("v0.48.1") == "1.21.1"
    assert releases.knative_release("v0.50.0") == "1.23.0"


def test_all_groups_come_to_lie_in_one_folder(tmp_path: Path) -> None:
    for component in ("keda", "kyverno"):
        text = f"---\n{json.dumps({'kind': component})}\n"
        releases.write(tmp_path / component, [releases.Release(component, "1.2.3", "install.yaml", text)])
    releases.lay_out(tmp_path / "all", [tmp_path / "keda", tmp_path / "kyverno", tmp_path / "not-there"])
    found = sorted(str(path.relative_to(tmp_path / "all")) for path in (tmp_path / "all").rglob("*.yaml"))
    assert found == ["keda/1.2.3/install.yaml", "kyverno/1.2.3/install.yaml"]
