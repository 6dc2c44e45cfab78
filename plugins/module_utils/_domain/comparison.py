# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a live InferenceService say what we rendered? Only fields that are ours are asked."""

from __future__ import annotations

import typing as t

from .quantity import amount
from .versions import normal_mode

__all__ = ("combined", "differences", "template_differences", "with_percent", "without_percent")

Path = tuple[str, ...]

_MODE_PATH = ("metadata", "annotations", "serving.kserve.io/deploymentMode")
_PERCENT_PATH = ("spec", "predictor", "canaryTrafficPercent")
# Lists whose items have names; in all other lists the order and the number of items count.
_NAMED_LISTS = (("spec", "predictor", "model", "env"),)
_RESOURCES = ("spec", "predictor", "model", "resources")
# A metric's target is a quantity: 50 comes back as "50".
_SCALING = ("spec", "predictor", "autoScaling")
_METRIC_AMOUNTS = ("value", "averageValue")


def differences(ours: dict[str, t.Any], live: dict[str, t.Any], previous: dict[str, t.Any] | None = None) -> list[str]:
    """Paths where the live object does not say what we rendered.

    :param previous: what we rendered last: a field of it that we render no longer must be gone from the live object
    :returns: dotted paths, sorted; empty where nothing is to be done. Defaults and fields of others are not looked at.
    """
    found: set[Path] = set()
    for section in ("labels", "annotations"):
        _compare(
            ("metadata", section), ours["metadata"].get(section, {}), live.get("metadata", {}).get(section, {}), found
        )
    _compare(("spec",), ours["spec"], live.get("spec", {}), found)
    for path in _leaves(previous or {}):
        if path[0] != "spec" and path[:2] not in (("metadata", "labels"), ("metadata", "annotations")):
            continue
        if _look(ours, path) is None and _look(live, path) is not None:
            found.add(path)
    return sorted(".".join(path) for path in found)


def template_differences(
    ours: dict[str, t.Any], live: dict[str, t.Any], previous: dict[str, t.Any] | None = None
) -> list[str]:
    """The same without canaryTrafficPercent: these differences make a new revision, a percentage does not."""
    return differences(without_percent(ours), without_percent(live), without_percent(previous) if previous else None)


def combined(*manifests: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
    """All fields that any of the manifests has; the last one's value where several have it. None without any."""
    result: dict[str, t.Any] | None = None
    for manifest in manifests:
        if manifest is not None:
            result = manifest if result is None else _union((), result, manifest)
    return result


def _union(path: Path, one: t.Any, other: t.Any) -> t.Any:
    if isinstance(one, dict) and isinstance(other, dict):
        both = {key: _union((*path, key), one[key], other[key]) for key in one if key in other}
        return {**one, **other, **both}
    if path in _NAMED_LISTS and isinstance(one, list) and isinstance(other, list):
        return list({item.get("name"): item for item in (*one, *other)}.values())
    return other


def without_percent(manifest: dict[str, t.Any]) -> dict[str, t.Any]:
    return with_percent(manifest, None)


def with_percent(manifest: dict[str, t.Any], percent: int | None) -> dict[str, t.Any]:
    """The same manifest with another canaryTrafficPercent, or without one. All else is shared, not copied."""
    spec = manifest.get("spec", {})
    predictor = {key: value for key, value in (spec.get("predictor") or {}).items() if key != "canaryTrafficPercent"}
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    return {**manifest, "spec": {**spec, "predictor": predictor}}


def _compare(path: Path, ours: t.Any, live: t.Any, found: set[Path]) -> None:
    if isinstance(ours, dict):
        for key, value in ours.items():
            _compare((*path, key), value, live.get(key) if isinstance(live, dict) else None, found)
    elif isinstance(ours, list) and path in _NAMED_LISTS:
        by_name = {item.get("name"): item for item in live or () if isinstance(item, dict)}
        for item in ours:
            if item["name"] in by_name:
                _compare((*path, item["name"]), item, by_name[item["name"]], found)
            else:
                found.add((*path, item["name"]))
    elif isinstance(ours, list):
        if not isinstance(live, list) or len(ours) != len(live):
            found.add(path)
            return
        for index, item in enumerate(ours):
            _compare((*path, str(index)), item, live[index], found)
    elif not _same(path, ours, live):
        found.add(path)


def _same(path: Path, ours: t.Any, live: t.Any) -> bool:
    if path == _MODE_PATH:
        # KServe's webhook writes today's names over the legacy ones.
        return isinstance(live, str) and normal_mode(ours) == normal_mode(live)
    if path[: len(_RESOURCES)] == _RESOURCES or (path[: len(_SCALING)] == _SCALING and path[-1] in _METRIC_AMOUNTS):
        return amount(ours) == amount(live) if amount(ours) is not None else bool(ours == live)
    # KServe's types leave empty texts out of lists of objects, such as a variable's value or a toleration's effect.
    return bool(ours == live) or (ours in ("", None) and live is None and path[0] == "spec")


def _leaves(value: t.Any, path: Path = ()) -> t.Iterator[Path]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and path in _NAMED_LISTS:
        for item in value:
            yield (*path, str(item.get("name")))
    else:
        yield path


def _look(value: t.Any, path: Path) -> t.Any:
    at: Path = ()
    for key in path:
        if isinstance(value, list) and at in _NAMED_LISTS:
            value = next((item for item in value if item.get("name") == key), None)
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            return None
        at = (*at, key)
    return value
