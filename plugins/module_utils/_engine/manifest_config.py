# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ConfigMaps among the documents that are merged with what is on the cluster, and the Deployments that read them at their start."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from .._adapters.objects import Objects
from .._domain.config_merge import digest, merged
from .._domain.documents import Item, merge
from .._domain.errors import InvalidIntent

__all__ = ("WRITTEN", "Config", "with_config")

Document = dict[str, t.Any]
# What was written last time, in the ConfigMap itself: it goes where the ConfigMap goes, into a backup too.
WRITTEN = "mlops.platform/written-config"


@dataclass(frozen=True)
class Config:
    """:param data: what a key is to say, by key; a mapping is merged into a key that holds JSON
    :param restart: names of Deployments in the same namespace that read it at their start
    :param groups: API groups whose presence these Deployments look for at their start
    """

    name: str
    namespace: str
    data: t.Mapping[str, t.Any] = field(default_factory=dict)
    restart: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def with_config(
    objects: Objects, items: t.Sequence[Item], configs: t.Sequence[Config], images: t.Mapping[str, str]
) -> tuple[list[Item], list[str]]:
    """The items with merged ConfigMaps and Deployments that carry their digest, and words about what people had changed.

    :raises InvalidIntent: where a ConfigMap or Deployment is not among the items
    """
    found, kept = list(items), []
    for number, config in enumerate(configs, 1):
        where = f"config[{number}]"
        if not config.data and _find(found, "ConfigMap", config.name, config.namespace) is None:
            # Releases differ in which ones they have.
            continue
        place = _place(found, "ConfigMap", config.name, config.namespace, f"{where}.name")
        item = found[place]
        live = objects.get(item)
        annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
        result = merged(
            item.document.get("data") or {},
            config.data,
            before=_remembered(annotations.get(WRITTEN)),
            live=None if live is None else live.get("data") or {},
            images=images,
        )
        kept += [
            f"ConfigMap {config.namespace}/{config.name}: {path} stays as it was changed on the cluster"
            for path in result.kept
        ]
        note = {"metadata": {"annotations": {WRITTEN: json.dumps(result.written, sort_keys=True)}}}
        # What others said is in it: the fields can be taken over.
        found[place] = replace(item, document={**merge(item.document, note), "data": result.data}, force=True)
        present = [group for group in config.groups if _known(objects, found, group)]
        mark = {f"mlops.platform/{config.name}": digest(result.data, *present)}
        for name in config.restart:
            at = _place(found, "Deployment", name, config.namespace, f"{where}.restart")
            patch = {"spec": {"template": {"metadata": {"annotations": mark}}}}
            found[at] = replace(found[at], document=merge(found[at].document, patch))
    return found, kept


def _find(items: t.Sequence[Item], kind: str, name: str, namespace: str) -> int | None:
    wanted = (kind, name, namespace)
    return next((at for at, item in enumerate(items) if (item.kind, item.name, item.namespace) == wanted), None)


def _place(items: t.Sequence[Item], kind: str, name: str, namespace: str, where: str) -> int:
    place = _find(items, kind, name, namespace)
    if place is None:
        raise InvalidIntent(
            f"{kind} {namespace}/{name} is not among the documents", field=where, cure="correct it, or take it out"
        )
    return place


def _remembered(text: str | None) -> dict[str, str] | None:
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _known(objects: Objects, items: t.Sequence[Item], group: str) -> bool:
    brought = any(
        item.kind == "CustomResourceDefinition" and (item.document.get("spec") or {}).get("group") == group
        for item in items
    )
    return brought or objects.has_group(group)
