# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ConfigMaps that belong to several: a release brings them, an installer sets some of it, and people have changed some more.

Three ways are told apart by what was written last time: what a person changed since then stays, what a release changed comes,
and what the installer is told to set counts most. A value that holds a JSON object is merged field by field.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from .documents import merge
from .images import replaced, with_images

__all__ = ("Merged", "digest", "merged")

Data = t.Mapping[str, str]
# Explanations for people: they belong to the release, and Knative refuses one that does not fit its checksum.
_EXAMPLE = "_example"
_GONE: t.Any = object()


class Merged(t.NamedTuple):
    """:param data: what the ConfigMap is to say
    :param written: what to remember as written: without what people changed
    :param kept: what people changed and what the release says otherwise, as ``key.field``
    """

    data: dict[str, str]
    written: dict[str, str]
    kept: list[str]


def merged(
    released: Data,
    settings: t.Mapping[str, t.Any],
    *,
    before: Data | None = None,
    live: Data | None = None,
    images: t.Mapping[str, str] | None = None,
) -> Merged:
    """
    :param released: the data of the release's ConfigMap
    :param settings: by key: a text, or a mapping that is merged into the JSON object there (null takes a field out)
    :param before: what was written last time; None where it is not known: then all that differs counts as changed by people
    :param live: what is there now, None where there is nothing yet
    :param images: other images, as :func:`images.replaced` takes them; for JSON fields and keys that are called image
    """
    data: dict[str, str] = {}
    written: dict[str, str] = {}
    kept: list[str] = []
    for key in dict.fromkeys([*released, *settings, *(live or {})]):
        fresh = _with_images(key, _opened(released.get(key, _GONE)), images or {})
        wanted = _set(fresh, settings.get(key, _GONE))
        if wanted is not _GONE and key != _EXAMPLE:
            # Not as it is written there: the same wishes are the same text in each run.
            written[key] = _closed(wanted, None)
        if key == _EXAMPLE or live is None:
            result = wanted
        else:
            was = _GONE if before is None else _opened(before.get(key, _GONE))
            now = _opened(live.get(key, _GONE))
            result = _three_ways(was, now, wanted, before is None, key, kept)
            result = _set(result, settings.get(key, _GONE))
        if result is not _GONE:
            data[key] = _closed(result, (live or {}).get(key))
    return Merged(data, written, [path for path in kept if not _is_set(path, settings)])


def digest(data: Data, *more: str) -> str:
    """Twelve characters that are the same as long as the settings are; not how JSON is written, nor the explanations."""
    meaning = {key: _opened(value) for key, value in data.items() if key != _EXAMPLE}
    return hashlib.sha256(json.dumps([meaning, sorted(more)], sort_keys=True).encode()).hexdigest()[:12]


def _three_ways(was: t.Any, now: t.Any, fresh: t.Any, unknown: bool, path: str, kept: list[str]) -> t.Any:
    if now == fresh:
        return fresh
    if isinstance(now, dict) and isinstance(fresh, dict):
        old = was if isinstance(was, dict) else {}
        result = {}
        for name in dict.fromkeys([*fresh, *now]):
            sides = (old.get(name, _GONE), now.get(name, _GONE), fresh.get(name, _GONE))
            value = _three_ways(*sides, unknown, f"{path}.{name}", kept)
            if value is not _GONE:
                result[name] = value
        return result
    if unknown:
        # Nobody knows who took a field out: what is missing is new in this release.
        chosen = fresh if now is _GONE else now
    else:
        chosen = fresh if now == was else now
    if chosen is now and fresh is not _GONE:
        kept.append(path)
    return chosen


def _set(value: t.Any, setting: t.Any) -> t.Any:
    if setting is _GONE:
        return value
    if isinstance(setting, dict):
        return merge(value if isinstance(value, dict) else {}, setting)
    return _opened(_text(setting))


def _is_set(path: str, settings: t.Mapping[str, t.Any]) -> bool:
    """Did the installer decide this field anyway?"""
    for key, setting in settings.items():
        if path == key:
            return True
        if path.startswith(f"{key}."):
            place: t.Any = setting
            for name in path[len(key) + 1 :].split("."):
                if not isinstance(place, dict):
                    return True
                if name not in place:
                    return False
                place = place[name]
            return True
    return False


def _with_images(key: str, value: t.Any, images: t.Mapping[str, str]) -> t.Any:
    if not images or value is _GONE or key == _EXAMPLE:
        return value
    if isinstance(value, str):
        return replaced(value, images) if key.endswith("image") else value
    return with_images(_image_fields(value, images), images)


def _image_fields(value: t.Any, images: t.Mapping[str, str]) -> t.Any:
    if isinstance(value, dict):
        return {
            name: replaced(item, images)
            if isinstance(item, str) and name.lower().endswith("image")
            else item
            if name in ("containers", "initContainers")
            else _image_fields(item, images)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_image_fields(item, images) for item in value]
    return value


def _opened(text: t.Any) -> t.Any:
    """A JSON object as such, anything else as the text that it is."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _closed(value: t.Any, live: str | None) -> str:
    """The text that is there where it says the same: spaces are no change."""
    if isinstance(value, str):
        return value
    return live if live is not None and _opened(live) == value else json.dumps(value, indent=2)


def _text(value: t.Any) -> str:
    """As ConfigMaps have it: true, not True."""
    return value if isinstance(value, str) else json.dumps(value)
