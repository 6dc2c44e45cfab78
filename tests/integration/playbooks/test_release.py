# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup release as templates call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def look(arguments: str) -> subprocess.CompletedProcess[str]:
    """``lookup('mlops.serving.release', <arguments>)``"""
    program = Path(sys.executable).with_name("ansible")
    message = f"msg={{{{ lookup('mlops.serving.release', {arguments}) | to_json }}}}"
    return subprocess.run(
        [program, "localhost", "-m", "ansible.builtin.debug", "-a", message],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_one_entry_a_component() -> None:
    shown = look("'keda', 'kyverno', manifests='/srv', wantlist=true").stdout
    keda, kyverno = json.loads(json.loads(shown[shown.index("{") :])["msg"])
    assert keda == {
        "component": "keda",
        "version": "2.18.0",
        "src": ["/srv/keda/2.18.0/keda-2.18.0.yaml"],
        "checksum": {},
        "run_here": True,
    }
    assert kyverno["src"] == ["/srv/kyverno/1.18.2/install.yaml"]


def test_an_unusable_release_may_be_removed_and_not_installed() -> None:
    refused = look("'kserve', version='0.19.0'")
    assert refused.returncode != 0
    assert "KServe 0.19.0 refuses its own first write" in refused.stdout + refused.stderr
    assert look("'kserve', version='0.19.0', state='absent'").returncode == 0


def test_an_error_names_what_is_wrong() -> None:
    said = look("'istiod'")
    assert "is no component" in said.stdout + said.stderr


CHOSEN = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_vars: {file: "{{ roles }}/{{ item }}/{{ part }}/main.yml"}
      loop: [cert_manager, knative_serving, keda, kyverno, preflight]
      vars: {part: defaults}
    - ansible.builtin.include_vars: "{{ roles }}/preflight/vars/main.yml"
    - ansible.builtin.debug:
        msg: "{{ {'preflight': preflight_versions, 'roles': chosen} | to_json }}"
      vars:
        chosen:
          cert_manager: "{{ cert_manager_version }}"
          knative_serving: "{{ knative_serving_version }}"
          kourier: "{{ knative_serving_ingress_version }}"
          keda: "{{ keda_version }}"
          kyverno: "{{ kyverno_version }}"
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"keda": "2.18.0", "knative_serving": "1.21.1", "kourier": "1.21.0", "cert_manager": "1.17.0"}),
        ({"kserve_version": "0.18.0"}, {"keda": "2.17.3", "knative_serving": "1.21.1", "cert_manager": "1.17.0"}),
        ({"kserve_version": "v0.15.2"}, {"keda": "2.14.0", "knative_serving": "1.15.2", "cert_manager": "1.16.1"}),
        ({"knative_serving_version": "1.20.3"}, {"knative_serving": "1.20.3", "kourier": "1.20.0"}),
    ],
)
def test_one_version_of_kserve_decides_the_others_for_roles_and_preflight_alike(
    tmp_path: Path, given: dict[str, str], expected: dict[str, str]
) -> None:
    book = tmp_path / "chosen.yml"
    book.write_text(CHOSEN)
    variables = {"roles": str(ROOT / "roles"), "kserve_mode": "both", **given}
    command = [Path(sys.executable).with_name("ansible-playbook"), book, "-e", json.dumps(variables)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (line,) = [line for line in ran.stdout.splitlines() if '"msg"' in line]
    shown = json.loads(json.loads(f"{{{line}}}")["msg"])
    assert {name: shown["roles"][name] for name in expected} == expected
    assert {name: shown["preflight"][name] for name in shown["roles"]} == shown["roles"]
