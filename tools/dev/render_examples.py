# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders examples/endpoints/*.yml into examples/kserve/inferenceservice-*.yaml; with --check only compares."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".build"))

import yaml
from ansible_collections.mlops.serving.plugins.filter.inferenceservice import inferenceservice


def rendered(endpoint: Path) -> str:
    manifest = inferenceservice(yaml.safe_load(endpoint.read_text(encoding="utf-8")))
    head = f"---\n# What examples/endpoints/{endpoint.name} becomes. Written by tools/dev/render_examples.py.\n"
    return head + yaml.safe_dump(manifest, sort_keys=False, width=120)


def target(endpoint: Path) -> Path:
    return ROOT / "examples" / "kserve" / f"inferenceservice-{endpoint.stem}.yaml"


def main() -> int:
    stale = []
    for endpoint in sorted((ROOT / "examples" / "endpoints").glob("*.yml")):
        text, path = rendered(endpoint), target(endpoint)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("not up to date: " if "--check" in sys.argv else "written: ") + ", ".join(stale))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
