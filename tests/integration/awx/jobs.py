# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs job templates and workflows through ansible-runner, with what a controller gives to a job and nothing else.

The controller's rules that count here: variables of the template are the weakest, then the survey's defaults, then what is given at launch
or by a workflow's node, and what the workflow itself was started with is the strongest. A variable that no survey asks for is not taken
unless the template takes any (``ask_variables_on_launch``). Injectors of the credentials become environment, files and variables.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from .definitions import ROOT, by_name

Values = Mapping[str, Any]
# What a job's container has, and what this machine's shell must not add to it.
_PLAIN = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Job:
    """:param warnings: what Ansible warned of, such as variables of a name that it reserves"""

    status: str
    output: str
    stats: Values

    @property
    def changed(self) -> int:
        return sum((self.stats.get("changed") or {}).values())


@dataclass
class Controller:
    """
    :param secrets: inputs by name of the credential
    :param extra: variables of the inventory beside those of its definition
    """

    definitions: dict[str, list[dict[str, Any]]]
    folder: Path
    secrets: Mapping[str, Values]
    extra: Values = field(default_factory=dict)
    count: int = 0

    def launch(self, template: str, answers: Values | None = None, above: Values | None = None) -> Job:
        """:param above: variables of the workflow that runs it"""
        made = by_name(self.definitions["controller_templates"])[template]
        asked = {question["variable"]: question for question in (made.get("survey_spec") or {"spec": []})["spec"]}
        for name, value in (answers or {}).items():
            if not made["ask_variables_on_launch"]:
                assert name in asked, f"{template}: the controller refuses {name} on launch"
                check_answer(asked[name], value)
        missing = [
            name
            for name, q in asked.items()
            if q["required"] and not q.get("default") and name not in {**(answers or {}), **(above or {})}
        ]
        assert not missing, f"{template}: the controller asks for {missing}"
        defaults = {name: _default(question) for name, question in asked.items()}
        return self.run(made, {**made["extra_vars"], **defaults, **(answers or {}), **(above or {})})

    def run(self, made: Values, variables: Values) -> Job:
        self.count += 1
        private = self.folder / f"job-{self.count}"
        project = private / "project"
        for part in ("playbooks", "examples/triton"):
            shutil.copytree(ROOT / part, project / part)
        environment, injected = self._injected(made["credentials"], private / "secrets")
        job = {"awx_job_id": self.count, "awx_user_name": "amy", "awx_job_template_name": made["name"]}
        inventory = self._inventory(made["inventory"])
        fixed = {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
            "ANSIBLE_FORCE_COLOR": "False",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "JOB_ID": str(self.count),
        }
        write(private / "env" / "envvars", {**fixed, **environment})
        write(private / "env" / "extravars", {**variables, **injected, **job})
        write(private / "env" / "settings", {"suppress_env_files": False, "job_timeout": 120})
        write(private / "inventory" / "hosts.json", inventory)
        kept = {name: os.environ[name] for name in _PLAIN if name in os.environ}
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(kept)
        try:
            ran = ansible_runner.run(
                private_data_dir=str(private), playbook=made["playbook"], quiet=True, ident=f"{self.count}"
            )
        finally:
            os.environ.clear()
            os.environ.update(before)
        output = (private / "artifacts" / f"{self.count}" / "stdout").read_text()
        return Job(ran.status, output, ran.stats or {})

    def _inventory(self, name: str) -> dict[str, Any]:
        made = by_name(self.definitions["controller_inventories"])[name]
        hosts = {
            host["name"]: host["variables"]
            for host in self.definitions["controller_hosts"]
            if host["inventory"] == name
        }
        return {"all": {"vars": {**made["variables"], **self.extra}, "hosts": hosts}}

    def _injected(self, names: list[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
        environment: dict[str, str] = {}
        variables: dict[str, str] = {}
        types = by_name(self.definitions["controller_credential_types"])
        for name in names:
            credential = by_name(self.definitions["controller_credentials"])[name]
            inputs = self.secrets.get(name, {})
            made = types.get(credential["credential_type"])
            if made is None:
                environment.update(_kubernetes(inputs))
                continue
            given = inject(made, inputs, folder)
            environment.update(given[0])
            variables.update(given[1])
        return environment, variables

    def start(self, workflow: str, answers: Values, decide: Callable[[str], bool]) -> tuple[list[str], list[Job]]:
        """The nodes that were reached, in their order, and the jobs of those that were jobs."""
        made = by_name(self.definitions["controller_workflows"])[workflow]
        for question in made["survey_spec"]["spec"]:
            if question["variable"] in answers:
                check_answer(question, answers[question["variable"]])
        defaults = {q["variable"]: _default(q) for q in made["survey_spec"]["spec"]}
        above = {**made["extra_vars"], **defaults, **answers}
        nodes = {node["identifier"]: node for node in made["simplified_workflow_nodes"]}
        following = {
            name
            for node in nodes.values()
            for way in ("success", "failure", "always")
            for name in node.get(f"{way}_nodes", ())
        }
        waiting = [name for name in nodes if name not in following]
        reached: list[str] = []
        jobs: list[Job] = []
        while waiting:
            name = waiting.pop(0)
            node = nodes[name]
            reached.append(name)
            if "approval_node" in node:
                good = decide(name)
            else:
                job = self.launch(node["unified_job_template"], node.get("extra_data"), above)
                jobs.append(job)
                good = job.status == "successful"
            waiting += [*node.get("success_nodes" if good else "failure_nodes", ()), *node.get("always_nodes", ())]
        return reached, jobs


def inject(kind: Values, inputs: Values, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Environment and variables that a credential of this type gives to a job; its files are written to ``folder``."""
    fields = {made["id"]: made.get("default", "") for made in kind["inputs"]["fields"]}
    values = {**fields, **inputs}
    missing = [name for name in kind["inputs"]["required"] if not values.get(name)]
    assert not missing, f"the controller starts no job: {missing} of {kind['name']} is not filled in"
    injectors = kind["injectors"]
    for name, text in injectors.get("file", {}).items():
        path = folder / name
        write(path, _render(text, values))
        values[f"tower.filename.{name.removeprefix('template.')}"] = str(path)
    rendered = {
        part: {name: _render(text, values) for name, text in injectors.get(part, {}).items()}
        for part in ("env", "extra_vars")
    }
    return rendered["env"], rendered["extra_vars"]


def check_answer(question: Values, value: Any) -> None:
    """What the controller refuses as an answer."""
    kind, name = question["type"], question["variable"]
    if kind == "multiplechoice":
        assert value in question["choices"], f"{name}: {value} is none of {question['choices']}"
    elif kind == "multiselect":
        assert isinstance(value, list), name
        assert set(value) <= set(question["choices"]), f"{name}: {value}"
    elif kind == "integer":
        assert isinstance(value, int), name
        assert question["min"] <= value <= question["max"], f"{name}: {value}"
    else:
        assert isinstance(value, str), f"{name} is text"


def _default(question: Values) -> Any:
    if question["type"] == "multiselect":
        return [part for part in str(question["default"]).split("\n") if part]
    return question["default"]


def _render(text: str, values: Values) -> str:
    return re.sub(r"\{\{ ([\w.]+) \}\}", lambda match: str(values[match[1]]), text)


def _kubernetes(inputs: Values) -> dict[str, str]:
    """What the controller's own type OpenShift or Kubernetes API Bearer Token gives to a job."""
    if not inputs:
        return {}
    return {
        "K8S_AUTH_HOST": inputs["host"],
        "K8S_AUTH_API_KEY": inputs["bearer_token"],
        "K8S_AUTH_VERIFY_SSL": str(inputs["verify_ssl"]),
    }


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
