# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan for a controller, carried out: ids as they come, projects that are waited for, and what happens on the way."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.controller_definitions import Ref, checked
from ansible_collections.mlops.serving.plugins.module_utils._domain.controller_plan import Plan, Step, Wait
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused, Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._engine.controller_setup import carry_out, look

PROJECT = Ref("projects", "p")


class Fake:
    """:param answers: by path; an error is raised, and of a list each is given once"""

    host = "https://c"

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    def listed(self, kind: str, field: str, values: Any) -> list[dict[str, Any]]:
        self.asked.append((kind, field, sorted(values)))
        return self.answers.get(kind, [])

    def get(self, *path: str | int) -> dict[str, Any] | None:
        self.asked.append(("GET", *path))
        return self._given("/".join(map(str, path)))

    def send(self, method: str, path: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((method, *path, body))
        return self._given("/".join(map(str, path)))

    def _given(self, path: str) -> Any:
        answer = self.answers.get(path, {})
        answer = answer.pop(0) if isinstance(answer, list) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer


def run(fake: Fake, *steps: Step | Wait, timeout: float = 60, **ids: int) -> list[str]:
    done: list[str] = []
    known = {Ref("projects", name): number for name, number in ids.items()}
    carry_out(fake, Plan(list(steps), known), lambda step: done.append(step.what), interval=0, timeout=timeout)
    return done


def test_an_id_that_was_just_made_is_used_by_the_next_steps() -> None:
    template = Ref("job_templates", "t")
    fake = Fake(job_templates={"id": 7})
    done = run(
        fake,
        Step(template, "created", "POST", ("job_templates",), {"name": "t", "project": PROJECT}, makes=template),
        Step(template, "gets", "POST", ("job_templates", template, "credentials"), {"id": 4}),
        p=2,
    )
    assert done == ["created", "gets"]
    assert fake.asked == [
        ("POST", "job_templates", {"name": "t", "project": 2}),
        ("POST", "job_templates", 7, "credentials", {"id": 4}),
    ]


def test_a_refusal_names_the_definition_and_ends_it() -> None:
    first = Step(PROJECT, "created", "POST", ("projects",), {}, makes=PROJECT)
    second = Step(Ref("hosts", "h"), "created", "POST", ("hosts",), {})
    fake = Fake(projects=Refused("answered 400"))
    with pytest.raises(Refused) as raised:
        run(fake, first, second)
    assert str(raised.value) == "projects p: answered 400."
    assert len(fake.asked) == 1
    with pytest.raises(Refused) as raised:
        run(Fake(projects={}), first)
    assert "projects p: the controller's answer has no id in it" in str(raised.value)


def test_a_project_is_waited_for_also_where_the_controller_is_away_for_a_while() -> None:
    fake = Fake(
        **{
            "projects/2": [
                {"status": "pending"},
                Unavailable("answered 502"),
                {"status": "running"},
                {"status": "successful"},
            ]
        }
    )
    assert run(fake, Wait(PROJECT, "git"), p=2) == []
    assert len(fake.asked) == 4


@pytest.mark.parametrize(
    ("status", "timeout", "words"),
    [
        (
            {"status": "failed"},
            60,
            "could not fetch the project from git (failed). See the project's last update in https://c.",
        ),
        ({"status": "running"}, 0, "could not fetch the project from git within 0 s (running)"),
        (Unavailable("answered 502"), 0, "within 0 s (answered 502.)"),
    ],
)
def test_a_project_that_is_not_fetched_ends_it(status: Any, timeout: float, words: str) -> None:
    with pytest.raises(Refused) as raised:
        run(Fake(**{"projects/2": status}), Wait(PROJECT, "git"), timeout=timeout, p=2)
    assert words in str(raised.value)


def test_what_is_looked_at_is_what_is_meant() -> None:
    """Surveys of those alone that shall have one, and approvals of nodes that shall ask."""
    nodes = [{"identifier": "a", "approval_node": {"name": "Ok?"}}, {"identifier": "b", "unified_job_template": "t"}]
    given = {
        "templates": [{"name": "t", "survey_spec": {"spec": []}}, {"name": "u"}],
        "workflows": [{"name": "w", "simplified_workflow_nodes": nodes}, {"name": "x"}],
    }
    fake = Fake(
        job_templates=[{"id": 1, "name": "t"}, {"id": 2, "name": "u"}],
        workflow_job_templates=[{"id": 3, "name": "w"}, {"id": 4, "name": "x"}],
        workflow_job_template_nodes=[
            {"id": 5, "identifier": "a", "unified_job_template": 8},
            {"id": 6, "identifier": "b", "unified_job_template": 1},
        ],
        **{"job_templates/1/survey_spec": {"spec": [1]}, "workflow_approval_templates/8": {"id": 8}},
    )
    found = look(fake, checked(given))
    assert found.surveys == {("job_templates", 1): {"spec": [1]}}
    assert found.approvals == {8: {"id": 8}}
    assert sorted(map(str, fake.asked)) == sorted(
        map(
            str,
            [
                ("job_templates", "name", ["t", "u"]),
                ("workflow_job_templates", "name", ["w", "x"]),
                ("workflow_job_template_nodes", "workflow_job_template", [3]),
                ("GET", "job_templates", 1, "survey_spec"),
                ("GET", "workflow_approval_templates", 8),
            ],
        )
    )
