# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a controller has, and carries out the plan that follows: a request a step, in order."""

from __future__ import annotations

import time
import typing as t

from .._domain.controller_definitions import NODE, Definitions, Object, Ref, names_to_look_for
from .._domain.controller_plan import Found, Plan, Step, Wait, fetched
from .._domain.errors import Refused, ServingError, Unavailable

__all__ = ("Controller", "carry_out", "look")

_SURVEYED = {"templates": "job_templates", "workflows": "workflow_job_templates"}


class Controller(t.Protocol):
    """Its API. Every error is a ServingError."""

    @property
    def host(self) -> str: ...

    def listed(self, kind: str, field: str, values: t.Sequence[t.Any]) -> list[Object]: ...

    def get(self, *path: str | int) -> Object | None: ...

    def send(self, method: str, path: t.Sequence[str | int], body: Object) -> Object: ...


def look(controller: Controller, definitions: Definitions) -> Found:
    """A listing a kind, and what has no listing: surveys and approvals, of those alone that are meant."""
    objects = {
        kind: controller.listed(kind, "name", names) for kind, names in names_to_look_for(definitions).items() if names
    }
    surveys: dict[tuple[str, int], Object] = {}
    for listed, kind in _SURVEYED.items():
        named = {item["name"] for item in definitions[listed] if item.get("survey_spec") is not None}
        for one in objects.get(kind, ()):
            if one.get("name") in named:
                surveys[kind, one["id"]] = controller.get(kind, one["id"], "survey_spec") or {}
    asking = set()
    named = set()
    for workflow in definitions["workflows"]:
        nodes = workflow.get("simplified_workflow_nodes") or ()
        asking |= {node["identifier"] for node in nodes if node.get("approval_node")}
        named |= {workflow["name"]} if nodes else set()
    workflows = [one["id"] for one in objects.get("workflow_job_templates", ()) if one.get("name") in named]
    if workflows:
        objects[NODE.path] = controller.listed(NODE.path, "workflow_job_template", workflows)
    approvals: dict[int, Object] = {}
    for node in objects.get(NODE.path, ()):
        number = node.get("unified_job_template")
        if number and node.get("identifier") in asking:
            # None where the node has a job template so far.
            approval = controller.get("workflow_approval_templates", number)
            if approval is not None:
                approvals[number] = approval
    return Found(objects, surveys, approvals, controller.host)


def carry_out(
    controller: Controller,
    plan: Plan,
    done: t.Callable[[Step], None],
    *,
    interval: float,
    timeout: float,
) -> None:
    """
    :param done: is told each step that was done
    :param interval: seconds between looks at a project
    :param timeout: seconds in which a project has to be fetched
    :raises ServingError: names the definition that the controller refused
    """
    ids = dict(plan.ids)
    for step in plan.steps:
        if isinstance(step, Wait):
            _wait(controller, step, ids[step.project], interval, timeout)
            continue
        path = [ids[part] if isinstance(part, Ref) else part for part in step.path]
        body = {name: ids[value] if isinstance(value, Ref) else value for name, value in step.body.items()}
        try:
            answer = controller.send(step.method, path, body)
            if step.makes:
                ids[step.makes] = _id(answer)
        except ServingError as error:
            error.field = error.field or f"{step.ref.kind} {step.ref.name}"
            raise
        done(step)


def _id(answer: Object) -> int:
    number = answer.get("id")
    if not isinstance(number, int):
        raise Refused("the controller's answer has no id in it", cure="see that there is a controller at this address")
    return number


def _wait(controller: Controller, wait: Wait, number: int, interval: float, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            status = (controller.get("projects", number) or {}).get("status")
        except Unavailable as away:
            # It may come back in time.
            status = str(away)
        is_there = fetched(status)
        if is_there:
            return
        late = time.monotonic() >= end
        if is_there is False or late:
            seconds = f" within {timeout:g} s" if late else ""
            what = f"The controller could not fetch the project from {wait.address}{seconds} ({status})"
            raise Refused(what, cure=f"see the project's last update in {controller.host}")
        time.sleep(interval)
