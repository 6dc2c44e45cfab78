# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other images in place of a manifest's: an image by its name, all below a path, or a whole registry."""

from __future__ import annotations

import typing as t

__all__ = ("replaced", "with_images")

# Fields whose items are containers, wherever they stand: pods' templates, and custom resources such as a
# ClusterServingRuntime's. ``container`` is a ClusterStorageContainer's.
_LISTS = ("containers", "initContainers", "ephemeralContainers")
_SINGLE = "container"


def with_images(document: t.Any, images: t.Mapping[str, str]) -> t.Any:
    """A copy in which the image of every container is what ``images`` says. Arguments and ConfigMaps are not looked at."""
    if not images or not isinstance(document, (dict, list)):
        return document
    if isinstance(document, list):
        return [with_images(item, images) for item in document]
    result = {name: with_images(value, images) for name, value in document.items()}
    for name in _LISTS:
        if isinstance(result.get(name), list):
            result[name] = [_container(item, images) for item in result[name]]
    if _SINGLE in result:
        result[_SINGLE] = _container(result[_SINGLE], images)
    return result


def replaced(image: str, images: t.Mapping[str, str]) -> str:
    """The image to use for ``image``.

    The longest key that fits counts: the image as a whole; its repository, whose tag or digest then stays unless the new
    name has one; a path or registry before a slash. ``nginx`` is also found as ``docker.io/library/nginx``. A value that is
    only a tag or digest, such as ``:24.08-py3``, gives just that, and the other keys then count for the name.
    """
    full = _full(image)
    repository, tail = _split(full)
    for key in sorted(images, key=len, reverse=True):
        wanted, value = _full_key(key), images[key]
        whole = key in (image, full) or wanted == full
        if value[:1] in (":", "@"):
            if whole or wanted == repository:
                return replaced(_split(image)[0] + value, {k: v for k, v in images.items() if k != key})
        elif whole:
            return value if _split(key)[1] or _split(value)[1] else value + tail
        elif wanted == repository:
            return value if _split(value)[1] else value + tail
        elif full.startswith(wanted.rstrip("/") + "/"):
            return value.rstrip("/") + full[len(wanted.rstrip("/")) :]
    return image


def _container(item: t.Any, images: t.Mapping[str, str]) -> t.Any:
    if isinstance(item, dict) and isinstance(item.get("image"), str):
        return {**item, "image": replaced(item["image"], images)}
    return item


def _split(image: str) -> tuple[str, str]:
    """Repository, and ``:tag`` or ``@digest`` or both."""
    start = image.rfind("/") + 1
    ends = [place for place in (image.find(":", start), image.find("@", start)) if place >= 0]
    return (image[: min(ends)], image[min(ends) :]) if ends else (image, "")


def _full(image: str) -> str:
    """With the registry that a container runtime takes where none is named."""
    first, slash, _rest = image.partition("/")
    if "://" in image or (slash and _names_registry(first)):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _full_key(key: str) -> str:
    """A key may be a registry alone, such as ``docker.io``; ``nginx:1.25`` is an image of Docker Hub's."""
    alone = "/" not in key and ("." in key.partition(":")[0] or key.startswith("localhost"))
    return key if alone else _full(key)


def _names_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost"
