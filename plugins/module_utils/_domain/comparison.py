# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a live InferenceService say what we rendered? Only fields that are ours are asked."""

from __future__ import annotations

import copy
import typing as t

from .quantity import amount
from .versions import normal_mode

__all__ = ("differences", "template_differences", "with_percent", "without_percent")

Path = tuple[str, ...]

_MODE_PATH = ("metadata", "annotations", "serving.kserve.io/deploymentMode")
_PERCENT_PATH = ("spec", "predictor", "canaryTrafficPercent")
# Lists whose items have names; in all other lists the order and the number of items count.
_NAMED_LISTS = (("spec", "predictor", "model", "env"),)
_RESOURCES = ("spec", "predictor", "model", "resources")


def differences(ours: dict[str, t.Any], live: dict[str, t.Any], previous: dict[str, t.Any] | None = None) -> list[str]:
    """Paths where the live object does not say what we rendered.

    :param previous: what we rendered last: a field of it that we render no longer must be gone from the live object
    :returns: dotted paths, sorted; empty where nothing is to be done. Defaults and fields of others are not looked at.
    """
    found: set[Path] = set()
    for section in ("labels", "annotations"):
        _compare(("metadata", section), ours["metadata"].get(section, {}), live.get("metadata", {}).get(section, {}), found)
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


def without_percent(manifest: dict[str, t.Any]) -> dict[str, t.Any]:
    return with_percent(manifest, None)


def with_percent(manifest: dict[str, t.Any], percent: int | None) -> dict[str, t.Any]:
    """The same manifest with another canaryTrafficPercent, or without one."""
    result = dict(manifest)
    result["spec"] = dict(manifest.get("spec", {}))
    predictor = dict(result["spec"].get("predictor", {}))
    predictor.pop("canaryTrafficPercent", None)
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    result["spec"]["predictor"] = predictor
    return copy.deepcopy(result)


def _compare(path: Path, ours: t.Any, live: t.Any, found: set[Path]) -> None:
    if isinstance(ours, dict):
        for key, value in ours.items():
            _compare((*path, key), value, live.get(key) if isinstance(live, dict) else None, found)
    elif isinstance(ours, list) and path in _NAMED_LISTS:
        by_name = {item.get("name"): item for item in live or () if isinstance(item, dict)}
        for item in ours:
            _compare((*path, item["name"]), item, by_name.get(item["name"]), found)
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
    if path[: len(_RESOURCES)] == _RESOURCES:
        return amount(ours) == amount(live)
    # An empty variable may come back without a value.
    return bool(ours == live) or (ours == "" and live is None and path[-1] == "value")


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
