# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX or automation controller shall have: definitions by list, and the objects that they refer to by name."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .errors import InvalidIntent

__all__ = (
    "APPROVALS",
    "LISTS",
    "NODE",
    "REFERENCES",
    "WAYS",
    "Definitions",
    "Kind",
    "Object",
    "Ref",
    "candidates",
    "checked",
    "defined",
    "names_to_look_for",
    "node_ref",
)

Object = dict[str, t.Any]
Definitions = t.Mapping[str, t.Sequence[Object]]

APPROVALS = "workflow_approval_templates"
WAYS = ("success_nodes", "failure_nodes", "always_nodes")


@dataclass(frozen=True)
class Kind:
    """
    :param path: in the API
    :param within: the reference that names are unique in
    :param aside: options that are no fields of the object itself
    :param kept: never changed once it is there, as people fill it in
    """

    path: str
    within: str = ""
    aside: frozenset[str] = field(default_factory=frozenset)
    kept: bool = False
    named: str = "name"


class Ref(t.NamedTuple):
    """An object by its name; its id may not be known yet."""

    kind: str
    name: str


# In the order in which they need one another.
LISTS: t.Mapping[str, Kind] = {
    "credential_types": Kind("credential_types"),
    "credentials": Kind("credentials", within="organization", kept=True),
    "execution_environments": Kind("execution_environments"),
    "projects": Kind("projects", within="organization"),
    "inventories": Kind("inventories", within="organization"),
    "hosts": Kind("hosts", within="inventory"),
    # Their organization is that of their project.
    "templates": Kind("job_templates", "organization", frozenset(("organization", "credentials", "survey_spec"))),
    "workflows": Kind(
        "workflow_job_templates", "organization", frozenset(("survey_spec", "simplified_workflow_nodes"))
    ),
    "schedules": Kind("schedules", within="unified_job_template"),
}
NODE = Kind(
    "workflow_job_template_nodes",
    within="workflow_job_template",
    aside=frozenset(("approval_node", *WAYS)),
    named="identifier",
)
# Options that name another object, and of which kinds it may be.
REFERENCES: t.Mapping[str, tuple[str, ...]] = {
    "organization": ("organizations",),
    "credential_type": ("credential_types",),
    "credential": ("credentials",),
    "execution_environment": ("execution_environments",),
    "project": ("projects",),
    "inventory": ("inventories",),
    "unified_job_template": ("job_templates", "workflow_job_templates"),
    "workflow_job_template": ("workflow_job_templates",),
}


def checked(definitions: Definitions) -> Definitions:
    """The same, with a list for each of ``LISTS``.

    :raises InvalidIntent: where one has no name, or a way leads to a node that is not there
    """
    for listed in LISTS:
        for place, item in enumerate(definitions.get(listed) or ()):
            where = f"{listed}[{place}]"
            _name(item, "name", where)
            for number, name in enumerate(_list(item, "credentials", where) if listed == "templates" else ()):
                if not isinstance(name, str):
                    cure = "give the names of credentials"
                    raise InvalidIntent("is no name", field=f"{where}.credentials[{number}]", value=name, cure=cure)
            if listed == "workflows":
                _check_nodes(_list(item, "simplified_workflow_nodes", where), where)
    return {listed: list(definitions.get(listed) or ()) for listed in LISTS}


def _check_nodes(nodes: list[t.Any], where: str) -> None:
    known = {_name(node, "identifier", f"{where}.simplified_workflow_nodes[{i}]") for i, node in enumerate(nodes)}
    for node in nodes:
        for way in WAYS:
            here = f"{where}.{node['identifier']}.{way}"
            for name in _list(node, way, f"{where}.{node['identifier']}"):
                if name not in known:
                    cure = f"name one of {', '.join(sorted(known))}"
                    raise InvalidIntent("leads to no node of this workflow", field=here, value=name, cure=cure)


def _name(item: t.Any, key: str, where: str) -> str:
    name = item.get(key) if isinstance(item, dict) else None
    if not isinstance(name, str) or not name:
        raise InvalidIntent("is not given", field=f"{where}.{key}", cure="write it as text")
    return name


def _list(item: Object, key: str, where: str) -> list[t.Any]:
    value = item.get(key) or []
    if not isinstance(value, list):
        raise InvalidIntent("is no list", field=f"{where}.{key}", value=value, cure="write a list")
    return value


def node_ref(workflow: str, identifier: str) -> Ref:
    """Identifiers of nodes are unique in their workflow."""
    return Ref(NODE.path, f"{workflow}: {identifier}")


def defined(definitions: Definitions) -> set[Ref]:
    return {Ref(kind.path, item["name"]) for listed, kind in LISTS.items() for item in definitions[listed]}


def candidates(name: str, kinds: tuple[str, ...], known: t.Collection[Ref]) -> tuple[Ref, ...]:
    """What a name may mean: the one that is defined, else one of each kind, which has to be there."""
    found = tuple(Ref(kind, name) for kind in kinds)
    return tuple(ref for ref in found if ref in known)[:1] or found


def names_to_look_for(definitions: Definitions) -> dict[str, list[str]]:
    """Names by kind, of what is defined and of what it refers to. Nodes go by their workflow and are not among them."""
    known = defined(definitions)
    names: dict[str, dict[str, None]] = {}
    for kind, name in sorted(known):
        names.setdefault(kind, {})[name] = None
    for listed in LISTS:
        for item in definitions[listed]:
            for name, kinds in _referred(listed, item):
                for ref in candidates(name, kinds, known):
                    names.setdefault(ref.kind, {})[ref.name] = None
    return {kind: list(found) for kind, found in names.items()}


def _referred(listed: str, item: Object) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    """Names in a definition, with the kinds that each may be of."""
    nodes = (item.get("simplified_workflow_nodes") or ()) if listed == "workflows" else ()
    for one in (item, *nodes):
        for option, kinds in REFERENCES.items():
            if isinstance(one.get(option), str):
                yield one[option], kinds
    for name in (item.get("credentials") or ()) if listed == "templates" else ():
        yield name, REFERENCES["credential"]
