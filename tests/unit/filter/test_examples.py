# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/kserve is what examples/endpoints becomes, to the letter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.filter.inferenceservice import inferenceservice

ROOT = Path(__file__).resolve().parents[3]
ENDPOINTS = sorted((ROOT / "examples" / "endpoints").glob("*.yml"))
SERVICES = sorted((ROOT / "examples" / "kserve").glob("*.yaml"))


def test_there_is_one_for_each_of_the_platforms() -> None:
    wanted = {"triton", "triton-canary", "batcher", "keda-cpu", "keda-prometheus"}
    assert wanted <= {path.stem for path in ENDPOINTS}
    assert {f"inferenceservice-{path.stem}" for path in ENDPOINTS} == {path.stem for path in SERVICES}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda path: path.stem)
def test_each_is_the_rendering_of_its_endpoint(endpoint: Path) -> None:
    service = ROOT / "examples" / "kserve" / f"inferenceservice-{endpoint.stem}.yaml"
    assert yaml.safe_load(service.read_text()) == inferenceservice(yaml.safe_load(endpoint.read_text()))


def test_the_tool_that_writes_them_finds_nothing_to_write() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "dev" / "render_examples.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
