"""Manifests as the projects release them, laid out for an installer: FOLDER/component/version/file.

Release assets are made by each project's build, which is not in its module archive: what is written here is rendered from the
same sources, with the files' names and the release's image names. KServe's files are in the archive and are taken as they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import render, versions
from .kube import Json

# Knative's modules are numbered 0.N, its releases 1.(N-27).
_KNATIVE_LEAD = 27


@dataclass(frozen=True)
class Release:
    component: str
    version: str
    name: str
    text: str


def _yaml(objects: Iterable[Json]) -> str:
    """Documents of JSON are documents of YAML."""
    return "".join(f"---\n{json.dumps(one, indent=1)}\n" for one in objects)


def knative_release(module_version: str) -> str:
    """v0.48.1 -> 1.21.1"""
    _, minor, patch = module_version.split(".")
    return f"1.{int(minor) - _KNATIVE_LEAD}.{patch}"


def knative(tools: render.Tools) -> list[Release]:
    core = render.knative_core(tools)
    crds = [one for one in core if one["kind"] == "CustomResourceDefinition"]
    serving, kourier = knative_release(versions.KNATIVE), knative_release(versions.KOURIER)
    net_istio = tools.module("kubernetes", "knative.dev/serving") / "third_party" / "istio-latest" / "net-istio.yaml"
    istio = tools.module("kubernetes", "istio.io/api") / "kubernetes" / "customresourcedefinitions.gen.yaml"
    return [
        Release("knative_serving", serving, "serving-crds.yaml", _yaml(crds)),
        Release("knative_serving", serving, "serving-core.yaml", _yaml(core)),
        Release("kourier", kourier, "kourier.yaml", _yaml(render.kourier(tools))),
        Release("net_istio", kourier, "net-istio.yaml", net_istio.read_text()),
        # Its definitions only: nothing of Istio runs here.
        Release("istio", kourier, "istio.yaml", istio.read_text()),
    ]


def kserve(tools: render.Tools) -> list[Release]:
    install = tools.module("kubernetes", "github.com/kserve/kserve") / "install" / versions.KSERVE
    names = ("kserve.yaml", "kserve-cluster-resources.yaml")
    return [
        Release("cert_manager", _bare(versions.CERT_MANAGER), "cert-manager.yaml", _yaml(render.cert_manager(tools))),
        *(Release("kserve", _bare(versions.KSERVE), name, (install / name).read_text()) for name in names),
    ]


def keda(tools: render.Tools) -> list[Release]:
    version = _bare(versions.KEDA)
    return [Release("keda", version, f"keda-{version}.yaml", _yaml(render.keda(tools)))]


def kyverno(tools: render.Tools) -> list[Release]:
    # The chart leaves the namespace to helm; the release's file begins with it.
    labels = {f"app.kubernetes.io/{name}": "kyverno" for name in ("instance", "part-of")}
    labels["app.kubernetes.io/version"] = versions.KYVERNO
    namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kyverno", "labels": labels}}
    return [Release("kyverno", _bare(versions.KYVERNO), "install.yaml", _yaml([namespace, *render.kyverno(tools)]))]


def _bare(version: str) -> str:
    return version.removeprefix("v")


BY_GROUP: dict[str, Callable[[render.Tools], list[Release]]] = {
    "knative": knative,
    "kserve": kserve,
    "keda": keda,
    "kyverno": kyverno,
}


def write(folder: Path, releases: Iterable[Release]) -> None:
    for one in releases:
        target = folder / one.component / one.version / one.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(one.text)


def lay_out(folder: Path, sources: Iterable[Path]) -> None:
    """All groups' releases in one folder."""
    for source in sources:
        if source.exists():
            shutil.copytree(source, folder, dirs_exist_ok=True)
