# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module controller with all definitions of extensions/awx against a stand-in for a controller's API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.mlops.serving.plugins.modules import controller
from awx.controller_api import TOKEN, Api, Refused, serving_api
from awx.definitions import definitions

Run = Callable[..., dict[str, Any]]
MADE = {name.removeprefix("controller_"): items for name, items in definitions().items()}
NODES = "workflow_job_template_nodes"
MODES = ("check_mode", "diff")


@pytest.fixture
def api() -> Iterator[Api]:
    with serving_api(Api()) as serving:
        yield serving


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run(hosts=[...])``: the module's answer, which is a failure only if ``fails`` says so."""
    for name in ("HOST", "USERNAME", "PASSWORD", "OAUTH_TOKEN", "VERIFY_SSL"):
        monkeypatch.delenv(f"CONTROLLER_{name}", raising=False)
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)

    def call(*, fails: bool = False, **given: Any) -> dict[str, Any]:
        login = {"controller_host": api.url, "controller_oauthtoken": TOKEN, "interval": 0}
        options = {f"_ansible_{name}" if name in MODES else name: value for name, value in given.items()}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**login, **options}}).encode()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments)
        api.requests.clear()
        with pytest.raises(SystemExit):
            controller.main()
        out = capsys.readouterr().out
        assert TOKEN not in out
        answer: dict[str, Any] = json.loads(out)
        assert "bug in mlops.serving" not in answer.get("msg", ""), answer
        assert bool(answer.get("failed")) is fails, answer
        return answer

    return call


def test_check_mode_tells_what_is_then_done(api: Api, run: Run) -> None:
    looked = run(check_mode=True, diff=True, **MADE)
    assert api.writes() == []
    made = run(diff=True, **MADE)
    assert made["changed"] is looked["changed"] is True
    assert made["changes"] == looked["changes"]
    assert made["diff"] == looked["diff"]
    # A request each: nothing is done that is not told.
    assert len(api.writes()) == len(made["changes"])
    again = run(diff=True, **MADE)
    assert (again["changed"], again["changes"], api.writes(), again.get("diff")) == (False, [], [], None)


def test_it_mends_ways_and_nodes_that_a_person_has_turned_round(api: Api, run: Run) -> None:
    run(**MADE)
    may, abort = api.named(NODES, "may-begin"), api.named(NODES, "abort")
    may["success_nodes"], may["failure_nodes"] = may["failure_nodes"], may["success_nodes"]
    asking = api.named(NODES, "may-go-on")
    asking["unified_job_template"] = abort["unified_job_template"]
    told = run(**MADE)["changes"]
    assert [one["what"] for one in told] == [
        "gets the approval May it have half of the traffic?",
        "success_nodes loses abort",
        "failure_nodes loses to-10",
        "success_nodes gets to-10",
        "failure_nodes gets abort",
    ]
    assert {one["name"].partition(": ")[0] for one in told} == {"Serving"}
    assert run(**MADE)["changes"] == []


def test_what_others_have_made_is_left_alone(api: Api, run: Run) -> None:
    """And variables that say the same in YAML are the same."""
    run(**MADE)
    template, inventory = api.named("job_templates", "Serving: canary"), api.named("inventories", "mlops.serving")
    own = api.add("credentials", {"name": "somebody's", "credential_type": 2})
    template["credentials"].append(own["id"])
    template["forks"] = 7
    held = json.loads(inventory["variables"])
    inventory["variables"] = "---\n" + "".join(f"{name}: {json.dumps(value)}\n" for name, value in held.items())
    workflow = api.named("workflow_job_templates", "Serving: canary with approvals")
    added = {
        "workflow_job_template": workflow["id"],
        "identifier": "somebody's",
        "unified_job_template": template["id"],
    }
    api.add(NODES, {**added, "success_nodes": [api.named(NODES, "stage")["id"]]})
    assert run(**MADE)["changes"] == []
    inventory["variables"] = "deploy_mode: simulate"
    assert [one["what"] for one in run(**MADE)["changes"]] == ["changed variables"]


def test_lists_that_are_not_given_are_left_alone_and_may_be_referred_to(api: Api, run: Run) -> None:
    run(**MADE)
    schedule = {"name": "s", "unified_job_template": "Serving: reconcile", "rrule": "R"}
    assert run(schedules=[schedule])["changes"] == [{"kind": "schedules", "name": "s", "what": "created"}]
    made = api.named("schedules", "s")
    assert made["unified_job_template"] == api.named("job_templates", "Serving: reconcile")["id"]


def test_a_failure_comes_with_what_was_done_before(api: Api, run: Run) -> None:
    api.fetched = "failed"
    told = run(fails=True, **MADE)
    assert "The controller could not fetch the project from https://github.com/" in told["msg"]
    assert told["changed"] is True
    kinds = ("credential_types", "credentials", "execution_environments", "projects", "inventories", "hosts")
    assert list(dict.fromkeys(one["kind"] for one in told["changes"])) == list(kinds)
    api.named("projects", "mlops.serving")["status"] = "successful"
    assert len(run(**MADE)["changes"]) > 0
    assert run(**MADE)["changes"] == []


def test_a_refusal_names_what_was_refused(api: Api, run: Run) -> None:
    wrong = [{**one, "playbook": "elsewhere.yml"} for one in MADE["templates"][:1]]
    told = run(fails=True, **{**MADE, "templates": wrong, "schedules": [], "workflows": []})
    assert told["msg"].startswith(f"job_templates {wrong[0]['name']}: {api.url}/api/v2/job_templates/ answered 400: ")
    assert "Playbook not found" in told["msg"]


def test_nothing_is_written_where_something_is_missing(api: Api, run: Run) -> None:
    other = [{**one, "organization": "Ops"} for one in MADE["inventories"]]
    told = run(fails=True, **{**MADE, "inventories": other})
    assert told["msg"] == f"There is no Ops among the organizations of {api.url}. Create it, or name another one."
    assert (told["changes"], api.writes()) == ([], [])


def test_secrets_are_in_no_output(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {
        "name": "c",
        "organization": "Default",
        "credential_type": "Serving: store",
        "inputs": {"database_url": "pg://s3cr3t"},
    }
    question = {"variable": "q", "question_name": "Q", "type": "password", "default": "s3cr3t-answer"}
    template = {**MADE["templates"][0], "survey_spec": {"name": "n", "description": "", "spec": [question]}}
    project = {**MADE["projects"][0], "scm_url": "https://me:s3cr3t-of-git@git.example.com/x.git"}
    given = {**MADE, "credentials": [*MADE["credentials"], secret], "templates": [template], "projects": [project]}
    given.update(workflows=[], schedules=[])
    told = run(diff=True, **given)
    assert "s3cr3t" not in json.dumps(told)
    assert api.named("credentials", "c")["inputs"] == {"database_url": "pg://s3cr3t"}
    api.fetched = "failed"
    api.named("projects", "mlops.serving")["status"] = "pending"
    assert "s3cr3t" not in json.dumps(run(fails=True, **given))

    # A refusal may quote what it refuses.
    def refuse(kind: str, body: dict[str, Any]) -> None:
        raise Refused(400, body)

    monkeypatch.setattr(api, "_check", refuse)
    told = run(fails=True, projects=[{**project, "name": "another"}])
    assert "https://me:" in told["msg"]
    assert "s3cr3t" not in json.dumps(told)
    # Ansible writes to the system's log what it is not told to hide.
    assert controller.SPEC.options["credentials"]["options"]["inputs"]["no_log"] is True


def test_whether_certificates_are_verified_is_true_or_false(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROLLER_VERIFY_SSL", "perhaps")
    assert "CONTROLLER_VERIFY_SSL = 'perhaps': is neither true nor false" in run(fails=True)["msg"]
