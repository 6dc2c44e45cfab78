# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/first-endpoint.md, typed in as a newcomer does: its files, its commands, and what it says of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from world import World, world

__all__ = ("world",)

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "first-endpoint.md").read_text(encoding="utf-8")
# Tested elsewhere: they install the collection, and start the servers that fixtures have here.
ELSEWHERE = ("ansible-galaxy", "pip", "ansible-playbook mlops.serving.dev_stack", ".")
OURS = ("DATABASE_URL", "DEPLOY_", "KSERVE_", "NATS_", "PG", "ANSIBLE_", "AWS_", "K8S_AUTH_", "KUBECONFIG", "MLOPS_")


def commands() -> list[str]:
    """What is to be typed without a cluster."""
    before = PAGE.split("## On a cluster")[0]
    blocks = re.findall(r"```console\n(.*?)```", before, re.DOTALL)
    typed = [line.removeprefix("$ ").split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [
        line for line in typed if not line.startswith(tuple(f"{name} " for name in ELSEWHERE)) and line not in ELSEWHERE
    ]


@pytest.fixture
def shell(world: World, s3: Any, bucket: str, tmp_path: Path) -> Any:
    for content in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        name = re.match(r"# (\S+\.yml)\n", content)
        assert name, content
        (tmp_path / name[1]).write_text(content)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    given = {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_ENDPOINT_URL": s3.endpoint_url,
        "AWS_REGION": s3.region,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "DATABASE_URL": world.url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    exports: list[str] = []

    def call(line: str) -> str:
        if line.startswith("export "):
            exports.append(line)
            return ""
        answer = subprocess.run(
            ["bash", "-euc", "\n".join([*exports, line])],
            cwd=tmp_path,
            env={**kept, **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert answer.returncode == 0, f"{line}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    call.file = lambda name: tmp_path / name  # type: ignore[attr-defined]
    call.bucket = bucket  # type: ignore[attr-defined]
    return call


def test_without_a_cluster(shell: Any, world: World) -> None:
    typed = commands()
    assert [line.split()[0] for line in typed] == [
        "export",
        "ansible",
        "ansible-playbook",
        "ansible",
        "ansible-playbook",
    ]
    for line in typed[:-1]:
        told = shell(line)
    assert '"status": "READY"' in told
    assert '"applied": true' in told
    (play,) = (line for line in typed if "first.yml" in line)
    first = shell.file("first.yml")
    first.write_text(first.read_text().replace("model_version: 1", "model_version: 2"))
    assert "stage at 0 %" in shell(play)
    assert "changed=0 " in shell(play)
    first.write_text(first.read_text().replace("name: demo\n", "name: demo\n        state: absent\n"))
    shell(play)
    (row,) = world.sql("select status from endpoints")
    assert row["status"] == "DELETED"
    shell(f"{typed[-1]} -e triton_repository_bucket={shell.bucket}")
    assert (
        world.one("select count(*) as n from model_versions where version = 3 and artifact_uri like 's3://%%'")["n"]
        == 1
    )
