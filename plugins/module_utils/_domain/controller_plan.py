# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests bring a controller from what was found to what is defined. What others have made there is left alone."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .controller_definitions import (
    APPROVALS,
    LISTS,
    NODE,
    REFERENCES,
    WAYS,
    Definitions,
    Kind,
    Object,
    Ref,
    candidates,
    defined,
    node_ref,
)
from .errors import NotFound

__all__ = ("Found", "Plan", "Step", "Wait", "fetched", "plan")

# What the API shows in the place of a secret.
_ENCRYPTED = "$encrypted$"
_MASK = "********"


@dataclass(frozen=True)
class Found:
    """
    :param objects: by kind, with mappings where the API has them as text
    :param surveys: of job templates and workflows, by kind and id
    :param approvals: by their id
    :param host: where they were found
    """

    objects: t.Mapping[str, t.Sequence[Object]]
    surveys: t.Mapping[tuple[str, int], Object]
    approvals: t.Mapping[int, Object]
    host: str = "the controller"


@dataclass(frozen=True)
class Step:
    """One write.

    :param ref: what it changes, as people know it
    :param what: what it does to that
    :param path: in the API; a ``Ref`` stands for the id of an object
    :param makes: whose id the answer tells
    :param before: what a diff shows, and ``after``
    """

    ref: Ref
    what: str
    method: str
    path: tuple[str | int | Ref, ...]
    body: Object
    makes: Ref | None = None
    before: t.Any = None
    after: t.Any = None


@dataclass(frozen=True)
class Wait:
    """Until the controller has fetched a project: it knows no playbook before."""

    project: Ref
    address: str


@dataclass
class Plan:
    """:param ids: of what is there already"""

    steps: list[Step | Wait] = field(default_factory=list)
    ids: dict[Ref, int] = field(default_factory=dict)


def fetched(status: t.Any) -> bool | None:
    """Whether a project's status says that its playbooks are there; None while that is not decided."""
    if status in ("successful", "ok"):
        return True
    return False if status in ("failed", "error", "canceled", "missing") else None


def plan(definitions: Definitions, found: Found) -> Plan:
    """
    :param definitions: as ``checked`` gives them
    :raises NotFound: where a name means nothing; nothing has been written then
    """
    return _Planner(definitions, found).run()


class _Planner:
    def __init__(self, definitions: Definitions, found: Found) -> None:
        self._definitions, self._found = definitions, found
        self._defined = defined(definitions)
        self._plan = Plan()

    def run(self) -> Plan:
        given = self._definitions
        for listed in ("credential_types", "credentials", "execution_environments"):
            self._objects(listed, given[listed])
        waits = self._projects()
        for listed in ("inventories", "hosts"):
            self._objects(listed, given[listed])
        self._plan.steps += waits
        templates = self._objects("templates", given["templates"])
        for template, now in templates:
            self._credentials(template, now)
        workflows = self._objects("workflows", given["workflows"])
        # Before the nodes and schedules, whose answers the controller holds against the questions.
        for listed, made in (("templates", templates), ("workflows", workflows)):
            for item, now in made:
                self._survey(LISTS[listed].path, item, now)
        for workflow in given["workflows"]:
            self._nodes(workflow)
        self._objects("schedules", given["schedules"])
        return self._plan

    def _projects(self) -> list[Wait]:
        """What is to be waited for: projects that are new or changed, or whose playbooks are not there yet."""
        waits = []
        for project in self._definitions["projects"]:
            before = len(self._plan.steps)
            ((_item, now),) = self._objects("projects", [project])
            if len(self._plan.steps) > before or not now or not fetched(now.get("status")):
                name = project["name"]
                waits.append(Wait(Ref("projects", name), _without_login(project.get("scm_url") or name)))
        return waits

    def _objects(self, listed: str, items: t.Iterable[Object]) -> list[tuple[Object, Object | None]]:
        """Each definition with what there is of it."""
        kind = LISTS[listed]
        return [(item, self._object(kind, item, Ref(kind.path, item["name"]))) for item in items]

    def _object(self, kind: Kind, item: Object, ref: Ref) -> Object | None:
        referred = {name: self._refer(name, item[name]) for name in REFERENCES if isinstance(item.get(name), str)}
        now = self._match(kind, item, referred)
        wanted = {name: referred.get(name, value) for name, value in item.items() if name not in kind.aside}
        if now is None:
            self._add(ref, "created", "POST", (kind.path,), wanted, makes=ref, after=_shown(kind, wanted))
            return None
        self._plan.ids[ref] = now["id"]
        differs = {name: value for name, value in wanted.items() if not self._is(value, now, name)}
        if differs and not kind.kept:
            what = f"changed {', '.join(differs)}"
            before, after = _shown(kind, _named(now, differs)), _shown(kind, differs)
            self._add(ref, what, "PATCH", (kind.path, ref), differs, before=before, after=after)
        return now

    def _match(self, kind: Kind, item: Object, referred: t.Mapping[str, Ref]) -> Object | None:
        for one in self._found.objects.get(kind.path, ()):
            if one.get(kind.named) == item[kind.named]:
                if kind.within not in referred or self._is(referred[kind.within], one, kind.within):
                    return one
        return None

    def _is(self, wanted: t.Any, held: Object, name: str) -> bool:
        if isinstance(wanted, Ref):
            return wanted in self._plan.ids and held.get(name) == self._plan.ids[wanted]
        return name in held and _same(wanted, held[name])

    def _refer(self, option: str, name: str) -> Ref:
        found = candidates(name, REFERENCES[option], self._defined)
        if found[0] in self._defined:
            return found[0]
        for ref in found:
            alike = [one for one in self._found.objects.get(ref.kind, ()) if one.get("name") == name]
            if alike:
                # Of several of that name the first would be anybody's.
                if len(alike) > 1:
                    what = f"There are {len(alike)} called {name} among the {ref.kind} of {self._found.host}"
                    raise NotFound(what, cure="give each a name of its own, or define the one that is meant")
                self._plan.ids[ref] = alike[0]["id"]
                return ref
        kinds = " and ".join(ref.kind for ref in found)
        what = f"There is no {name} among the {kinds} of {self._found.host}"
        raise NotFound(what, cure="create it, or name another one")

    def _credentials(self, template: Object, now: Object | None) -> None:
        """Others that people have added stay."""
        has = [one["name"] for one in ((now or {}).get("summary_fields") or {}).get("credentials") or ()]
        ref = Ref("job_templates", template["name"])
        for name in template.get("credentials") or ():
            credential = self._refer("credential", name)
            if name not in has:
                what, path = f"gets the credential {name}", ("job_templates", ref, "credentials")
                before, after = {"credentials": [*has]}, {"credentials": [*has, name]}
                self._add(ref, what, "POST", path, {"id": credential}, before=before, after=after)
                has.append(name)

    def _survey(self, kind: str, item: Object, now: Object | None) -> None:
        """The API takes a survey as a whole."""
        survey = item.get("survey_spec")
        held = self._found.surveys.get((kind, now["id"]), {}) if now else {}
        if survey is None or _same(survey, held):
            return
        ref = Ref(kind, item["name"])
        before, after = _without_passwords(held), _without_passwords(survey)
        self._add(ref, "gets its survey", "POST", (kind, ref, "survey_spec"), survey, before=before, after=after)

    def _nodes(self, workflow: Object) -> None:
        """Nodes that the definition does not know stay."""
        name = workflow["name"]
        nodes = []
        for node in workflow.get("simplified_workflow_nodes") or ():
            ref = node_ref(name, node["identifier"])
            nodes.append((node, ref, self._object(NODE, {**node, "workflow_job_template": name}, ref)))
        for node, ref, now in nodes:
            if node.get("approval_node"):
                self._approval(node["approval_node"], ref, now)
        ways = [(node, ref, now, way) for node, ref, now in nodes for way in WAYS]
        # What is in the way goes first: between two nodes the controller lets there be one way alone.
        for node, ref, now, way in ways:
            self._ways_away(name, node, ref, now, way)
        for node, ref, now, way in ways:
            for to in node.get(way) or ():
                other = node_ref(name, to)
                if self._plan.ids.get(other) not in ((now or {}).get(way) or ()):
                    after = {way: to}
                    self._add(ref, f"{way} gets {to}", "POST", (NODE.path, ref, way), {"id": other}, after=after)

    def _ways_away(self, workflow: str, node: Object, ref: Ref, now: Object | None, way: str) -> None:
        wanted = {self._plan.ids.get(node_ref(workflow, to)) for to in node.get(way) or ()}
        names = {one["id"]: one.get("identifier") for one in self._found.objects.get(NODE.path, ())}
        for number in (now or {}).get(way) or ():
            if number not in wanted:
                name, body = names.get(number) or f"node {number}", {"id": number, "disassociate": True}
                self._add(ref, f"{way} loses {name}", "POST", (NODE.path, ref, way), body, before={way: name})

    def _approval(self, wanted: Object, ref: Ref, now: Object | None) -> None:
        held = self._found.approvals.get((now or {}).get("unified_job_template") or 0)
        if held is None:
            what, path = f"gets the approval {wanted.get('name')}", (NODE.path, ref, "create_approval_template")
            self._add(ref, what, "POST", path, wanted, after=wanted)
            return
        differs = {name: value for name, value in wanted.items() if not self._is(value, held, name)}
        if differs:
            what, before = f"changed {', '.join(differs)} of its approval", _named(held, differs)
            self._add(ref, what, "PATCH", (APPROVALS, held["id"]), differs, before=before, after=differs)

    def _add(
        self,
        ref: Ref,
        what: str,
        method: str,
        path: tuple[str | int | Ref, ...],
        body: Object,
        *,
        makes: Ref | None = None,
        before: t.Any = None,
        after: t.Any = None,
    ) -> None:
        self._plan.steps.append(Step(ref, what, method, path, body, makes, before, after))


def _same(wanted: t.Any, held: t.Any) -> bool:
    """A secret is never shown again: one that is there counts as the one that is wanted."""
    if isinstance(wanted, dict) and isinstance(held, dict):
        return wanted.keys() == held.keys() and all(_same(value, held[name]) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(held, list):
        return len(wanted) == len(held) and all(map(_same, wanted, held))
    return bool(wanted == held or (held == _ENCRYPTED and wanted))


def _named(held: Object, names: t.Iterable[str]) -> Object:
    """Some fields, other objects by their names."""
    summary = held.get("summary_fields") or {}
    return {
        name: (summary.get(name) or {}).get("name", held.get(name)) if name in REFERENCES else held.get(name)
        for name in names
    }


def _shown(kind: Kind, fields: Object) -> Object:
    shown = {name: value.name if isinstance(value, Ref) else value for name, value in fields.items()}
    if kind.path == "credentials" and shown.get("inputs"):
        shown["inputs"] = dict.fromkeys(shown["inputs"], _MASK)
    if shown.get("scm_url"):
        shown["scm_url"] = _without_login(shown["scm_url"])
    return shown


def _without_login(address: t.Any) -> str:
    return re.sub(r"//[^/@]*@", "//", str(address))


def _without_passwords(survey: Object) -> Object:
    asked = [
        {**one, "default": _MASK} if one.get("type") == "password" and one.get("default") else one
        for one in survey.get("spec") or ()
    ]
    return {**survey, "spec": asked} if asked else survey
