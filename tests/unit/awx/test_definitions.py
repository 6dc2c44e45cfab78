# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""extensions/awx against the options of awx.awx's modules, against one another, and against the playbooks that they start."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from awx.definitions import ROOT, by_name, definitions
from awx.jobs import check_answer, inject

TABLE = json.loads((Path(__file__).parent / "awx_options.json").read_text())
MODULES = {
    "controller_projects": "project",
    "controller_execution_environments": "execution_environment",
    "controller_inventories": "inventory",
    "controller_hosts": "host",
    "controller_credential_types": "credential_type",
    "controller_credentials": "credential",
    "controller_templates": "job_template",
    "controller_workflows": "workflow_job_template",
    "controller_schedules": "schedule",
}
TYPES = {"bool": bool, "int": int, "dict": dict, "list": list, "str": str}
QUESTIONS = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}
DEFINED = definitions()
TEMPLATES = by_name(DEFINED["controller_templates"])
SHARED = "playbooks/tasks/rollout.yml"
# Variables of a playbook that are not in its own text: those of the roles that it runs.
ROLES = {
    "rollout_canary": ["rollout"],
    "rollout_ab": ["rollout"],
    "rollout_blue_green_stage": ["rollout"],
    "rollout_blue_green_promote": ["rollout"],
    "rollback": ["rollout"],
    "upload_triton": ["triton_repository"],
    "install_kserve": ["kserve"],
}


def check_options(module: str, given: dict[str, Any]) -> None:
    known = TABLE["modules"][module]
    for name, value in given.items():
        assert name in known, f"awx.awx.{module} has no option {name}"
        said = known[name]
        assert isinstance(value, TYPES[said.get("type", "str")]), f"{module}.{name}: {value!r}"
        if "choices" in said:
            assert value in said["choices"], f"{module}.{name}: {value!r}"
    missing = [name for name, said in known.items() if said.get("required") and name not in given]
    assert not missing, f"awx.awx.{module} wants {missing}"


@pytest.mark.parametrize(
    ("module", "given"),
    [
        pytest.param(MODULES[listed], one, id=f"{MODULES[listed]}-{one['name']}")
        for listed in MODULES
        for one in DEFINED[listed]
    ],
)
def test_every_option_is_one_of_awx(module: str, given: dict[str, Any]) -> None:
    # Its nodes are options of a module of their own.
    check_options(module, {name: value for name, value in given.items() if name != "simplified_workflow_nodes"})


def test_every_list_is_known() -> None:
    assert set(DEFINED) == set(MODULES)


def test_nodes() -> None:
    for workflow in DEFINED["controller_workflows"]:
        nodes = {node["identifier"]: node for node in workflow["simplified_workflow_nodes"]}
        ways = ("success_nodes", "failure_nodes", "always_nodes")
        reached = {name for node in nodes.values() for way in ways for name in node.get(way, ())}
        assert reached <= set(nodes)
        assert len(set(nodes) - reached) == 1, "it begins in one place"
        for node in nodes.values():
            check_options("workflow_job_template_node", {**node, "workflow_job_template": workflow["name"]})
            assert ("approval_node" in node) != ("unified_job_template" in node)
            if "approval_node" in node:
                assert set(node["approval_node"]) == {"name", "description", "timeout"}
                assert node["approval_node"]["timeout"] > 0, "traffic would stay split for ever"
                assert node["failure_nodes"] == ["abort"]
            else:
                check_data(node["unified_job_template"], node.get("extra_data", {}))
        for name in (*workflow["extra_vars"], *(q["variable"] for q in workflow["survey_spec"]["spec"])):
            # They would overrule what a node says.
            assert all(name not in node.get("extra_data", {}) for node in nodes.values()), name


def test_schedules() -> None:
    for schedule in DEFINED["controller_schedules"]:
        check_data(schedule["unified_job_template"], schedule["extra_data"])
        assert re.fullmatch(r"DTSTART:\d{8}T\d{6}Z RRULE:FREQ=(MINUTELY|DAILY);INTERVAL=\d+", schedule["rrule"])


def check_data(template: str, data: dict[str, Any]) -> None:
    """A controller refuses what no survey asks for."""
    asked = {question["variable"]: question for question in TEMPLATES[template]["survey_spec"]["spec"]}
    for name, value in data.items():
        check_answer(asked[name], value)


def test_references() -> None:
    names = {MODULES[listed]: set(by_name(DEFINED[listed])) for listed in MODULES}
    for template in TEMPLATES.values():
        assert template["project"] in names["project"]
        assert template["inventory"] in names["inventory"]
        assert template["execution_environment"] in names["execution_environment"]
        assert set(template["credentials"]) <= names["credential"]
        assert (ROOT / template["playbook"]).is_file()
    for credential in DEFINED["controller_credentials"]:
        own = "OpenShift or Kubernetes API Bearer Token"
        assert credential["credential_type"] in {*names["credential_type"], own}
        assert "inputs" not in credential, "secrets are no part of definitions"


def surveys() -> list[Any]:
    made = [*DEFINED["controller_templates"], *DEFINED["controller_workflows"]]
    return [pytest.param(one, id=one["name"]) for one in made if "survey_spec" in one]


@pytest.mark.parametrize("made", surveys())
def test_surveys(made: dict[str, Any]) -> None:
    assert made["survey_enabled"]
    assert set(made["survey_spec"]) == {"name", "description", "spec"}
    names = [question["variable"] for question in made["survey_spec"]["spec"]]
    assert len(set(names)) == len(names)
    for question in made["survey_spec"]["spec"]:
        assert question["type"] in QUESTIONS
        assert question["question_name"]
        assert isinstance(question["required"], bool)
        if question["default"] != "":
            check_answer(question, question["default"])


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_what_is_asked_is_what_the_playbook_reads(template: dict[str, Any]) -> None:
    playbook = Path(template["playbook"]).stem
    text = (ROOT / template["playbook"]).read_text()
    if SHARED.partition("/")[2] in text:
        text += (ROOT / SHARED).read_text()
    specs: dict[str, Any] = {}
    for role in ROLES.get(playbook, []):
        read = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
        specs.update(read["argument_specs"]["main"]["options"])
    words = set(re.findall(r"\w+", re.sub(r"^#.*$", "", text, flags=re.MULTILINE)))
    between = set(re.findall(r"\w+", json.dumps(list(template["extra_vars"].values()))))
    for question in (template.get("survey_spec") or {"spec": []})["spec"]:
        name = question["variable"]
        assert name in words | set(specs) | between, f"{playbook} does not read {name}"
        allowed = specs.get(name, {}).get("choices")
        if allowed:
            assert set(question["choices"]) <= set(allowed), name
    for name in template["extra_vars"]:
        assert name in words | set(specs), f"{playbook} does not read {name}"


@pytest.mark.parametrize(
    ("template", "variable", "module", "option"),
    [
        ("Serving: A/B", "winner", "rollout", "winner"),
        ("Serving: dead letters, show", "letters", "dead_letter_info", "state"),
        ("Serving: dead letters, end", "state", "dead_letter", "state"),
    ],
)
def test_choices_are_those_of_the_module(template: str, variable: str, module: str, option: str) -> None:
    spec = importlib.import_module(f"ansible_collections.mlops.serving.plugins.modules.{module}").SPEC
    asked = {question["variable"]: question for question in TEMPLATES[template]["survey_spec"]["spec"]}
    assert set(asked[variable]["choices"]) == set(spec.options[option]["choices"])


def test_what_the_credentials_give_to_a_job(tmp_path: Path) -> None:
    types = by_name(DEFINED["controller_credential_types"])
    keys = {"endpoint_url": "https://s3", "access_key": "A", "secret_key": "S"}
    assert inject(types["Serving: store"], {"database_url": "postgresql://x"}, tmp_path) == (
        {"DATABASE_URL": "postgresql://x"},
        {},
    )
    assert inject(types["Serving: S3"], keys, tmp_path)[0] == {
        "AWS_ENDPOINT_URL": "https://s3",
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "S",
        "AWS_REGION": "us-east-1",
    }
    assert inject(types["Serving: NATS"], {"nats_url": "nats://x"}, tmp_path) == ({"NATS_URL": "nats://x"}, {})
    given = inject(types["Serving: NATS with credentials"], {"nats_url": "tls://x", "credentials": "jwt\n"}, tmp_path)
    assert given[0] == {"NATS_URL": "tls://x"}
    assert Path(given[1]["nats_credentials_file"]).read_text() == "jwt\n"
    for made in types.values():
        fields = {field["id"] for field in made["inputs"]["fields"]}
        assert set(made["inputs"]["required"]) <= fields
        assert all(len(made["name"]) < 64 for made in types.values())
