# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipelines are what their generator writes, and what the platform's template service and its users know."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "kubeflow"
API = {"deployment_base_url", "tenant_id", "project_id", "user_id", "deployment_id"}
# What the platform's own templates take; more may be there, with defaults.
PLATFORM = {
    "rollout-canary": API | {"model_version_id", "canary_percent"},
    "rollout-ab": API | {"model_version_id"},
    "rollout-blue-green-stage": API | {"model_version_id"},
    "rollout-blue-green-promote": API,
}
DEFAULTS = {
    "deployment_base_url": "http://deployment-service:8000",
    "deployment_id": "",
    "model_version_id": "",
    "canary_percent": 10,
}
CATALOG = {entry["key"]: entry for entry in yaml.safe_load((FOLDER / "catalog.yaml").read_text())}


def pipeline(key: str) -> dict[str, Any]:
    found: dict[str, Any] = next(yaml.safe_load_all((FOLDER / CATALOG[key]["entrypoint"]).read_text()))
    return found


def test_they_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "tools" / "dev" / "render_pipelines.py"), "--check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_catalog_names_every_file() -> None:
    assert {entry["entrypoint"] for entry in CATALOG.values()} == {
        f"pipelines/{path.name}" for path in (FOLDER / "pipelines").iterdir()
    }
    assert set(CATALOG) == {*PLATFORM, "rollout-guarded"}
    for entry in CATALOG.values():
        assert list(entry) == ["key", "name", "description", "entrypoint", "default_parameters"]


@pytest.mark.parametrize("key", PLATFORM)
def test_they_replace_the_platforms(key: str) -> None:
    declared = pipeline(key)["root"]["inputDefinitions"]["parameters"]
    assert PLATFORM[key] <= set(declared)
    assert all("defaultValue" in declared[name] for name in set(declared) - PLATFORM[key])
    assert CATALOG[key]["default_parameters"] == {name: DEFAULTS[name] for name in DEFAULTS if name in PLATFORM[key]}


@pytest.mark.parametrize("key", [*PLATFORM, "rollout-guarded"])
def test_one_task_that_is_never_taken_from_a_cache(key: str) -> None:
    found = pipeline(key)
    assert found["schemaVersion"] == "2.1.0"
    assert found["pipelineInfo"]["name"] == key
    (task,) = found["root"]["dag"]["tasks"].values()
    assert not task["cachingOptions"].get("enableCache")
    assert "retryPolicy" not in task  # the step tries again itself, and only what may get better
    (executor,) = found["deploymentSpec"]["executors"].values()
    if key in PLATFORM:
        assert re.fullmatch(r"python:3\.\d+-slim", executor["container"]["image"])


@pytest.mark.parametrize("key", [*PLATFORM, "rollout-guarded"])
def test_every_parameter_is_used(key: str) -> None:
    found = pipeline(key)
    (task,) = found["root"]["dag"]["tasks"].values()
    (component,) = found["components"].values()
    (executor,) = found["deploymentSpec"]["executors"].values()
    declared = set(component["inputDefinitions"]["parameters"])
    used = set(re.findall(r"inputs\.parameters\['([^']+)'\]", " ".join(executor["container"]["args"])))
    assert used == declared
    assert declared <= set(task["inputs"]["parameters"])
    whole = set(found["root"]["inputDefinitions"]["parameters"])
    assert whole - declared == ({"image", "database_secret"} if key == "rollout-guarded" else set())


@pytest.mark.parametrize("name", ["rollout", "guarded"])
def test_the_steps_need_the_standard_library_alone(name: str) -> None:
    tree = ast.parse((FOLDER / "steps" / f"{name}.py").read_text(), feature_version=(3, 9))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names
