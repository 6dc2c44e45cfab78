# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kyverno's command line on the guardrails' files, without a cluster: tests/policies says what passes, fails and is skipped."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.cluster import gobuild, groups, parts
from tools.cluster.layout import Home

from .conftest import ROOT

pytestmark = pytest.mark.groups("kyverno-cli")

TESTS = ROOT / "tests" / "policies"
POLICIES = ROOT / "deploy" / "k8s" / "policies" / "kyverno"
FILES = ("validate-kserve-rollout-tenants.yaml", "validate-kserve-rollout-tenants-legacy.yaml")


@pytest.fixture(scope="module")
def kyverno() -> Path:
    home = Home.from_environment()
    parts.build(home, groups.closure(["kyverno-cli"]))
    return gobuild.path_of(home, "kubectl-kyverno")


def run(kyverno: Path, *words: str) -> tuple[int, str]:
    command = [str(kyverno), *words, "--remove-color"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("form", ["validating_policy", "cluster_policy"])
def test_what_passes_fails_and_is_skipped(kyverno: Path, form: str) -> None:
    file = TESTS / form / "kyverno-test.yaml"
    code, said = run(kyverno, "test", str(file.parent), "--require-tests")
    expected = sum(len(one["resources"]) for one in yaml.safe_load(file.read_text())["results"])
    assert code == 0, said
    assert f"{expected} tests passed and 0 tests failed" in said


@pytest.mark.parametrize("form", ["validating_policy", "cluster_policy"])
def test_nothing_is_left_out(form: str) -> None:
    """Each resource has an outcome, of each rule where there are rules, and all three outcomes occur."""
    resources = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        for one in yaml.safe_load_all((TESTS / "resources.k8s").read_text())
    }
    results = yaml.safe_load((TESTS / form / "kyverno-test.yaml").read_text())["results"]
    named: dict[str, list[str]] = {}
    for one in results:
        named.setdefault(one.get("rule", ""), []).extend(one["resources"])
    policy = yaml.safe_load((POLICIES / FILES[form == "cluster_policy"]).read_text())
    assert set(named) == {rule["name"] for rule in policy["spec"].get("rules", [{"name": ""}])}
    for rule, told in named.items():
        assert sorted(told) == sorted(resources), rule
    assert {one["result"] for one in results} == {"pass", "fail", "skip"}


def test_both_forms_say_the_same(kyverno: Path) -> None:
    """Also of the old form predictor.triton, which KServe rewrites before a policy on a cluster sees it."""
    told = []
    for file in FILES:
        words = ("apply", str(POLICIES / file), "-r", str(TESTS / "resources.k8s"), "-f", str(TESTS / "values.yaml"))
        _code, said = run(kyverno, *words)
        refused = re.findall(
            r"resource tenant/InferenceService/(\S+) failed:\n1 -\s+(?:[a-z-]+ )?(?=[a-zA-Z.]+ )(.*)", said
        )
        told.append(dict(refused))
    assert told[0] == told[1]
    assert len(told[0]) == 12
    assert told[0]["bad-old-form-v1"] == (
        "Triton answers protocol v2 only, and spec.predictor.triton.protocolVersion is v1: write protocolVersion: v2"
    )
