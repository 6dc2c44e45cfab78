# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a controller is asked for, from what it has and what it shall have."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.controller_definitions import (
    Ref,
    checked,
    names_to_look_for,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.controller_plan import (
    Found,
    Plan,
    Step,
    Wait,
    fetched,
    plan,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, NotFound

NODES = "workflow_job_template_nodes"
ORGANIZATION = {"id": 1, "name": "Default"}
PROJECT = {"name": "p", "organization": "Default", "scm_url": "https://me:secret@git.example.com/p.git"}
TEMPLATE = {
    "name": "t",
    "organization": "Default",
    "project": "p",
    "playbook": "playbooks/t.yml",
    "extra_vars": {"a": 1},
}
HELD_PROJECT = {"id": 2, "name": "p", "organization": 1, "scm_url": PROJECT["scm_url"], "status": "successful"}
HELD_TEMPLATE = {
    "id": 3,
    "name": "t",
    "organization": 1,
    "project": 2,
    "playbook": "playbooks/t.yml",
    "extra_vars": {"a": 1},
}
WORKFLOW = {"name": "w", "organization": "Default"}
HELD_WORKFLOW = {"id": 10, "name": "w", "organization": 1}


def planned(objects: dict[str, list[Any]], surveys: Any = None, approvals: Any = None, **definitions: Any) -> Plan:
    found = {"organizations": [ORGANIZATION], **objects}
    return plan(checked(definitions), Found(found, surveys or {}, approvals or {}, "https://c"))


def told(found: Plan) -> list[tuple[str, str]]:
    return [(step.ref.name, step.what) for step in found.steps if isinstance(step, Step)]


def only(found: Plan) -> Step:
    (step,) = found.steps
    assert isinstance(step, Step)
    return step


def test_what_is_there_and_alike_needs_nothing() -> None:
    there = {"projects": [HELD_PROJECT], "job_templates": [HELD_TEMPLATE]}
    found = planned(there, projects=[PROJECT], templates=[TEMPLATE])
    assert found.steps == []
    assert found.ids == {Ref("organizations", "Default"): 1, Ref("projects", "p"): 2, Ref("job_templates", "t"): 3}


def test_what_is_missing_is_made_in_the_order_in_which_it_is_needed() -> None:
    """Whoever is asked for variables has a survey before somebody gives them."""
    survey = {"name": "s", "spec": []}
    schedule = {"name": "s", "unified_job_template": "t", "rrule": "R"}
    node = {"identifier": "n", "unified_job_template": "t", "success_nodes": ["m"]}
    made = planned(
        {},
        schedules=[schedule],
        workflows=[
            {**WORKFLOW, "simplified_workflow_nodes": [node, {"identifier": "m", "approval_node": {"name": "Ok?"}}]}
        ],
        templates=[{**TEMPLATE, "survey_spec": survey, "credentials": ["c"]}],
        projects=[PROJECT],
        hosts=[{"name": "h", "inventory": "i"}],
        inventories=[{"name": "i", "organization": "Default"}],
        credentials=[{"name": "c", "credential_type": "k", "organization": "Default"}],
        credential_types=[{"name": "k"}],
    )
    order = [f"wait for {one.address}" if isinstance(one, Wait) else f"{one.ref.name} {one.what}" for one in made.steps]
    assert order == [
        "k created",
        "c created",
        "p created",
        "i created",
        "h created",
        "wait for https://git.example.com/p.git",
        "t created",
        "t gets the credential c",
        "w created",
        "t gets its survey",
        "w: n created",
        "w: m created",
        "w: m gets the approval Ok?",
        "w: n success_nodes gets m",
        "s created",
    ]
    bodies = {f"{one.ref.kind} {one.what}": one for one in made.steps if isinstance(one, Step)}
    template = bodies["job_templates created"]
    # Its organization is that of its project.
    assert template.body == {
        "name": "t",
        "project": Ref("projects", "p"),
        "playbook": "playbooks/t.yml",
        "extra_vars": {"a": 1},
    }
    assert template.makes == Ref("job_templates", "t")
    assert template.after["project"] == "p"
    assert bodies["job_templates gets the credential c"].body == {"id": Ref("credentials", "c")}
    node_ref = Ref(NODES, "w: n")
    assert bodies[f"{NODES} created"].path == (NODES,)
    assert bodies[f"{NODES} success_nodes gets m"].path == (NODES, node_ref, "success_nodes")
    assert bodies["schedules created"].body["unified_job_template"] == Ref("job_templates", "t")


@pytest.mark.parametrize(
    ("held", "body"),
    [
        ({"description": "b"}, {"description": "a"}),
        ({}, {"description": "a"}),
        ({"description": "a", "project": 9}, {"project": Ref("projects", "p")}),
        ({"description": "a", "extra_vars": "text: that nobody could read"}, {"extra_vars": {"a": 1}}),
        ({"description": "a", "forks": 5}, None),
    ],
)
def test_only_fields_that_differ_are_written(held: dict[str, Any], body: dict[str, Any] | None) -> None:
    there = {"projects": [HELD_PROJECT], "job_templates": [{**HELD_TEMPLATE, **held}]}
    found = planned(there, projects=[PROJECT], templates=[{**TEMPLATE, "description": "a"}])
    if body is None:
        assert found.steps == []
        return
    step = only(found)
    assert (step.method, step.path, step.body) == ("PATCH", ("job_templates", Ref("job_templates", "t")), body)
    assert step.what == f"changed {', '.join(body)}"


def test_a_diff_shows_other_objects_by_name() -> None:
    held = {**HELD_TEMPLATE, "project": 9, "summary_fields": {"project": {"id": 9, "name": "old"}}}
    step = only(
        planned({"projects": [HELD_PROJECT], "job_templates": [held]}, projects=[PROJECT], templates=[TEMPLATE])
    )
    assert (step.before, step.after) == ({"project": "old"}, {"project": "p"})


def test_names_are_unique_within_an_organization_an_inventory_or_a_template() -> None:
    other = {"id": 7, "name": "p", "organization": 8}
    assert told(planned({"projects": [other]}, projects=[PROJECT])) == [("p", "created")]
    inventories = [{"id": 4, "name": "i", "organization": 1}]
    hosts = [{"id": 5, "name": "h", "inventory": 99}]
    assert told(planned({"inventories": inventories, "hosts": hosts}, hosts=[{"name": "h", "inventory": "i"}])) == [
        ("h", "created")
    ]
    assert (
        planned(
            {"inventories": inventories, "hosts": [{**hosts[0], "inventory": 4}]},
            hosts=[{"name": "h", "inventory": "i"}],
        ).steps
        == []
    )


def test_a_credential_that_is_there_is_never_written() -> None:
    given = {"name": "c", "credential_type": "k", "description": "a", "inputs": {"password": "secret"}}
    types = [{"id": 5, "name": "k"}]
    step = only(planned({"credential_types": types}, credentials=[given]))
    assert step.body["inputs"] == {"password": "secret"}
    assert "secret" not in str(step.after)
    held = {"id": 6, "name": "c", "credential_type": 5, "description": "b", "inputs": {}}
    assert planned({"credential_types": types, "credentials": [held]}, credentials=[given]).steps == []


def test_credentials_of_a_template_are_added_and_never_taken_away() -> None:
    held = {
        **HELD_TEMPLATE,
        "summary_fields": {"credentials": [{"id": 1, "name": "a"}, {"id": 2, "name": "a person's"}]},
    }
    there = {
        "projects": [HELD_PROJECT],
        "job_templates": [held],
        "credentials": [{"id": 1, "name": "a"}, {"id": 9, "name": "b"}],
    }
    found = planned(there, projects=[PROJECT], templates=[{**TEMPLATE, "credentials": ["a", "b"]}])
    step = only(found)
    assert (step.path[-1], step.body, found.ids[Ref("credentials", "b")]) == (
        "credentials",
        {"id": Ref("credentials", "b")},
        9,
    )


@pytest.mark.parametrize(
    ("held", "written"),
    [
        ({"spec": [{"variable": "a", "type": "password", "default": "$encrypted$"}]}, False),
        ({"spec": [{"variable": "b", "type": "password", "default": "$encrypted$"}]}, True),
        ({"spec": []}, True),
        ({}, True),
    ],
)
def test_a_survey_is_written_as_a_whole(held: dict[str, Any], written: bool) -> None:
    survey = {"spec": [{"variable": "a", "type": "password", "default": "secret"}]}
    there = {"projects": [HELD_PROJECT], "job_templates": [HELD_TEMPLATE]}
    found = planned(
        there, {("job_templates", 3): held}, projects=[PROJECT], templates=[{**TEMPLATE, "survey_spec": survey}]
    )
    assert told(found) == ([("t", "gets its survey")] if written else [])
    if written:
        assert only(found).body == survey
        assert "secret" not in str(only(found).after)


@pytest.mark.parametrize(
    ("status", "waits"),
    [("successful", False), ("ok", False), ("pending", True), ("failed", True), ("never updated", True)],
)
def test_a_project_that_is_not_fetched_is_waited_for(status: str, waits: bool) -> None:
    found = planned({"projects": [{**HELD_PROJECT, "status": status}]}, projects=[PROJECT])
    assert found.steps == ([Wait(Ref("projects", "p"), "https://git.example.com/p.git")] if waits else [])


def test_a_project_that_changes_is_waited_for() -> None:
    found = planned({"projects": [{**HELD_PROJECT, "scm_url": "x"}]}, projects=[PROJECT])
    step, wait = found.steps
    assert isinstance(step, Step)
    assert (step.before, step.after) == ({"scm_url": "x"}, {"scm_url": "https://git.example.com/p.git"})
    assert wait == Wait(Ref("projects", "p"), "https://git.example.com/p.git")


def test_statuses_of_a_project() -> None:
    assert [fetched(one) for one in ("successful", "canceled", "running", None)] == [True, False, None, None]


def nodes(*given: dict[str, Any]) -> dict[str, Any]:
    return {**WORKFLOW, "simplified_workflow_nodes": list(given)}


def held_node(number: int, identifier: str, **fields: Any) -> dict[str, Any]:
    ways = {"success_nodes": [], "failure_nodes": [], "always_nodes": []}
    return {
        "id": number,
        "identifier": identifier,
        "workflow_job_template": 10,
        "unified_job_template": None,
        **ways,
        **fields,
    }


def test_ways_that_nobody_has_defined_go_before_others_come() -> None:
    """Between two nodes the controller lets there be one way alone. A node that the definition does not know keeps its own."""
    there = {
        "workflow_job_templates": [HELD_WORKFLOW],
        NODES: [
            held_node(20, "a", failure_nodes=[21, 22]),
            held_node(21, "b"),
            held_node(22, "somebody's", success_nodes=[21]),
        ],
    }
    found = planned(there, workflows=[nodes({"identifier": "a", "success_nodes": ["b"]}, {"identifier": "b"})])
    assert [(step.what, step.path[-1], step.body) for step in found.steps if isinstance(step, Step)] == [
        ("failure_nodes loses b", "failure_nodes", {"id": 21, "disassociate": True}),
        ("failure_nodes loses somebody's", "failure_nodes", {"id": 22, "disassociate": True}),
        ("success_nodes gets b", "success_nodes", {"id": Ref(NODES, "w: b")}),
    ]


def test_workflows_may_call_their_nodes_alike() -> None:
    other = {**HELD_WORKFLOW, "id": 11, "name": "x"}
    there = {
        "workflow_job_templates": [HELD_WORKFLOW, other],
        NODES: [
            held_node(20, "a", success_nodes=[21]),
            held_node(21, "b"),
            held_node(30, "b", workflow_job_template=11),
        ],
    }
    second = {**nodes({"identifier": "a", "success_nodes": ["b"]}, {"identifier": "b"}), "name": "x"}
    found = planned(there, workflows=[nodes({"identifier": "a", "success_nodes": ["b"]}, {"identifier": "b"}), second])
    assert told(found) == [("x: a", "created"), ("x: a", "success_nodes gets b")]
    assert found.ids[Ref(NODES, "x: b")] == 30


APPROVAL = {"name": "Ok?", "description": "d", "timeout": 60}


@pytest.mark.parametrize(
    ("job", "held", "path", "body"),
    [
        (None, {}, (NODES, Ref(NODES, "w: a"), "create_approval_template"), APPROVAL),
        # A job template so far.
        (3, {}, (NODES, Ref(NODES, "w: a"), "create_approval_template"), APPROVAL),
        (40, {40: {"id": 40, **APPROVAL, "timeout": 1}}, ("workflow_approval_templates", 40), {"timeout": 60}),
        (40, {40: {"id": 40, **APPROVAL}}, None, None),
    ],
)
def test_approvals(job: int | None, held: Any, path: Any, body: Any) -> None:
    there = {"workflow_job_templates": [HELD_WORKFLOW], NODES: [held_node(20, "a", unified_job_template=job)]}
    found = planned(there, {}, held, workflows=[nodes({"identifier": "a", "approval_node": APPROVAL})])
    if path is None:
        assert found.steps == []
    else:
        assert (only(found).path, only(found).body) == (path, body)


def test_a_schedule_may_be_one_of_a_workflow() -> None:
    schedule = {"name": "s", "unified_job_template": "w", "rrule": "R"}
    held = {"workflow_job_templates": [HELD_WORKFLOW]}
    assert only(planned(held, schedules=[schedule])).body["unified_job_template"] == Ref("workflow_job_templates", "w")
    found = planned({"job_templates": [{"id": 3, "name": "w"}], **held}, schedules=[schedule], workflows=[WORKFLOW])
    assert only(found).body["unified_job_template"] == Ref("workflow_job_templates", "w")


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([], "There is no i among the inventories of https://c. Create it, or name another one."),
        ([{"id": 1, "name": "i"}, {"id": 2, "name": "i"}], "There are 2 called i among the inventories"),
    ],
)
def test_what_is_referred_to_has_to_be_there(there: list[Any], words: str) -> None:
    with pytest.raises(NotFound) as raised:
        planned({"inventories": there}, hosts=[{"name": "h", "inventory": "i"}])
    assert words in str(raised.value)


def test_what_is_looked_for() -> None:
    node = {"identifier": "n", "unified_job_template": "elsewhere"}
    given = {"templates": [{**TEMPLATE, "credentials": ["c"]}], "projects": [PROJECT], "workflows": [nodes(node)]}
    assert names_to_look_for(checked(given)) == {
        "job_templates": ["t", "elsewhere"],
        "projects": ["p"],
        "workflow_job_templates": ["w", "elsewhere"],
        "organizations": ["Default"],
        "credentials": ["c"],
    }


@pytest.mark.parametrize(
    ("definitions", "words"),
    [
        ({"hosts": [{"inventory": "i"}]}, "hosts[0].name: is not given"),
        ({"templates": [{"name": "t", "credentials": "c"}]}, "templates[0].credentials = 'c': is no list"),
        ({"templates": [{"name": "t", "credentials": [1]}]}, "templates[0].credentials[0] = 1: is no name"),
        (
            {"workflows": [nodes({"success_nodes": []})]},
            "workflows[0].simplified_workflow_nodes[0].identifier: is not given",
        ),
        (
            {"workflows": [nodes({"identifier": "a", "failure_nodes": ["b"]}, {"identifier": "c"})]},
            "workflows[0].a.failure_nodes = 'b': leads to no node of this workflow. Name one of a, c.",
        ),
    ],
)
def test_definitions_that_cannot_be(definitions: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidIntent) as raised:
        checked(definitions)
    assert words in str(raised.value)
