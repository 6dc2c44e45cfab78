# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardrails' plain files are what the role applies by default, to the letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "serving_guardrails"
FILES = ROOT / "deploy" / "k8s" / "policies" / "kyverno"
PAIRS = [
    ("validating_policy.yaml.j2", "validate-kserve-rollout-tenants.yaml"),
    ("cluster_policy.yaml.j2", "validate-kserve-rollout-tenants-legacy.yaml"),
]


def rendered(template: str, **changes: Any) -> str:
    # As Ansible sets Jinja up.
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters["to_json"] = json.dumps
    variables = {**yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()), **changes}
    return environment.from_string((ROLE / "templates" / template).read_text()).render(variables)


@pytest.mark.parametrize(("template", "file"), PAIRS)
def test_the_file_is_the_template_with_the_defaults(template: str, file: str) -> None:
    assert (FILES / file).read_text() == rendered(template), (
        f"render roles/serving_guardrails/templates/{template} into {file}"
    )


@pytest.mark.parametrize(("template", "file"), PAIRS)
def test_variables_change_what_they_name_and_nothing_else(template: str, file: str) -> None:
    changed = rendered(
        template,
        serving_guardrails_action="Audit",
        serving_guardrails_failure_policy="Ignore",
        serving_guardrails_tenant_label="example.com/customer",
        serving_guardrails_tenant_value=True,  # written without quotes
        serving_guardrails_triton_runtimes=["kserve-tritonserver", "our-triton"],
    )
    before, after = (FILES / file).read_text().splitlines(), changed.splitlines()
    pairs = [(old.strip(), new.strip()) for old, new in zip(before, after, strict=True) if old != new]
    assert ('mlops-saas.io/tenant: "true"', 'example.com/customer: "true"') in pairs
    assert ("failurePolicy: Fail", "failurePolicy: Ignore") in pairs
    assert any("Audit" in new and ("Deny" in old or "Enforce" in old) for old, new in pairs)
    assert any("our-triton" in new for _old, new in pairs)
    assert len(pairs) == 4


def test_templates_and_files_are_all_there_are() -> None:
    assert {path.name for path in (ROLE / "templates").iterdir()} == {template for template, _file in PAIRS}
    assert {path.name for path in FILES.iterdir()} == {file for _template, file in PAIRS}
