"""The examples in the documentation run as they are written."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.mlops.serving.plugins"
MODULES = ("endpoint_store", "model_version", "endpoint", "endpoint_info")


def tasks(module: str) -> list[dict[str, Any]]:
    """The examples of a module, on the test's database instead of the address that they show."""
    found: list[dict[str, Any]] = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{module}").EXAMPLES)
    for task in found:
        for name, options in task.items():
            if name.startswith("mlops.serving.") and options:
                options.pop("database_url", None)
    return found


def play(path: Path, found: list[dict[str, Any]], database: str) -> dict[str, Any]:
    content = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "environment": {"DATABASE_URL": database},
        "tasks": found,
    }
    path.write_text(yaml.safe_dump([content]))
    command = shutil.which("ansible-playbook", path=str(Path(sys.executable).parent)) or "ansible-playbook"
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build")}
    answer = subprocess.run(
        [command, "-i", "localhost,", str(path)], capture_output=True, text=True, env=environment, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    recap = next(line for line in answer.stdout.splitlines() if line.startswith("localhost") and "ok=" in line)
    return {name: int(value) for name, value in (part.split("=") for part in recap.split(":", 1)[1].split())}


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str, rows: Any, database: str, tmp_path: Path) -> None:
    rows.tenant, rows.project = "6b1f8a9e-3f0e-4f77-8a43-2d0f4a0b7c11", "0a8f4a55-7d0a-4a3c-9d80-53e7a4f4f3b2"
    versions = {name: rows.model(name) for name in ("add_sub", "fraud", "churn")}
    for number in (1, 3, 4):
        last = rows.version(versions["add_sub"], number, f"s3://mlops-artifacts/add_sub/{number}/")
    rows.version(versions["fraud"], 7)
    rows.version(versions["churn"], 2)
    for name in ("demo", "demo-canary"):
        rows.endpoint(name, version=last, model_id=versions["add_sub"])
    found = tasks(module)
    first = play(tmp_path / "play.yml", found, database)
    assert first["ok"] == len(found)
