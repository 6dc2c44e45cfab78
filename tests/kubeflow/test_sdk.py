# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SDK of Kubeflow Pipelines reads the pipelines: against its schema, as components, and as parts of a pipeline that it compiles.

The SDK wants an older client of Kubernetes than the collection, so these tests have an environment of their own: `make kubeflow-test`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler, components, dsl
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

FOLDER = Path(__file__).resolve().parents[2] / "kubeflow"
FILES = sorted((FOLDER / "pipelines").glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_all_are_here() -> None:
    assert len(FILES) == len(yaml.safe_load((FOLDER / "catalog.yaml").read_text(encoding="utf-8"))) == 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema(path: Path) -> None:
    pipeline, *more = documents(path)
    spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    assert spec.schema_version == "2.1.0"
    assert len(more) == (path.stem == "rollout-guarded")
    for each in more:
        for executor in each["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
            config = json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
            assert config.secret_as_env[0].key_to_env[0].env_var == "DATABASE_URL"


def test_the_schema_refuses_what_is_not_in_it() -> None:
    pipeline = documents(FILES[0])[0]
    pipeline["deploymentSpec"] = {}
    pipeline["root"]["dag"]["jobs"] = {}
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_pipeline_of_ones_own_takes_it_as_a_step(path: Path, tmp_path: Path) -> None:
    step = components.load_component_from_file(str(path))
    declared = documents(path)[0]["root"]["inputDefinitions"]["parameters"]
    assert set(step.component_spec.inputs) == set(declared)
    assert {name for name, given in step.component_spec.inputs.items() if given.optional} == {
        name for name, each in declared.items() if "defaultValue" in each
    }
    needed = {name: "given" for name, each in declared.items() if "defaultValue" not in each}

    @dsl.pipeline(name="mine")
    def mine():  # type: ignore[no-untyped-def]  # the SDK takes None for an output
        step(**needed)

    target = tmp_path / "mine.yaml"
    compiler.Compiler().compile(mine, str(target))
    compiled, *more = documents(target)
    (container,) = [each["container"] for each in compiled["deploymentSpec"]["executors"].values()]
    assert container == documents(path)[0]["deploymentSpec"]["executors"]["exec-rollout"]["container"]
    assert bool(more) == (path.stem == "rollout-guarded")
