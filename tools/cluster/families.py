"""What is built from Go modules: one folder under go/ a family, its binaries, and the group that needs each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from . import previous

GO_FOLDER = Path(__file__).parent / "go"
KUBERNETES = "v1.34.3"
KNATIVE = ("controller", "webhook", "autoscaler", "activator", "queue")
KEDA = ("operator", "adapter", "webhooks")
# Compiles in seven tenths of the processor time: nobody debugs these binaries, and they are built more than they compute. The standard library
# keeps inlining and the elimination of bounds checks, as the collector and the parsers of JSON and of HTTP are there.
GCFLAGS = ("all=-dwarf=false -l -d=ssa/prove/off", "std=-dwarf=false")
_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Binary:
    """One binary: name in the cache, package to build, group that needs it."""

    name: str
    package: str
    group: str


@dataclass(frozen=True)
class Family:
    """Binaries that are built in one module, so that they share what is compiled.

    seconds: half of the processor time measured in one build of all groups from empty caches, in this order, as there are two cores; only the
    estimate of what is left uses it.
    """

    name: str
    binaries: tuple[Binary, ...]
    seconds: dict[str, int]
    ldflags: str = "-s -w"
    archive: str = ""  # module path: built inside that module's own archive, where its own replacements count
    overlay: dict[str, str] = field(
        default_factory=dict
    )  # files of the archive -> files of our folder that stand in for them

    @property
    def folder(self) -> Path:
        return GO_FOLDER / self.name

    def key(self) -> str:
        """Changes when any source of the build does: modules, sums, own sources, flags."""
        digest = hashlib.sha256(json.dumps([self.ldflags, self.archive, self.overlay, *GCFLAGS]).encode())
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]

    def wanted(self, groups: Iterable[str]) -> list[Binary]:
        chosen = set(groups)
        return [binary for binary in self.binaries if binary.group in chosen]


def _kubernetes() -> Family:
    cmd = "k8s.io/kubernetes/cmd"
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    return Family(
        "kubernetes",
        (
            Binary("etcd", "go.etcd.io/etcd/server/v3", "base"),
            *(Binary(name, f"{cmd}/{name}", "base") for name in names),
            Binary("coredns", "./coredns", "base"),
            Binary("pause", "./pause", "base"),
            *(Binary(f"knative-{name}", f"knative.dev/serving/cmd/{name}", "knative") for name in KNATIVE),
            Binary("kourier", "knative.dev/net-kourier/cmd/kourier", "knative"),
            Binary("kube-rbac-proxy", "github.com/brancz/kube-rbac-proxy/cmd/kube-rbac-proxy", "kserve"),
            Binary("kserve-manager", "github.com/kserve/kserve/cmd/manager", "kserve"),
            Binary("kserve-agent", "github.com/kserve/kserve/cmd/agent", "kserve"),
            *(Binary(f"keda-{name}", f"github.com/kedacore/keda/v2/cmd/{name}", "keda") for name in KEDA),
            Binary("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", "metrics"),
        ),
        {"base": 205, "knative": 36, "kserve": 38, "keda": 56, "metrics": 3},
        f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34",
    )


FAMILIES: tuple[Family, ...] = (
    _kubernetes(),
    Family(
        "certmanager",
        tuple(
            Binary(f"cert-manager-{name}", f"./cmd/{name}", "kserve")
            for name in ("controller", "webhook", "cainjector")
        ),
        {"kserve": 66},
        archive="github.com/cert-manager/cert-manager",
    ),
    Family(
        "kyverno",
        (
            Binary("kyverno", "./cmd/kyverno", "kyverno"),
            Binary("kyvernopre", "./cmd/kyverno-init", "kyverno"),
            Binary("kubectl-kyverno", "./cmd/cli/kubectl-kyverno", "kyverno-cli"),
        ),
        {"kyverno": 127, "kyverno-cli": 18},
        archive="github.com/kyverno/kyverno",
    ),
    Family(
        "prometheus",
        (Binary("prometheus", "./cmd/prometheus", "prometheus"),),
        {"prometheus": 40},
        archive="github.com/prometheus/prometheus",
        overlay={"plugins/plugins.go": "plugins.go"},
    ),
    Family(
        previous.GROUP,
        tuple(Binary(f"{previous.GROUP}-{name}", f"./cmd/{name}", previous.GROUP) for name in ("manager", "agent")),
        {previous.GROUP: 300},
        archive="github.com/kserve/kserve",
    ),
)
