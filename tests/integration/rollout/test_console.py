"""The action plugin of module rollout: its lines in the console, while the task goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rollout_world import FAST
from waiting import until

ROOT = Path(__file__).resolve().parents[3]
OURS = ("DATABASE_URL", "DEPLOY_MODE", "DEPLOY_TIMEOUT_SECONDS", "KSERVE_", "PG", "ANSIBLE_", "K8S_AUTH_", "KUBECONFIG")
CLOCK = r"\d\d:\d\d:\d\d  "
# A connection plugin that is the local one by another name: to Ansible it is another machine.
ELSEWHERE = """
DOCUMENTATION = '''
name: elsewhere
short_description: local, by another name
description: [for a test]
author: [tests]
extends_documentation_fragment: [connection_pipelining]
'''
from ansible.plugins.connection.local import Connection as Local


class Connection(Local):
    transport = "elsewhere"
"""


class Play:
    """A playbook with one task in a process of its own; its output is read as it comes."""

    def __init__(self, folder: Path, database: str, play: dict[str, Any], *arguments: str, **environment: str) -> None:
        play = {"hosts": "all", "gather_facts": False, "vars": {"ansible_python_interpreter": sys.executable}, **play}
        book = folder / "play.yml"
        book.write_text(yaml.safe_dump([play]))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", book, *arguments],
            cwd=ROOT,
            # Into a pipe Ansible writes when its buffer is full, unless Python is told not to keep one.
            env={**kept, "DATABASE_URL": database, "DEPLOY_MODE": "simulate", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def read_until(self, pattern: str) -> str:
        """The output so far, as soon as a line of it matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if re.search(pattern, line):
                return self.output
        raise AssertionError(f"ended without {pattern!r}: {self.output}")

    def end(self) -> str:
        self.output += self.process.communicate(timeout=90)[0]
        return self.output


@pytest.fixture
def play(tmp_path: Path, database: str) -> Iterator[Callable[..., Play]]:
    """``play(task_arguments, task keywords=...)``."""
    started: list[Play] = []

    def begin(task: dict[str, Any], *arguments: str, keywords: dict[str, Any] | None = None, **more: Any) -> Play:
        module = {"mlops.serving.rollout": {**FAST, "endpoint": "demo", "model_version": "2", **task}}
        whole = {"tasks": [{"name": "Roll out", **module, **(keywords or {})}], **more.pop("of_play", {})}
        started.append(Play(tmp_path, database, whole, *arguments, **more))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.communicate()


@pytest.fixture
def silent(world: Any, served: dict[str, str]) -> Callable[[], None]:
    """Nobody asks any version, so that a rollout waits at its first step until this is called."""
    world.sql("""update model_versions set metrics = jsonb_set(metrics, '{simulate,rps}', '0')""")
    return lambda: world.sql("""update model_versions set metrics = jsonb_set(metrics, '{simulate,rps}', '3000')""")


def rollout(world: Any) -> dict[str, Any]:
    found: dict[str, Any] = world.one(
        "select r.*, d.lease_owner from serving.rollout r join serving.deployment d using (endpoint_id)"
    )
    return found


def test_lines_come_while_the_task_goes_on(world: Any, silent: Any, play: Any, tmp_path: Path) -> None:
    one = play({"steps": [20, 50]}, ANSIBLE_LOCAL_TEMP=str(tmp_path / "local"))
    shown = one.read_until(rf"^{CLOCK}raise +20 %")
    assert re.search(rf"^{CLOCK}demo   version 1 -> 2   canary 20, 50, then promote", shown, re.M)
    assert rollout(world)["finished_at"] is None
    (file,) = tmp_path.glob("local/**/*.progress")
    assert file.stat().st_mode & 0o777 == 0o600
    silent()
    shown = one.end()
    assert one.process.returncode == 0, shown
    assert re.search(rf"^{CLOCK}promoted", shown, re.M)
    assert "changed: [localhost]" in shown
    assert "progress" not in shown
    assert len(re.findall(rf"^{CLOCK}promoted", shown, re.M)) == 1
    assert not file.exists()


def test_a_timeout_ends_the_run_and_not_the_rollout(world: Any, silent: Any, play: Any) -> None:
    shown = play({"steps": [20, 50]}, keywords={"timeout": 12}).end()
    assert re.search(rf"^{CLOCK}raise +20 %", shown, re.M), shown
    assert "the rollout of demo stays where it is: run the task again to go on" in shown
    state = rollout(world)
    assert (state["finished_at"], state["lease_owner"]) == (None, None)
    silent()
    again = play({"steps": [20, 50]}).end()
    assert re.search(rf"^{CLOCK}promoted", again, re.M), again
    raised = world.sql("select written from serving.rollout_event where kind = 'raised' order by id")
    assert [event["written"]["canaryTrafficPercent"] for event in raised] == [20, 50], "it goes on where it was"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_from_outside(world: Any, silent: Any, play: Any, number: signal.Signals) -> None:
    one = play({"steps": [20, 50]})
    one.read_until(rf"^{CLOCK}raise +20 %")
    os.kill(one.process.pid, number)
    shown = one.end()
    assert one.process.returncode != 0
    assert "the rollout of demo stays where it is" in shown
    until(lambda: rollout(world)["lease_owner"] is None, 40)
    assert rollout(world)["finished_at"] is None


def test_on_another_machine_they_come_at_the_end(served: Any, play: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    shown = play({}, "-c", "elsewhere", ANSIBLE_CONNECTION_PLUGINS=str(tmp_path)).end()
    assert re.search(rf"^{CLOCK}promoted", shown, re.M), shown
    assert "changed: [localhost]" in shown


def test_it_is_a_task_like_any_other(world: Any, served: Any, play: Any) -> None:
    module = {"mlops.serving.rollout": {**FAST, "endpoint": "{{ item | default('demo') }}", "model_version": "2"}}
    tasks = [
        {"name": "Checked", **module, "check_mode": True},
        {"name": "Hidden", **module, "no_log": True},
        {"name": "Later", **module, "async": 60, "poll": 5},
        {"name": "Looped", **module, "loop": ["demo"]},
        {"name": "Delegated", **module, "delegate_to": "localhost"},
    ]
    for task, step in zip(tasks[1:], ("1", "5", "10", "25"), strict=True):
        task["mlops.serving.rollout"] = {**module["mlops.serving.rollout"], "until": step}
    shown = play({}, "-i", "far,", "-l", "far", of_play={"tasks": tasks}).end()
    assert "changed=5" in shown, shown
    said = dict(re.findall(r"^TASK \[(\w+)\] \*+\n(.*?)(?=^TASK|^PLAY)", shown, re.M | re.S))
    assert set(said) == {task["name"] for task in tasks}
    for name, step in (("Looped", 10), ("Delegated", 25)):
        assert re.search(rf"^{CLOCK}step +{step} %", said[name], re.M), said[name]
    for name in ("Checked", "Hidden", "Later"):
        assert not re.search(CLOCK, said[name]), said[name]


def test_defaults_of_its_group_reach_it(play: Any) -> None:
    defaults = {"group/mlops.serving.serving": {"database_url": "postgresql://nobody@127.0.0.1:1/x"}}
    assert "cannot connect to the database at 127.0.0.1:1" in play({}, of_play={"module_defaults": defaults}).end()


def test_several_hosts_tell_which_one_speaks(world: Any, served: Any, play: Any) -> None:
    job = ("-e", "awx_user_name=kim", "-e", "awx_job_id=7")
    shown = play({}, "-i", "east,west,", "-l", "east,west", *job, keywords={"run_once": True}).end()
    assert re.search(rf"^\[east\] {CLOCK}promoted", shown, re.M), shown
    assert rollout(world)["created_by"] == "kim (AWX job 7)"
