# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of a manifest: what each one is called and where it stands, which are left out, and what is merged into them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from .errors import InvalidIntent

__all__ = (
    "BUILT_IN_GROUPS",
    "CRD",
    "Item",
    "Key",
    "Prepared",
    "collect",
    "left_out_early",
    "merge",
    "name_of",
    "prepare",
)

Document = dict[str, t.Any]
# API group, kind, namespace ("" where there is none), name: what makes an object of a cluster one.
Key = tuple[str, str, str, str]

CRD = "CustomResourceDefinition"
# Groups that the API server itself serves. Other groups with *.k8s.io names, such as the Gateway API's, come from CRDs.
BUILT_IN_GROUPS = frozenset(
    (
        "",
        "apps",
        "batch",
        "autoscaling",
        "policy",
        "extensions",
        *tuple(
            f"{name}.k8s.io"
            for name in (
                "admissionregistration",
                "apiextensions",
                "apiregistration",
                "authentication",
                "authorization",
                "certificates",
                "coordination",
                "discovery",
                "events",
                "flowcontrol.apiserver",
                "networking",
                "node",
                "rbac.authorization",
                "resource",
                "scheduling",
                "storage",
            )
        ),
    )
)
_TARGET = ("kind", "name", "namespace")
# What an API server answers and nobody asks for.
_ANSWERED = (
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


@dataclass(frozen=True)
class Item:
    """One document that is to be applied.

    :param source: the file or address that it came from, or ``definition``
    :param index: its number there, from 1
    :param force: take over fields that others have set, whatever the run as a whole does
    """

    document: Document
    source: str
    index: int
    force: bool = False

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.document["metadata"].get("namespace") or "")

    @property
    def api_version(self) -> str:
        return str(self.document["apiVersion"])

    @property
    def group(self) -> str:
        group, slash, _version = self.api_version.rpartition("/")
        return group if slash else ""

    @property
    def custom(self) -> bool:
        """Does a CRD or an aggregated API serve it?"""
        return self.group not in BUILT_IN_GROUPS

    @property
    def key(self) -> Key:
        return self.group, self.kind, self.namespace, self.name

    def __str__(self) -> str:
        return f"{name_of(self.document)} ({self.source}, document {self.index})"


def name_of(document: Document) -> str:
    """``Deployment kserve/kserve-controller-manager``."""
    metadata = document["metadata"]
    return f"{document['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def collect(source: str, documents: t.Iterable[t.Any]) -> list[Item]:
    """The documents of one source, with lists taken apart, without empty ones and without what only an API server says.

    :raises InvalidIntent: for a document that is no object of a cluster
    """
    items: list[Item] = []
    for index, document in enumerate(documents, 1):
        if document is None or document == {}:
            continue
        for one in _parts(document, f"{source}, document {index}"):
            items.append(Item(_clean(one), source, index))
    return items


def _parts(document: t.Any, where: str) -> t.Iterator[Document]:
    if not isinstance(document, dict):
        raise InvalidIntent(f"{where} is no mapping", value=document, cure="give Kubernetes objects in YAML or JSON")
    for field in ("apiVersion", "kind"):
        if not isinstance(document.get(field), str) or not document[field]:
            raise InvalidIntent(
                f"{where} does not say it", field=field, cure="give every document an apiVersion and a kind"
            )
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for number, item in enumerate(document["items"], 1):
            yield from _parts(item, f"{where}, item {number}")
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise InvalidIntent(
            f"{where} ({document['kind']}) has no name",
            field="metadata.name",
            cure="give it one; generateName cannot be applied twice",
        )
    yield document


def _clean(document: Document) -> Document:
    metadata = {name: value for name, value in document["metadata"].items() if name not in _ANSWERED}
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}


class Prepared(t.NamedTuple):
    items: list[Item]
    warnings: list[str]


def prepare(items: t.Iterable[Item], exclude: t.Iterable[Document], patches: t.Iterable[Document]) -> Prepared:
    """What is to be applied: without the excluded ones, patched, and each object once.

    :param exclude: ``{kind, name, namespace}``; what one does not say fits everything
    :param patches: ``{target: {kind, name, namespace}, patch: a JSON merge patch, see :func:`merge_by_name`}``
    :raises InvalidIntent: for a patch that fits nothing, or that renames
    """
    kept, warnings = list(items), []
    for number, target in enumerate(exclude, 1):
        left = [item for item in kept if not _fits(item, target, f"exclude[{number}]")]
        if len(left) == len(kept) and not any(_wild(value) for value in target.values()):
            warnings.append(f"exclude[{number}] {_words(target)} fits no document")
        kept = left
    for number, entry in enumerate(patches, 1):
        where = f"patches[{number}]"
        fitting = [
            place for place, item in enumerate(kept) if _fits(item, entry.get("target") or {}, f"{where}.target")
        ]
        if not fitting:
            raise InvalidIntent(
                f"{_words(entry.get('target') or {})} fits no document",
                field=f"{where}.target",
                cure="correct it, or take the patch out",
            )
        for place in fitting:
            kept[place] = _patched(kept[place], entry["patch"], where)
    once: dict[Key, Item] = {}
    for item in kept:
        before = once.pop(item.key, None)
        if before is not None and before.document != item.document:
            warnings.append(
                f"{before} is left out: {item.source}, document {item.index} says it otherwise and is later"
            )
        once[item.key] = item
    return Prepared(list(once.values()), warnings)


def left_out_early(exclude: t.Iterable[Document]) -> t.Callable[[str, str, str], bool]:
    """Whether a document of this kind, name and namespace is surely left out: by an entry with a ``*``, which may fit nothing."""
    wild = [target for target in exclude if any(_wild(value) for value in target.values())]
    return lambda kind, name, namespace: any(_matches(target, kind, name, namespace) for target in wild)


def merge(document: t.Any, patch: t.Any) -> t.Any:
    """A JSON merge patch (RFC 7386): null takes a field out, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def merge_by_name(document: t.Any, patch: t.Any) -> t.Any:
    """A JSON merge patch, in which a dictionary for a list of named entries, such as a pod's containers, changes those it names."""
    if not isinstance(patch, dict):
        return patch
    named = isinstance(document, list) and bool(document) and all(_name_of(entry) for entry in document)
    known = {_name_of(entry): entry for entry in document} if named else document
    result = dict(known) if isinstance(known, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_by_name(result.get(name), value)
    if not named:
        return result
    wrong = next((name for name, entry in result.items() if not isinstance(entry, dict)), None)
    if wrong is not None:
        raise InvalidIntent(f"entry {wrong} is no dictionary", field="patches", cure="give its fields by their names")
    return [{"name": name, **entry} for name, entry in result.items()]


def _name_of(entry: t.Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""


def _fits(item: Item, target: Document, where: str) -> bool:
    if not any(target.get(field) for field in _TARGET):
        raise InvalidIntent("says nothing", field=where, cure="give kind, name or namespace")
    return _matches(target, item.kind, item.name, item.namespace)


def _matches(target: Document, *place: str) -> bool:
    """:param place: kind, name and namespace; what ``target`` does not say fits everything"""
    return all(
        fnmatchcase(value, str(target[field])) for field, value in zip(_TARGET, place, strict=True) if target.get(field)
    )


def _patched(item: Item, patch: Document, where: str) -> Item:
    document = merge_by_name(item.document, patch)
    if any(document.get(field) != item.document[field] for field in ("apiVersion", "kind")) or not (
        isinstance(document.get("metadata"), dict) and document["metadata"].get("name") == item.name
    ):
        raise InvalidIntent(
            f"would make {item} another object",
            field=f"{where}.patch",
            cure="leave apiVersion, kind and name as they are",
        )
    return replace(item, document=document)


def _wild(value: t.Any) -> bool:
    return isinstance(value, str) and "*" in value


def _words(target: Document) -> str:
    return ", ".join(f"{name} {value}" for name, value in target.items() if value)
