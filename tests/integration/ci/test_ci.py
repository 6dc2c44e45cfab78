# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolling out from a pipeline: the shell lines of both examples, run by bash in simulate, and every exit code that they can end with."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from ansible_runs import PROGRAMS
from rollout_world import served, versions
from world import World, reconcile, run, world

__all__ = ("reconcile", "run", "served", "versions", "world")

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples" / "ci"
CANARY = "mlops.serving.rollout_canary"
OURS = ("DATABASE_URL", "DEPLOY_MODE", "DEPLOY_TIMEOUT_SECONDS", "KSERVE_", "PG", "ANSIBLE_", "K8S_AUTH_", "KUBECONFIG")
FAST = ("-e", "rollout_interval=100ms", "-e", "endpoint=demo")


@dataclass(frozen=True)
class Ended:
    code: int
    output: str
    folder: Path

    @property
    def result(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "rollout.json").read_text())
        return read

    @property
    def suite(self) -> ElementTree.Element:
        suite = ElementTree.parse(self.folder / "rollout.xml").getroot().find("testsuite")
        assert suite is not None
        return suite

    def cases(self, kind: str) -> list[str]:
        return [str(case.get("name")) for case in self.suite.findall("testcase") if case.find(kind) is not None]


Shell = Callable[..., Ended]


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Shell:
    """``shell("lines", NAME="value")``: as a job of a pipeline runs them, in a folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    fixed = {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "DATABASE_URL": world.url,
        "DEPLOY_MODE": "simulate",
        "SERVING": str(ROOT),
    }

    def call(lines: str, **environment: str) -> Ended:
        answer = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", lines],
            cwd=tmp_path,
            env={**kept, **fixed, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        return Ended(answer.returncode, answer.stdout + answer.stderr, tmp_path)

    return call


@pytest.fixture
def rollout(shell: Shell) -> Shell:
    """``rollout("-e", "model_version=2")``: the script of the examples with these options."""

    def call(*options: str, playbook: str = CANARY, **environment: str) -> Ended:
        quoted = " ".join(f"'{option}'" for option in (playbook, *FAST, *options))
        return shell(f'"$SERVING/examples/ci/rollout" {quoted}', **environment)

    return call


def github() -> tuple[str, str]:
    """Lines that install, and lines that roll out."""
    job = yaml.safe_load((EXAMPLES / "github.yml").read_text())["jobs"]["rollout"]
    steps = {step.get("name"): step for step in job["steps"]}
    return steps["Install"]["run"], steps["Roll out"]["run"]


def gitlab() -> tuple[str, str]:
    job = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())["rollout"]
    return "\n".join(job["before_script"]), "\n".join(job["script"])


def kept(example: str) -> set[str]:
    """The files that the pipeline keeps."""
    read = yaml.safe_load((EXAMPLES / f"{example}.yml").read_text())
    if example == "gitlab":
        artifacts = read["rollout"]["artifacts"]
        return {*artifacts["paths"], artifacts["reports"]["junit"]}
    step = next(one for one in read["jobs"]["rollout"]["steps"] if "upload-artifact" in one.get("uses", ""))
    return set(step["with"]["path"].split())


FILES = {"rollout.html", "rollout.json", "rollout.xml"}
STEPS = ["stage at 0 %", "1 %", "5 %", "10 %", "25 %", "50 %", "promote"]


def left(ended: Ended) -> set[str]:
    return {path.name for path in ended.folder.iterdir() if path.is_file()}


def test_a_good_version_by_the_lines_for_github(shell: Shell, world: World, served: Any, tmp_path: Path) -> None:
    assert kept("github") == FILES
    authority = tmp_path / "temporary"
    authority.mkdir()
    given = {"CLUSTER_CA": "a certificate", "RUNNER_TEMP": str(authority)}
    good = shell(github()[1], ENDPOINT="demo", MODEL_VERSION="2", **given)
    assert good.code == 0, good.output
    assert (authority / "cluster-ca.pem").read_text() == "a certificate\n"
    assert (good.result["ending"], good.result["exit_code"], good.result["endpoint"]) == ("promoted", 0, "demo")
    assert left(good) == FILES
    assert "</html>" in (good.folder / "rollout.html").read_text()
    assert good.cases("failure") == good.cases("skipped") == []
    assert [case.get("name") for case in good.suite.findall("testcase")] == STEPS
    assert "SIMULATED" in str(good.suite.get("name"))
    password = world.url.partition("@")[0].rpartition(":")[2]
    assert password not in good.output + "".join((good.folder / name).read_text() for name in FILES)


def test_a_bad_version_by_the_lines_for_gitlab(shell: Shell, served: Any) -> None:
    assert kept("gitlab") == FILES
    bad = shell(gitlab()[1], ENDPOINT="demo", MODEL_VERSION="3")
    assert bad.code == 20, bad.output
    assert "rolled_back (exit code 20)" in bad.output
    assert left(bad) == FILES, "of a rollout that failed as well"
    (failed,) = bad.cases("failure")
    assert failed.endswith(" %")
    assert bad.cases("skipped")[-1] == "promote"
    assert (bad.suite.get("tests"), bad.suite.get("failures"), bad.suite.get("errors")) == ("7", "1", "0")


@pytest.mark.parametrize("lines", [github()[0], gitlab()[0]], ids=["github", "gitlab"])
def test_what_the_examples_install(shell: Shell, tmp_path: Path, lines: str) -> None:
    """With stand-ins for pip and ansible-galaxy, as the collection is not published to where the tests run."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pip", "ansible-galaxy"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "$LOG"\n')
        (programs / name).chmod(0o755)
    log = tmp_path / "log"
    ended = shell(lines, PATH=f"{programs}:{os.environ['PATH']}", LOG=str(log))
    assert ended.code == 0, ended.output
    assert log.read_text().splitlines() == [
        "pip install ansible-core>=2.16",
        "ansible-galaxy collection install mlops.serving",
        f"pip install -r {ROOT}/requirements.txt",
    ]
    assert (ROOT / "requirements.txt").is_file()


def test_a_version_that_serves_already(rollout: Shell, served: Any, tmp_path: Path) -> None:
    ended = rollout("-e", "model_version=1", ROLLOUT_ARTIFACTS="made by/the job")
    assert ended.code == 0, ended.output
    assert "unchanged (exit code 0)" in ended.output
    told = json.loads((tmp_path / "made by" / "the job" / "rollout.json").read_text())
    assert (told["ending"], told["exit_code"]) == ("unchanged", 0)
    looked = rollout("-e", "model_version=2", "--check")
    assert (looked.code, looked.result["ending"]) == (0, "planned"), looked.output


def test_what_is_not_known_enough(rollout: Shell, served: Any) -> None:
    little = ("-e", "rollout_min_requests=100000000", "-e", "rollout_step_timeout=1s", "-e", "steps=[50]")
    held = rollout("-e", "model_version=2", *little)
    assert (held.code, held.result["ending"], held.result["rollout"]["hold"]) == (12, "inconclusive", "inconclusive")
    assert "failure" in [part.tag for case in held.suite.findall("testcase") for part in case]
    back = rollout("-e", "rollout_action=abort")
    assert (back.code, back.result["ending"]) == (0, "aborted"), back.output


def test_part_by_part_and_an_approval(rollout: Shell, served: Any) -> None:
    asked = ("-e", "model_version=2", "-e", "rollout_approvals=promote")
    part = rollout(*asked, "-e", "rollout_until=10")
    assert (part.code, part.result["ending"]) == (0, "stopped"), part.output
    assert part.cases("failure") == []
    assert part.cases("skipped") == ["25 %", "50 %", "promote"]
    waits = rollout(*asked)
    assert (waits.code, waits.result["ending"]) == (10, "waiting"), waits.output
    assert waits.cases("skipped") == ["promote"]
    other = rollout("-e", "model_version=3")
    assert (other.code, other.result["ending"]) == (30, "refused"), other.output
    assert "another rollout is active" in other.result["reason"]


def test_blue_green(rollout: Shell, served: Any) -> None:
    stage, promote = (f"mlops.serving.rollout_blue_green_{word}" for word in ("stage", "promote"))
    early = rollout(playbook=promote)
    assert (early.code, early.result["ending"]) == (30, "refused"), early.output
    assert early.result["reason"].startswith("Nothing to promote on endpoint demo")
    assert early.cases("error") == ["begin"]
    staged = rollout("-e", "model_version=2", playbook=stage)
    assert (staged.code, staged.result["ending"]) == (0, "staged"), staged.output
    for _again in ("promotes", "has promoted"):
        done = rollout(playbook=promote)
        assert (done.code, done.result["ending"]) == (0, "promoted"), done.output
        assert done.cases("skipped") == done.cases("error") == []
    back = rollout(playbook="mlops.serving.rollback")
    assert (back.code, back.result["ending"]) == (0, "promoted"), back.output


def test_what_people_type_is_a_name_and_nothing_else(shell: Shell, served: Any) -> None:
    """Neither shell, nor another variable of Ansible, nor a template of it."""
    typed = "demo rollout_action=promote $(touch one) `touch two` {{ lookup('pipe', 'touch three') }} '; touch four"
    ended = shell(gitlab()[1], ENDPOINT=typed, MODEL_VERSION="2")
    assert (ended.code, ended.result["ending"], ended.result["endpoint"]) == (30, "refused", typed), ended.output
    assert ended.cases("error") == ["begin"]
    assert "there is no such endpoint" in ended.result["reason"]
    assert left(ended) == {"rollout.json", "rollout.xml"}


def test_what_cannot_begin(rollout: Shell, world: World, served: Any) -> None:
    away = rollout("-e", "model_version=2", DATABASE_URL="postgresql://nobody:pass-word@127.0.0.1:1/none")
    assert (away.code, away.result["ending"]) == (31, "unavailable"), away.output
    assert "pass-word" not in away.output + json.dumps(away.result)
    forgotten = rollout()
    assert forgotten.code == 2, forgotten.output
    assert "model_version is not given" in forgotten.output
    assert not (forgotten.folder / "rollout.json").exists(), "not the one of the run before"


def test_a_play_that_fails_beside_its_rollout(rollout: Shell, served: Any, tmp_path: Path) -> None:
    after = tmp_path / "after.yml"
    after.write_text(json.dumps([{"name": "Fail", "ansible.builtin.fail": {"msg": "no mail"}}]))
    ended = rollout("-e", "model_version=2", "-e", "steps=[50]", "-e", f"rollout_after_tasks={after}")
    assert (ended.code, ended.result["ending"]) == (2, "promoted"), ended.output


def test_nothing_to_run(shell: Shell) -> None:
    ended = shell('"$SERVING/examples/ci/rollout"')
    assert ended.code == 64
    assert "name a playbook" in ended.output


def test_nothing_was_rolled_out(rollout: Shell) -> None:
    ended = rollout("--syntax-check")
    assert ended.code == 2
    assert f"{CANARY} has left no result" in ended.output


def test_the_table_in_the_documentation() -> None:
    """Every word and its code, in docs/ci.md and at the head of the script."""
    from ansible_collections.mlops.serving.plugins.module_utils._domain.rollout_ending import CODES

    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", (ROOT / "docs" / "ci.md").read_text(), flags=re.MULTILINE)
    assert {word: int(code) for code, word in rows} == CODES
    told = (EXAMPLES / "rollout").read_text()
    for word, code in CODES.items():
        if code >= 10:
            said = {"waiting": "waits for an approval"}.get(word, word.replace("_", " "))
            assert re.search(rf"\b{code} {said}\b", told), word
