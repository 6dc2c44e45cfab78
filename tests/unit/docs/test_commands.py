# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README.md and docs/ tell people to type is there, takes what it is given, and is run by a test that this table names."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROLLOUTS = "tests/integration/playbooks/test_rollouts.py"

# How a command begins, the file whose test runs it, and what that file calls it.
RUN = {
    "make demo": ("tools/dev/demo-twice", "make --no-print-directory demo"),
    "ansible-galaxy collection install mlops.serving": ("tools/dev/environments.py", "ansible-galaxy"),
    "pip install -r": ("tools/dev/environments.py", "requirements"),
    "ansible-playbook mlops.serving.install_kserve": ("tests/cluster/test_install.py", "install_kserve"),
    "ansible-playbook mlops.serving.rollout_canary": (ROLLOUTS, "rollout_canary"),
    "ansible-playbook mlops.serving.rollout_ab": (ROLLOUTS, "rollout_ab"),
    "ansible-playbook mlops.serving.rollout_blue_green_stage": (ROLLOUTS, "rollout_blue_green_stage"),
    "ansible-playbook mlops.serving.rollout_blue_green_promote": (ROLLOUTS, "rollout_blue_green_promote"),
    "ansible-playbook mlops.serving.rollback": (ROLLOUTS, "rollback"),
    "ansible-playbook mlops.serving.deploy_worker -e deploy_worker_run_as=systemd": (
        "tests/integration/worker_role/test_systemd.py",
        "systemd",
    ),
    "ansible-playbook mlops.serving.deploy_worker -e deploy_worker_run_as=kubernetes": (
        "tests/cluster/test_worker_role.py",
        "mlops.serving.deploy_worker",
    ),
    "ansible-playbook mlops.serving.deploy_worker": (
        "tests/integration/worker_role/test_foreground.py",
        "deploy_worker",
    ),
    "ansible-playbook mlops.serving.worker": (
        "tests/integration/playbooks/test_worker_logs.py",
        "mlops.serving.worker",
    ),
    "ansible-playbook mlops.serving.dead_letters": (
        "tests/integration/playbooks/test_dead_letters.py",
        "mlops.serving.dead_letters",
    ),
    "ansible-playbook mlops.serving.controller_setup": (
        "tests/integration/awx/test_controller_setup.py",
        "controller_setup",
    ),
    "ansible-playbook mlops.serving.dev_stack": ("tests/integration/docs/test_first_endpoint.py", "dev_stack"),
    "ansible-playbook mlops.serving.upload_triton": ("tests/integration/docs/test_first_endpoint.py", "typed[-1]"),
    "ansible-playbook first.yml": ("tests/integration/docs/test_first_endpoint.py", "first.yml"),
    "ansible localhost -m mlops.serving.endpoint_": ("tests/integration/docs/test_first_endpoint.py", "commands()"),
    "ansible localhost -m mlops.serving.deploy_request": (
        "tests/integration/events/test_deploy_request.py",
        "deploy_request",
    ),
    "ansible localhost -m mlops.serving.serving_info": ("tests/cluster/test_adapter_kserve.py", "serving_info"),
    "examples/ci/rollout": ("tests/integration/ci/test_ci.py", "examples"),
    "python3 kubeflow/steps/rollout.py": ("tests/integration/kubeflow/test_steps.py", "rollout"),
}
# What no test of this project can run, and why.
NOT_RUN = {
    "make images": "needs Docker or Podman; its dependency sets are installed and imported by `make environments`",
    "ansible-builder build": "the same",
    "journalctl": "reads the journal of a machine whose systemd runs the unit",
    "kubectl -n $RUN_NAMESPACE create secret": "kubectl's own, in the namespace of Kubeflow's runs",
    ". ~/.local/share/mlops-dev-stack/env": "the shell's own; tests/integration/dev_stack reads the file",
    "export": "the shell's own",
}


SUBJECTS = {"deploy_requested", "delete_requested"}  # of events


def commands() -> list[tuple[str, str]]:
    """Page and line of all that is to be typed, continued lines in one, without a prompt and the variables before it."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            lines = block.replace("\\\n", " ").splitlines()
            prompted = [line[2:] for line in lines if line.startswith(("$ ", "# "))]
            for line in prompted or [line for line in lines if line]:
                typed = re.sub(r"^([A-Z_]+=\S+ )+", "", " ".join(line.partition("  #")[0].split()))
                found.append((page.name, typed))
    return found


COMMANDS = commands()
PLAYBOOKS = [line for _page, line in COMMANDS if line.startswith("ansible-playbook mlops.serving.")]


def begins(line: str, known: dict[str, object]) -> list[str]:
    return [start for start in known if line == start or line.startswith(start)]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_test_runs_it(page: str, line: str) -> None:
    runs, reasons = begins(line, dict(RUN)), begins(line, dict(NOT_RUN))
    assert runs or reasons, f"{page}: name the test that runs it, in RUN"
    for start in runs:
        file, name = RUN[start]
        assert name in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not run {start}"


def test_what_nobody_is_told_to_type_is_in_no_table() -> None:
    for start in (*RUN, *NOT_RUN):
        assert any(line.startswith(start) for _page, line in COMMANDS), start


def accepted(playbook: str) -> str:
    """All text that says what a playbook takes: its own, that of its tasks, and what its roles declare."""
    folder = ROOT / "playbooks"
    text = (folder / f"{playbook}.yml").read_text(encoding="utf-8")
    for name in re.findall(r"import_playbook: (?:mlops\.serving\.)?(\w+)", text):
        text += accepted(name)
    for name in set(re.findall(r"tasks/(\w+)\.yml", text)):
        text += (folder / "tasks" / f"{name}.yml").read_text(encoding="utf-8")
    for name in set(re.findall(r"mlops\.serving\.(\w+)", text)):
        specs = ROOT / "roles" / name / "meta" / "argument_specs.yml"
        if specs.exists():
            options = yaml.safe_load(specs.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
            text += " ".join(options)
    return text


@pytest.mark.parametrize("line", PLAYBOOKS)
def test_a_playbook_takes_what_it_is_given(line: str) -> None:
    words = shlex.split(line.partition(" | ")[0], comments=True)
    text = accepted(words[1].removeprefix("mlops.serving."))
    for given in (after for word, after in itertools.pairwise(words) if word == "-e"):
        if given.startswith("@"):
            continue
        names = list(json.loads(given)) if given.startswith("{") else [given.partition("=")[0]]
        for name in names:
            assert re.search(rf"\b{name}\b", text), f"{words[1]} knows no variable {name}"


def known_names() -> set[str]:
    """Modules, playbooks, roles, filters and rulebooks by their names in the collection."""
    python = [*(ROOT / "plugins").glob("*/*.py"), *(ROOT / "extensions" / "eda" / "plugins").glob("*/*.py")]
    other = [*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml")]
    filters = {
        match
        for file in (ROOT / "plugins" / "filter").glob("*.py")
        for match in re.findall(r'"(\w+)":', file.read_text(encoding="utf-8"))
    }
    return {path.stem for path in (*python, *other)} | {path.name for path in (ROOT / "roles").iterdir()} | filters


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_is_one_of_the_collection(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![/\w.])mlops\.serving\.(\w+)\b(?!\.)", text))
    assert named - SUBJECTS <= known_names()


def test_every_target_of_make_is_there() -> None:
    files = [ROOT / "Makefile", *(ROOT / "tools").glob("*/*.mk")]
    rules = [re.findall(r"^([a-z][a-z -]*):(?!=)", file.read_text(encoding="utf-8"), re.MULTILINE) for file in files]
    targets = {name for found in rules for rule in found for name in rule.split()}
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)[ `]", page.read_text(encoding="utf-8")))
        assert named <= targets, page.name
