"""Manifests of each group: taken from the module archives, rendered once, kept as JSON, and beside it as the projects release them."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import gobuild, modules, monitoring, previous, releases, render, versions, wheels
from .families import FAMILIES
from .kube import Json
from .layout import Home

KSERVE = "github.com/kserve/kserve"
RELEASES = {**releases.BY_GROUP, previous.GROUP: previous.releases}
# The storage initializer's entrypoint: group, the family whose module holds it, and its version.
ENTRYPOINTS = {"triton": ("kubernetes", versions.KSERVE), previous.GROUP: (previous.GROUP, previous.VERSION)}


def file(home: Home, group: str) -> Path:
    """The key covers the modules that the manifests come from, and the code that renders them."""
    keys = [family.key() for family in FAMILIES if family.wanted([group])]
    ours = (render, releases, monitoring, versions, *([previous] if group == previous.GROUP else []))
    code = [Path(str(module.__file__)).read_text() for module in ours]
    digest = hashlib.sha256(json.dumps([group, keys, code]).encode()).hexdigest()[:12]
    return home.manifests / f"{group}-{digest}.json"


def load(home: Home, group: str) -> list[Json]:
    loaded: list[Json] = json.loads(file(home, group).read_text())
    return loaded


def release_folder(home: Home, group: str) -> Path:
    return file(home, group).with_suffix(".releases")


def write(home: Home, group: str) -> None:
    tools = render.Tools(
        module=lambda family, module: gobuild.module_folder(home, modules.family_of(family), module),
        parse=_parser(home),
        kubectl=wheels.kubectl(home),
        helm=wheels.helm(home),
    )
    rendered = render.BY_GROUP[group](tools) if group in render.BY_GROUP else []
    if group in ENTRYPOINTS:
        family, version = ENTRYPOINTS[group]
        script = tools.module(family, KSERVE) / "python/storage-initializer/scripts/initializer-entrypoint"
        home.manifests.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(script, storage_entrypoint(home, version))
    if group in RELEASES:
        releases.write(release_folder(home, group), RELEASES[group](tools))
    target = file(home, group)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(rendered))
    partial.rename(target)


def storage_entrypoint(home: Home, version: str) -> Path:
    """KServe's own entrypoint of the storage initializer, for its image."""
    return home.manifests / f"initializer-entrypoint-{version}"


def _parser(home: Home) -> Callable[[str], list[Json]]:
    """A reader of YAML documents. PyYAML lies in the cache, so that the tool runs with any Python."""

    def parse(text: str) -> list[Json]:
        place = str(wheels.folder(home, wheels.YAML))
        if place not in sys.path:
            sys.path.insert(0, place)
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return flat(document for document in yaml.load_all(text, Loader=loader))

    return parse


def flat(documents: Iterable[Any]) -> list[Json]:
    """Objects out of documents: empty ones dropped, lists opened."""
    result: list[Json] = []
    for document in documents:
        if document:
            result += document["items"] if document.get("kind") == "List" else [document]
    return result
