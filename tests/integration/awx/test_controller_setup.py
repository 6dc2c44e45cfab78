# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook controller_setup against a stand-in for a controller's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_runs import ansible_playbook

from .controller_api import PASSWORD, TOKEN, Api, serving_api
from .definitions import definitions

BOOK = "playbooks/controller_setup.yml"
IMAGE = "registry.example.com/ee:7"


@pytest.fixture
def api() -> Iterator[Api]:
    with serving_api(Api()) as serving:
        yield serving


def setup(api: Api, *flags: str, fails: bool = False, book: str = BOOK, own: Any = None, **variables: Any) -> Any:
    login = {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": TOKEN} if own is None else own
    given = {"controller_ee_image": IMAGE, "controller_wait_delay": 0, **variables}
    shown = ansible_playbook(book, *flags, own=login, fails=fails, timeout=280, **given)
    assert TOKEN not in shown.output
    assert PASSWORD not in shown.output
    return shown


def test_everything_is_created_once_and_mended(api: Api) -> None:
    looked = setup(api, "--check")
    assert looked.changed > 0
    assert api.writes() == []
    first = setup(api, "-vvv")
    assert first.changed > 0
    made = definitions(controller_ee_image=IMAGE)
    for listed, kind in {
        "controller_templates": "job_templates",
        "controller_workflows": "workflow_job_templates",
        "controller_schedules": "schedules",
        "controller_credentials": "credentials",
    }.items():
        assert {one["name"] for one in made[listed]} == {one["name"] for one in api.objects[kind].values()}
    for one in made["controller_credential_types"]:
        assert api.named("credential_types", one["name"])["injectors"] == one["injectors"]
    for one in made["controller_templates"]:
        held = api.named("job_templates", one["name"])
        assert held.get("survey_spec") == one.get("survey_spec")
        assert json.loads(held["extra_vars"]) == one["extra_vars"]
        names = [api.objects["credentials"][number]["name"] for number in held["credentials"]]
        assert names == one["credentials"]
    check_nodes(api, made["controller_workflows"][0]["simplified_workflow_nodes"])
    assert api.named("execution_environments", "mlops.serving")["image"] == IMAGE

    api.requests.clear()
    second = setup(api, book="mlops.serving.controller_setup")
    assert second.changed == 0
    assert api.writes() == []

    canary = api.named("job_templates", "Serving: canary")
    canary["survey_spec"]["spec"][0]["question_name"] = "Something else"
    canary["description"] = "Something else"
    nodes = "workflow_job_template_nodes"
    stage, promote = api.named(nodes, "stage"), api.named(nodes, "promote")
    stage["success_nodes"] = [promote["id"]]
    api.named("workflow_approval_templates", "May it have all traffic?")["timeout"] = 1
    api.named("credentials", "Serving: store")["description"] = "filled in by a person"
    third = setup(api, book="playbooks/controller-setup.yml")
    assert third.changed > 0
    check_nodes(api, made["controller_workflows"][0]["simplified_workflow_nodes"])
    assert canary["survey_spec"] == next(
        one["survey_spec"] for one in made["controller_templates"] if one["name"] == "Serving: canary"
    )
    assert {(method, path) for method, path in api.writes()} == {
        ("PATCH", f"job_templates/{canary['id']}/"),
        ("POST", f"job_templates/{canary['id']}/survey_spec/"),
        ("POST", f"{nodes}/{stage['id']}/success_nodes/"),
        (
            "PATCH",
            f"workflow_approval_templates/{api.named('workflow_approval_templates', 'May it have all traffic?')['id']}/",
        ),
    }
    assert api.named("credentials", "Serving: store")["description"] == "filled in by a person"


def check_nodes(api: Api, wanted: list[dict[str, Any]]) -> None:
    kind = "workflow_job_template_nodes"
    for one in wanted:
        held = api.named(kind, one["identifier"])
        for way in ("success_nodes", "failure_nodes", "always_nodes"):
            assert [api.objects[kind][number]["identifier"] for number in held[way]] == one.get(way, [])
        if "approval_node" in one:
            asked = api.objects["workflow_approval_templates"][held["unified_job_template"]]
            assert {name: asked[name] for name in one["approval_node"]} == one["approval_node"]
        else:
            assert api.objects["job_templates"][held["unified_job_template"]]["name"] == one["unified_job_template"]
            assert held["extra_data"] == one.get("extra_data", {})


def test_automation_controller_with_a_password() -> None:
    with serving_api(Api(prefix="/api/controller/v2/", updates=3)) as api:
        login = {"CONTROLLER_HOST": f"{api.url}/", "CONTROLLER_USERNAME": "admin", "CONTROLLER_PASSWORD": PASSWORD}
        setup(api, "-vvv", own=login)
        assert api.named("job_templates", "Serving: canary")


def test_a_wrong_token_is_told_in_words(api: Api) -> None:
    wrong = {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": "another-secret"}
    shown = setup(api, "-vvv", own=wrong, fails=True)
    assert "answered 401" in shown.output
    assert "See that the token or the password is right." in shown.output
    assert "another-secret" not in shown.output
    assert api.writes() == []


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"CONTROLLER_OAUTH_TOKEN": TOKEN}, "controller_host is not given"),
        ({"CONTROLLER_HOST": "http://127.0.0.1:1"}, "Nothing to log in with"),
    ],
)
def test_what_is_missing_is_named(api: Api, own: dict[str, str], words: str) -> None:
    assert words in setup(api, own=own, fails=True).output
