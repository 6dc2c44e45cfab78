# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who owns which field of an InferenceService, and how fields that are ours are taken over from earlier writers.

Server-side apply removes a field that is no longer in the manifest only where nobody else owns it. The platform's worker
replaced whole objects, and our own first write is a POST: both leave ownership behind under the operation ``Update``, so
that clearing a field would leave its value. ``takeover`` moves such fields to our ``Apply`` entry; the next apply then
removes what the manifest does not have. Fields that are not ours keep their owners.

Ownership is read as ``fieldsV1`` sets: ``{"f:spec": {"f:predictor": {"f:timeout": {}}}}``, ``.`` for the object itself,
``k:{...}`` for an item of a keyed list, ``v:...`` for an item of a set.
"""

from __future__ import annotations

import copy
import json
import typing as t

__all__ = (
    "FENCE_MANAGER",
    "MANAGER",
    "Takeover",
    "adopted",
    "cleared_paths",
    "patch",
    "rendered_paths",
    "surviving",
    "takeover",
    "without_taken",
)

MANAGER = "mlops.serving"
FENCE_MANAGER = "mlops.serving-fence"

Fields = dict[str, t.Any]
Path = tuple[str, ...]


class Takeover(t.NamedTuple):
    """:param managed_fields: to be written; :param taken: the set of fields that changes hands"""

    managed_fields: list[dict[str, t.Any]]
    taken: Fields


_PREDICTOR = ("f:spec", "f:predictor")
_MODEL = (*_PREDICTOR, "f:model")
_ANNOTATIONS = ("f:metadata", "f:annotations")
_LABELS = ("f:metadata", "f:labels")

_CANARY = (*_PREDICTOR, "f:canaryTrafficPercent")
# What the platform's worker and we render alike: ours even where the manifest does not have it (any more). Left out is what
# KServe's webhook fills in where it is absent (protocolVersion, resources, the mode): nobody can clear that.
_ALWAYS: tuple[Path, ...] = (
    *(
        (*_PREDICTOR, f"f:{name}")
        for name in (
            "autoScaling",
            "batcher",
            "canaryTrafficPercent",
            "containerConcurrency",
            "maxReplicas",
            "minReplicas",
            "scaleMetric",
            "scaleMetricType",
            "scaleTarget",
            "serviceAccountName",
            "timeout",
        )
    ),
    *((*_MODEL, f"f:{name}") for name in ("runtime", "runtimeVersion", "storageUri")),
    *(
        (*_ANNOTATIONS, f"f:serving.kserve.io/{name}")
        for name in ("autoscalerClass", "enable-prometheus-scraping", "enable-tag-routing")
    ),
    *(
        (*_LABELS, f"f:{name}")
        for name in ("mlops.tenancy/tenant_id", "mlops.tenancy/project_id", "mlops.platform/endpoint_id")
    ),
)

# Rendered as a whole: what another writer left inside (a GPU in the limits) would change its meaning.
_WHOLE = ("autoScaling", "batcher", "modelFormat", "nodeSelector", "resources")


def rendered_paths(*manifests: t.Mapping[str, t.Any] | None) -> frozenset[Path]:
    """The fields that are ours: those that are always, and what is rendered now and was before."""
    return frozenset(_ALWAYS).union(*(_paths(manifest) for manifest in manifests if manifest is not None))


def cleared_paths(manifest: t.Mapping[str, t.Any], previous: t.Mapping[str, t.Any] | None) -> frozenset[Path]:
    """Fields that must be gone once ``manifest`` is applied: what was rendered before, and always the canary's share."""
    return frozenset(({_CANARY} | (_paths(previous) if previous else set())) - _paths(manifest))


def takeover(service: t.Mapping[str, t.Any], ours: frozenset[Path]) -> Takeover | None:
    """``managedFields`` in which our fields are ours alone among those who wrote whole objects.

    Touched are entries with the operation Update and no subresource; entries of other appliers stay, as those tools would
    write again.

    :returns: None where nothing is to be done, which is the rule after the first contact
    """
    taken: Fields = {}
    kept: list[dict[str, t.Any]] = []
    for entry in copy.deepcopy(list(service["metadata"].get("managedFields") or ())):
        if entry.get("operation") == "Update" and not entry.get("subresource"):
            fields = entry.get("fieldsV1") or {}
            # Our own POST: all of it is ours, as what admission adds to a request is nobody's.
            moved, rest = (fields, {}) if entry.get("manager") == MANAGER else _split(fields, ours, ())
            _merge(taken, moved)
            if not rest:
                continue
            entry["fieldsV1"] = rest
        kept.append(entry)
    if not taken:
        return None
    own = next((entry for entry in kept if _is_ours(entry)), None)
    if own is None:
        own = {"manager": MANAGER, "operation": "Apply", "apiVersion": service["apiVersion"], "fieldsType": "FieldsV1"}
        kept.append(own)
    own["fieldsV1"] = _merge(dict(own.get("fieldsV1") or {}), taken)
    return Takeover(kept, taken)


def without_taken(result: t.Mapping[str, t.Any], taken: Fields, manifest: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a dry run would have answered, had the takeover been written: without fields that change hands and are not
    in the manifest."""
    predicted = copy.deepcopy(dict(result))
    for leaf in _owned_leaves(taken):
        path = leaf
        while path and _value(manifest, path) is None:
            _remove(_value(predicted, path[:-1]), path[-1])
            path = path[:-1]
            if _value(predicted, path):
                break
    return predicted


def patch(service: t.Mapping[str, t.Any], managed_fields: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The JSON patch that writes ``managed_fields``; the resourceVersion in it makes a stale one a conflict."""
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": service["metadata"]["resourceVersion"]},
    ]


def adopted(service: t.Mapping[str, t.Any]) -> bool:
    """Whether anybody of us has written to it since it was made by a POST."""
    entries = service["metadata"].get("managedFields") or ()
    return any(_is_ours(entry) or entry.get("manager") == FENCE_MANAGER for entry in entries)


def surviving(service: t.Mapping[str, t.Any], cleared: t.Iterable[Path]) -> dict[str, list[str]]:
    """Fields among ``cleared`` that other appliers keep alive: ``{"spec.predictor.timeout": ["argocd"]}``."""
    found = {}
    for path in cleared:
        managers = _appliers(service, path)
        if managers:
            found[".".join(step.removeprefix("f:") for step in path)] = managers
    return found


def _appliers(service: t.Mapping[str, t.Any], path: Path) -> list[str]:
    """Managers other than ours that apply (server-side) the field at ``path`` or a part of it."""
    found = set()
    for entry in service["metadata"].get("managedFields") or ():
        if entry.get("operation") != "Apply" or entry.get("manager") in (MANAGER, FENCE_MANAGER):
            continue
        if _at(entry.get("fieldsV1") or {}, path) is not None:
            found.add(str(entry.get("manager")))
    return sorted(found)


def _is_ours(entry: t.Mapping[str, t.Any]) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _split(fields: Fields, ours: frozenset[Path], at: Path) -> tuple[Fields, Fields]:
    """Divide an owner's set into what is ours and the rest."""
    moved: Fields = {}
    rest: Fields = {}
    for step, below in fields.items():
        path = (*at, step)
        if path in ours:
            moved[step] = below
            continue
        inner_moved, inner_rest = _split(below, ours, path)
        if inner_moved:
            moved[step] = inner_moved
        if inner_rest or not inner_moved:
            rest[step] = inner_rest if inner_moved else below
    return moved, rest


def _merge(into: Fields, other: Fields) -> Fields:
    for step, below in other.items():
        into[step] = _merge(dict(into.get(step) or {}), below)
    return into


def _at(fields: Fields, path: Path) -> Fields | None:
    current: t.Any = fields
    for step in path:
        if not isinstance(current, dict) or step not in current:
            return None
        current = current[step]
    return t.cast(Fields, current)


def _owned_leaves(fields: Fields, at: Path = ()) -> t.Iterator[Path]:
    """Paths of an ownership set; an item of a keyed list counts as one."""
    for step, below in fields.items():
        if step == ".":
            continue
        if step.startswith("k:") or not set(below) - {"."}:
            yield (*at, step)
        else:
            yield from _owned_leaves(below, (*at, step))


def _value(document: t.Any, path: Path) -> t.Any:
    for step in path:
        if step.startswith("k:"):
            items = document if isinstance(document, list) else ()
            document = next((item for item in items if _is_item(item, step)), None)
        else:
            document = document.get(step[2:]) if isinstance(document, dict) else None
    return document


def _remove(parent: t.Any, step: str) -> None:
    if isinstance(parent, dict):
        parent.pop(step[2:], None)
    elif isinstance(parent, list):
        parent[:] = [item for item in parent if not _is_item(item, step)]


def _is_item(item: t.Any, step: str) -> bool:
    return isinstance(item, dict) and all(item.get(key) == value for key, value in json.loads(step[2:]).items())


def _paths(manifest: t.Mapping[str, t.Any]) -> set[Path]:
    found: set[Path] = set()
    for section in ("labels", "annotations"):
        for key in (manifest.get("metadata") or {}).get(section) or {}:
            found.add(("f:metadata", f"f:{section}", f"f:{key}"))
    found.update(("f:spec", *path) for path in _leaves(manifest.get("spec") or {}))
    return found


def _leaves(value: t.Mapping[str, t.Any]) -> t.Iterator[Path]:
    """Paths of a rendered value: named lists (env) by item, other lists and what is set as a whole as one."""
    for key, item in value.items():
        if isinstance(item, dict) and item and key not in _WHOLE:
            yield from ((f"f:{key}", *path) for path in _leaves(item))
        elif isinstance(item, list) and item and all(isinstance(part, dict) and "name" in part for part in item):
            # The API server writes list keys as compact JSON.
            yield from ((f"f:{key}", f"k:{json.dumps({'name': part['name']}, separators=(',', ':'))}") for part in item)
        else:
            yield (f"f:{key}",)
