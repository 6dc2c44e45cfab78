"""How each group's manifests are made from what upstream's archives hold."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import monitoring, versions
from .kube import Json
from .shell import run, writable_copy

KNATIVE_RELEASES = "gcr.io/knative-releases"
# KServe's LLM and local-model controllers are left out: they serve neither Triton nor canaries, and cost 30 s of every start.
LEFT_OUT = ("llminferenceservice", "llmisvc", "localmodel")


@dataclass(frozen=True)
class Tools:
    """module: folder of a module's archive by family and path; parse: YAML text to objects."""

    module: Callable[[str, str], Path]
    parse: Callable[[str], list[Json]]
    kubectl: Path
    helm: Path

    def files(self, paths: Iterable[Path], change: Callable[[str], str] = lambda text: text) -> list[Json]:
        return [manifest for path in paths for manifest in self.parse(change(path.read_text()))]


def release_images(text: str) -> str:
    """`ko://` import paths and digests, which only upstream's build can fill, become the release's tags."""
    text = re.sub(r"ko://(\S+)", rf"{KNATIVE_RELEASES}/\1:{versions.KNATIVE}", text)
    kourier = r"gcr\.io/knative-\w+/(knative\.dev/net-kourier/cmd/kourier)@sha256:[0-9a-f]+"
    return re.sub(kourier, rf"{KNATIVE_RELEASES}/\1:{versions.KOURIER}", text)


def knative(tools: Tools) -> list[Json]:
    return [*knative_core(tools), *kourier(tools)]


def knative_core(tools: Tools) -> list[Json]:
    serving = tools.module("kubernetes", "knative.dev/serving")
    networking = tools.module("kubernetes", "knative.dev/networking")
    caching = tools.module("kubernetes", "knative.dev/caching")
    core = sorted((serving / "config" / "core").rglob("*.yaml"))
    # Symbolic links of the source tree, which a module archive does not hold.
    linked = [*sorted((networking / "config").glob("*.yaml")), caching / "config" / "image.yaml"]
    return tools.files([*linked, *core], release_images)


def kourier(tools: Tools) -> list[Json]:
    serving = tools.module("kubernetes", "knative.dev/serving")
    return tools.files([serving / "third_party" / "kourier-latest" / "kourier.yaml"], release_images)


def kserve(tools: Tools) -> list[Json]:
    install = tools.module("kubernetes", "github.com/kserve/kserve") / "install" / versions.KSERVE
    found = tools.files([install / "kserve.yaml", install / "kserve-cluster-resources.yaml"], newer_proxy)
    return [*cert_manager(tools), *(m for m in found if not left_out(m))]


def newer_proxy(text: str) -> str:
    return re.sub(r"(quay\.io/brancz/kube-rbac-proxy):\S+", rf"\1:{versions.KUBE_RBAC_PROXY}", text)


def left_out(manifest: Json) -> bool:
    return manifest["kind"] == "LLMInferenceServiceConfig" or any(
        word in manifest["metadata"]["name"] for word in LEFT_OUT
    )


def cert_manager(tools: Tools) -> list[Json]:
    source = tools.module("certmanager", "github.com/cert-manager/cert-manager")
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / "chart"
        writable_copy(source / "deploy" / "charts" / "cert-manager", chart)
        text = (chart / "Chart.template.yaml").read_text()
        version = re.sub(r"(?m)^version: .*$", f"version: {versions.CERT_MANAGER}", text)
        (chart / "Chart.yaml").write_text(
            re.sub(r"(?m)^appVersion: .*$", f"appVersion: {versions.CERT_MANAGER}", version)
        )
        for path in sorted((source / "deploy" / "crds").glob("crd-*.yaml")):
            # The release build turns this comment into code.
            live = re.sub(r'# Generated labels (\{\{- include "labels")', r"\1", path.read_text())
            (chart / "templates" / path.name).write_text(live)
        return template(tools, "cert-manager", chart, "cert-manager", "startupapicheck.enabled=false")


def template(tools: Tools, name: str, chart: Path, namespace: str, *settings: str) -> list[Json]:
    """`helm template`; objects that name no namespace and need one get it as `helm install` would give it."""
    flags = [word for setting in settings for word in ("--set", setting)]
    text = run([tools.helm, "template", name, chart, "-n", namespace, "--no-hooks", "--skip-tests", *flags])
    return tools.parse(text)


def keda(tools: Tools) -> list[Json]:
    source = tools.module("kubernetes", "github.com/kedacore/keda/v2")
    text = run([tools.kubectl, "kustomize", source / "config" / "default"])
    return tools.parse(re.sub(r"(ghcr\.io/kedacore/keda[a-z-]*):(?:latest|main)", rf"\1:{versions.KEDA}", text))


def metrics(tools: Tools) -> list[Json]:
    source = tools.module("kubernetes", "sigs.k8s.io/metrics-server")
    return tools.parse(run([tools.kubectl, "kustomize", source / "manifests" / "overlays" / "release"]))


def kyverno(tools: Tools) -> list[Json]:
    """The admission controller alone: it is what refuses. Charts that the archive carries packed are put where helm looks."""
    source = tools.module("kyverno", "github.com/kyverno/kyverno") / "charts" / "kyverno"
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / "chart"
        writable_copy(source, chart)
        for packed in chart.glob("tmpcharts-*/*.tgz"):
            shutil.copy(packed, chart / "charts")
        (chart / "Chart.lock").unlink()
        listed = (chart / "Chart.yaml").read_text()
        (chart / "Chart.yaml").write_text(re.sub(r"\n  - name: reports-server\n(?:    .*\n?)+", "\n", listed))
        off = [f"{name}Controller.enabled=false" for name in ("background", "cleanup", "reports")]
        return template(tools, "kyverno", chart, "kyverno", *off)


BY_GROUP: dict[str, Callable[[Tools], list[Json]]] = {
    "knative": knative,
    "kserve": kserve,
    "keda": keda,
    "metrics": metrics,
    "kyverno": kyverno,
    "prometheus": lambda _: monitoring.objects(),
}
