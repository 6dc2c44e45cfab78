# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders kubeflow/catalog.yaml and kubeflow/pipelines/*.yaml, with the steps' programs in them; with --check only compares.

The pipelines are KFP's intermediate representation, written without its SDK, so that they do not change with its releases.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "kubeflow"
HEAD = "---\n# Written by tools/dev/render_pipelines.py. The program is kubeflow/steps/{step}.py.\n"
IMAGE = "python:3.12-slim"

TYPES = {str: "STRING", int: "NUMBER_INTEGER"}
API: dict[str, Any] = {
    "deployment_base_url": "http://deployment-service:8000",
    "tenant_id": str,
    "project_id": str,
    "user_id": str,
    "deployment_id": str,
}
VERSION: dict[str, Any] = {"model_version_id": str}
PATIENCE: dict[str, Any] = {"timeout_seconds": 900, "settle_seconds": 60}
GUARDED: dict[str, Any] = {
    "image": str,
    "endpoint": str,
    "model_version": str,
    "tenant_id": "",
    "project_id": "",
    "user_id": "",
    "steps": "",
    "min_requests": 300,
    "on_inconclusive": "abort",
    "timeout": "2h",
    "evidence": "auto",
    "prometheus_url": "",
    "deploy_mode": "kserve",
    "kserve_namespace": "",
    "database_secret": "mlops-serving",
}


@dataclass(frozen=True)
class Pipeline:
    """
    :param parameters: default value by name, or the type alone where there is none
    :param catalog: names of the parameters that the catalog gives a default, with it
    :param fixed: arguments of the step that are no parameters
    :param options: the step's option by parameter, where it has another name
    """

    key: str
    name: str
    description: str
    parameters: dict[str, Any]
    catalog: dict[str, Any]
    fixed: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    step: str = "rollout"


STAGED = {"deployment_base_url": "http://deployment-service:8000", "deployment_id": "", "model_version_id": ""}
PIPELINES = (
    Pipeline(
        "rollout-canary",
        "Rollout: canary",
        "Give a new model version a share of the traffic, and wait until it has it. Raise it gradually: 1, 5, 10, 25, 50.",
        {**API, **VERSION, "canary_percent": 10, **PATIENCE},
        {**STAGED, "canary_percent": 10},
        options={"canary_percent": "percent"},
    ),
    Pipeline(
        "rollout-ab",
        "Rollout: A/B",
        "Split the traffic evenly between the version that serves and a new one, and wait until it is split.",
        {**API, **VERSION, **PATIENCE},
        STAGED,
        fixed=("--percent=50",),
    ),
    Pipeline(
        "rollout-blue-green-stage",
        "Rollout: blue/green, stage",
        "Stage a new model version without traffic, and wait until it is ready.",
        {**API, **VERSION, **PATIENCE},
        STAGED,
        fixed=("--percent=0",),
    ),
    Pipeline(
        "rollout-blue-green-promote",
        "Rollout: blue/green, promote",
        "Give the staged version all of the traffic, and wait until it has it.",
        {**API, **PATIENCE},
        {name: STAGED[name] for name in ("deployment_base_url", "deployment_id")},
        fixed=("--promote",),
    ),
    Pipeline(
        "rollout-guarded",
        "Rollout: canary with evidence",
        "Roll a new model version out step by step, judged at every look, and back as soon as something speaks against it.",
        GUARDED,
        {"image": "", "endpoint": "", "model_version": ""},
        options={
            name: f"rollout_{name}"
            for name in ("min_requests", "on_inconclusive", "timeout", "evidence", "prometheus_url")
        },
        step="guarded",
    ),
)
# Parameters that the step itself is not given: they make its container.
OF_THE_CONTAINER = ("image", "database_secret")


class Literal(str):
    """Text that YAML shows line by line."""


class Dumper(yaml.SafeDumper):
    pass


Dumper.add_representer(Literal, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def typed(value: Any) -> str:
    return TYPES[value if isinstance(value, type) else type(value)]


def inputs(parameters: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in parameters.items():
        found[name] = {"parameterType": typed(value)}
        if not isinstance(value, type):
            found[name] |= {"defaultValue": value, "isOptional": True}
    return {"parameters": found}


def document(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The pipeline, and where its container needs more than the pipeline's own language says, that of Kubernetes."""
    program = Literal((FOLDER / "steps" / f"{pipeline.step}.py").read_text(encoding="utf-8"))
    if "{{$" in program:
        raise ValueError(f"steps/{pipeline.step}.py has what KFP takes for a placeholder")
    own = {name: value for name, value in pipeline.parameters.items() if name not in OF_THE_CONTAINER}
    passed = {name: {"componentInputParameter": name} for name in own}
    arguments = [f"--{pipeline.options.get(name, name)}={{{{$.inputs.parameters['{name}']}}}}" for name in own]
    component: dict[str, Any] = {
        "executorLabel": "exec-rollout",
        "inputDefinitions": {"parameters": {name: {"parameterType": typed(value)} for name, value in own.items()}},
    }
    image, more = IMAGE, []
    if pipeline.step == "guarded":
        component["outputDefinitions"] = {
            "artifacts": {"report": {"artifactType": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"}}}
        }
        arguments.append("--report={{$.outputs.artifacts['report'].path}}")
        image = "{{$.inputs.parameters['pipelinechannel--image']}}"
        passed["base_image"] = {"runtimeValue": {"constant": image}}
        passed["pipelinechannel--image"] = {"componentInputParameter": "image"}
        more.append(secrets())
    task = {
        "cachingOptions": {},
        "componentRef": {"name": "comp-rollout"},
        "inputs": {"parameters": passed},
        "taskInfo": {"name": "rollout"},
    }
    container = {"image": image, "command": ["python3", "-u", "-c", program], "args": [*pipeline.fixed, *arguments]}
    return [
        {
            "pipelineInfo": {"name": pipeline.key, "description": pipeline.description},
            "root": {"dag": {"tasks": {"rollout": task}}, "inputDefinitions": inputs(pipeline.parameters)},
            "components": {"comp-rollout": component},
            "deploymentSpec": {"executors": {"exec-rollout": {"container": container}}},
            "schemaVersion": "2.1.0",
            "sdkVersion": "kfp-2.0.0",
        },
        *more,
    ]


def secrets() -> dict[str, Any]:
    wanted = {
        "keyToEnv": [{"envVar": "DATABASE_URL", "secretKey": "DATABASE_URL"}],
        "optional": False,
        "secretNameParameter": {"componentInputParameter": "database_secret"},
    }
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-rollout": {"secretAsEnv": [wanted]}}}}}}


def written(pipeline: Pipeline) -> str:
    parts = [yaml.dump(part, Dumper=Dumper, sort_keys=False, width=140) for part in document(pipeline)]
    return HEAD.format(step=pipeline.step) + "---\n".join(parts)


def catalog() -> str:
    entries = [
        {
            "key": pipeline.key,
            "name": pipeline.name,
            "description": pipeline.description,
            "entrypoint": f"pipelines/{pipeline.key}.yaml",
            "default_parameters": dict(pipeline.catalog),
        }
        for pipeline in PIPELINES
    ]
    return "---\n# Written by tools/dev/render_pipelines.py.\n" + yaml.dump(
        entries, Dumper=Dumper, sort_keys=False, width=140
    )


def main() -> int:
    texts = {FOLDER / "pipelines" / f"{pipeline.key}.yaml": written(pipeline) for pipeline in PIPELINES}
    texts[FOLDER / "catalog.yaml"] = catalog()
    stale = sorted(
        {path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text}
        | {path for path in (FOLDER / "pipelines").glob("*") if path not in texts}
    )
    for path in () if "--check" in sys.argv else stale:
        if path in texts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.unlink()
    if stale:
        print(("not up to date: " if "--check" in sys.argv else "written: ") + ", ".join(path.name for path in stale))
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
