# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role deploy_worker says in several places is the same in all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster_rights import RIGHTS
from ansible_collections.mlops.serving.plugins.module_utils._domain.components import KINDS

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "deploy_worker"
# Of a roll-out that reads the pods' counters; a worker carries out none.
NOT_A_WORKERS = {("", "pods/proxy", "get")}


def load(path: str) -> Any:
    return yaml.safe_load((ROLE / path).read_text())


def triples(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_rights_are_those_that_deploying_needs_and_no_more() -> None:
    needed = {(group, resource, verb) for verbs, group, resource, _why in RIGHTS for verb in verbs}
    assert triples(load("vars/main.yml")["__deploy_worker_rules"]) == needed - NOT_A_WORKERS


def test_only_kserves_version_and_configuration_are_read_beside_them() -> None:
    rules = load("vars/main.yml")["__deploy_worker_kserve_rules"]
    assert triples(rules) == {("", "configmaps", "get"), ("apps", "deployments", "get")}
    assert [rule["resourceNames"] for rule in rules] == [["inferenceservice-config"], list(KINDS["kserve"].main)]


def test_every_variable_is_described_with_its_default() -> None:
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = load("defaults/main.yml")
    assert options.keys() == defaults.keys()
    secret = {name for name, option in options.items() if option.get("no_log")}
    assert secret == {"deploy_worker_database_url", "deploy_worker_nats_url", "deploy_worker_secrets"}
    # Ansible shows the specification, with what its templates come to, where an argument is wrong.
    assert [name for name in secret if "lookup" in str(options[name].get("default"))] == []
    for name in options.keys() - secret:
        # A template does not give a number to every release of Ansible, so such a default is left out.
        left_out = options[name]["type"] == "int" and "{{" in str(defaults[name])
        assert options[name].get("default", "none") == ("none" if left_out else defaults[name]), name


def test_the_rulebook_takes_the_variables_that_the_role_gives() -> None:
    (ruleset,) = yaml.safe_load((ROOT / "extensions/eda/rulebooks/deploy_worker.yml").read_text())
    source = ruleset["sources"][0]["mlops.serving.jetstream"]
    given = load("vars/main.yml")["__deploy_worker_given_files"].keys() - {"kubeconfig"}
    assert given == {f"nats_{name}" for name in source if name.endswith("_file")}
    for name in given:
        assert source[name.removeprefix("nats_")].startswith(f"{{{{ {name} |")


def test_the_worker_takes_from_the_rulebook_what_it_takes_at_all() -> None:
    (ruleset,) = yaml.safe_load((ROOT / "extensions/eda/rulebooks/deploy_worker.yml").read_text())
    passed = ruleset["rules"][0]["action"]["run_playbook"]["extra_vars"]
    worker = (ROOT / "playbooks/worker.yml").read_text()
    assert len(passed) >= 8
    assert [name for name in passed if f"{name} | default(" not in worker] == []
