"""Parts of a cluster by group: a test asks for groups and gets what they need, no more."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import ClusterError

NEEDS: dict[str, tuple[str, ...]] = {
    "base": (),
    "knative": ("base",),
    "kserve": ("base", "knative"),
    "triton": ("base", "knative", "kserve"),
    "keda": ("base",),
    "metrics": ("base",),
    "kyverno": ("base",),
    "kyverno-cli": (),
    "prometheus": ("base",),
    "kserve-previous": (),
}
# Built for tests of their own, and only when they are named: "all" is without them.
OPT_IN = ("kserve-previous",)
DEFAULT = ("base", "knative", "kserve", "triton")
ABOUT = {
    "base": "Kubernetes with CoreDNS",
    "knative": "Knative Serving, Kourier and Envoy",
    "kserve": "cert-manager and KServe",
    "triton": "S3 server, storage initializer, Triton",
    "keda": "KEDA",
    "metrics": "metrics-server (what autoscaling by CPU reads)",
    "kyverno": "Kyverno's admission controller",
    "kyverno-cli": "Kyverno's command line, for tests of policies; nothing of it is started",
    "prometheus": "Prometheus with discovery of pods",
    "kserve-previous": "an older KServe to upgrade from, not part of all; nothing of it is started",
}


def closure(asked: Iterable[str]) -> list[str]:
    """The groups and all that they need, in the order in which they are built and started. "bare" means base alone."""
    wanted: set[str] = set()
    for name in asked:
        known = "base" if name == "bare" else name
        if known == "all":
            wanted |= NEEDS.keys() - set(OPT_IN)
            continue
        if known not in NEEDS:
            raise ClusterError(f"group {name!r} is not one of {', '.join([*NEEDS, 'bare', 'all'])}")
        wanted |= {known, *NEEDS[known]}
    return [name for name in NEEDS if name in wanted]
