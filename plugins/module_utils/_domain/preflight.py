# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can this be installed on that cluster? One finding a check, and one verdict. Pure.

The data are those of ``_adapters.cluster_survey``; what could not be read is None there and a warning here.
"""

from __future__ import annotations

import typing as t

from .findings import OK, REFUSAL, WARNING, Finding, level_of, sentences
from .preflight_components import check_components
from .preflight_wanted import Wanted
from .requirements import kubernetes_needs, room_for
from .versions import Version, parse_version

__all__ = ("judge", "verdict")

Document = t.Mapping[str, t.Any]

_MIB = 1024 * 1024
_RIGHTS_NAMED = 6


def judge(seen: Document, wanted: Wanted) -> list[Finding]:
    """All findings, the cluster's first, then one or more a component."""
    found = [
        _kubernetes(seen, wanted),
        _rights(seen),
        *_nodes(seen),
        _resources(seen, wanted),
        *_ingress(seen, wanted),
        *_metrics_server(seen, wanted),
        _gpus(seen, wanted),
        _storage(seen),
        *_openshift(seen),
        *check_components(seen, wanted),
    ]
    return [one.ignored() if one.level == REFUSAL and one.check in wanted.ignore else one for one in found]


def verdict(findings: t.Sequence[Finding], wanted: Wanted) -> dict[str, t.Any]:
    """``{level, message}``: the worst level, and a text that has all refusals, or else all warnings, with their cures."""
    level = level_of(findings)
    refusals = [one for one in findings if one.level == REFUSAL]
    warnings = [one for one in findings if one.level == WARNING]
    what = f"KServe in mode {wanted.mode}" + (" and what it needs" if len(wanted.versions) > 1 else "")
    if refusals:
        lines = [f"This cluster cannot take {what}: {_count(refusals, 'reason')}.", *sentences(refusals)]
        lines.append("A refusal is a warning where preflight_ignore names its check.")
    elif warnings:
        lines = [
            f"This cluster can take {what}, with {_count(warnings, 'warning')}.",
            *sentences(warnings),
        ]
    else:
        lines = [f"This cluster can take {what}."]
    return {"level": level, "message": "\n".join(lines)}


def _kubernetes(seen: Document, wanted: Wanted) -> Finding:
    text = seen.get("kubernetes")
    version = parse_version(text) if text else None
    if version is None:
        return Finding("kubernetes", WARNING, text, None, "its version cannot be told")
    needs = [(name, asked, need) for name, asked in wanted.versions.items() for need in kubernetes_needs(name, asked)]
    least = max((need.kubernetes for _name, _asked, need in needs), default=(0, 0))
    shown = f"{_minor(least)} or newer" if needs else None
    failing = [(name, asked, need) for name, asked, need in needs if version[:2] < need.kubernetes]
    if not failing:
        return Finding("kubernetes", OK, text, shown)
    hard = any(need.hard for _name, _asked, need in failing)
    why = "; ".join(
        f"{name} {_minor(asked[:2])} is for Kubernetes {_minor(need.kubernetes)} or newer: {need.why}"
        for name, asked, need in failing
        if need.hard == hard
    )
    cure = "upgrade Kubernetes, or ask for older versions"
    return Finding("kubernetes", REFUSAL if hard else WARNING, text, shown, why, cure)


def _rights(seen: Document) -> Finding:
    missing = seen.get("missing_install_rights")
    if missing is None:
        return Finding("rights", WARNING, None, "to install", _unread(seen, "missing_install_rights"))
    if not missing:
        return Finding("rights", OK, "all", "to install")
    by_resource: dict[str, list[str]] = {}
    for right in missing:
        by_resource.setdefault(str(right["resource"]), []).append(str(right["verb"]))
    named = [f"{' and '.join(verbs)} {resource}" for resource, verbs in by_resource.items()]
    rest = len(named) - _RIGHTS_NAMED
    why = f"this credential may not {', '.join(named[:_RIGHTS_NAMED])}" + (f", and {rest} more" if rest > 0 else "")
    cure = "use a credential with the ClusterRole cluster-admin, or give it these rights"
    return Finding("rights", REFUSAL, f"{len(missing)} missing", "to install", why, cure)


def _nodes(seen: Document) -> list[Finding]:
    nodes = seen.get("nodes")
    if nodes is None:
        return [Finding("nodes", WARNING, None, None, _unread(seen, "nodes"))]
    shown = f"{nodes['ready']} of {nodes['count']} ready"
    if nodes["schedulable"] == 0:
        why = "no node is ready and takes pods without tolerations" if nodes["count"] else "there is no node"
        first = Finding(
            "nodes", REFUSAL, shown, "1 or more", why, "get a Linux node ready, uncordon it or remove its taint"
        )
    elif nodes["ready"] < nodes["count"]:
        why = f"{nodes['count'] - nodes['ready']} are not ready"
        first = Finding("nodes", WARNING, shown, None, why, "look at kubectl get nodes")
    else:
        first = Finding("nodes", OK, shown)
    others = sorted(set(nodes["architectures"]) - {"amd64"})
    names = ", ".join(f"{name} ({count})" for name, count in sorted(nodes["architectures"].items())) or None
    if not others:
        return [first, Finding("architecture", OK, names)]
    why = "the images have been run on amd64 alone"
    cure = f"see that every image, Triton's too, has a variant for {', '.join(others)}, or keep pods off these nodes"
    return [first, Finding("architecture", WARNING, names, "amd64", why, cure)]


def _resources(seen: Document, wanted: Wanted) -> Finding:
    new = [name for name in wanted.versions if not _entry(seen, name).get("present")]
    rooms = [room for name in new if (room := room_for(name, wanted.versions[name]))]
    cpu, memory = sum(room.cpu for room in rooms) / 1000, sum(room.memory for room in rooms) * _MIB
    pods = sum(room.pods for room in rooms)
    asked = _amounts(cpu, memory, pods) if rooms else "nothing new"
    free = (seen.get("nodes") or {}).get("free")
    if free is None:
        reason = _unread(seen, "pods") if seen.get("nodes") else _unread(seen, "nodes")
        return Finding("resources", WARNING, None, asked, reason)
    shown = _amounts(free["cpu"], free["memory"], free["pods"])
    short = [
        name
        for name, left, needed in (
            ("CPU", free["cpu"], cpu),
            ("memory", free["memory"], memory),
            ("pods", free["pods"], pods),
        )
        if left < needed
    ]
    if not short:
        return Finding("resources", OK, shown, asked)
    sources = ", ".join(room.source for room in rooms)
    why = f"too little is left of {' and '.join(short)} for what the manifests request ({sources}); pods will stay Pending"
    return Finding("resources", WARNING, shown, asked, why, "add a node, unless the cluster does so by itself")


def _ingress(seen: Document, wanted: Wanted) -> list[Finding]:
    """What brings requests to Knative's pods."""
    if not wanted.knative:
        return []
    layers = ("kourier", "net_istio")
    chosen = [name for name in layers if name in wanted.versions or name in wanted.provided]
    there = [name for name in layers if _entry(seen, name).get("present")]
    shown = ", ".join(there) or "none"
    if chosen and set(there) - set(chosen):
        why = (
            f"{' and '.join(sorted(set(there) - set(chosen)))} is there as well: only the one in config-network serves"
        )
        return [Finding("ingress", WARNING, shown, ", ".join(chosen), why, "keep one, or name the one that stays")]
    if chosen or there:
        return [Finding("ingress", OK, shown, ", ".join(chosen) or None)]
    why = "Knative brings no request to a pod without a networking layer"
    return [
        Finding("ingress", REFUSAL, shown, "kourier or net_istio", why, "give a version of kourier or of net_istio")
    ]


def _metrics_server(seen: Document, wanted: Wanted) -> list[Finding]:
    if wanted.mode == "knative":
        return []
    entry = _entry(seen, "metrics_server")
    if entry.get("present"):
        return [Finding("metrics_server", OK, str(entry.get("version") or "there"))]
    if entry.get("present") is None:
        return [Finding("metrics_server", WARNING, None, None, _unread(seen, "metrics_server"))]
    why = "without it, Standard mode cannot scale by CPU or memory, neither by HPA nor by KEDA"
    return [Finding("metrics_server", WARNING, "none", "any version", why, "install metrics-server")]


def _gpus(seen: Document, wanted: Wanted) -> Finding:
    gpus, asked = seen.get("gpus"), "1 or more" if wanted.gpus else None
    if gpus is None:
        level = WARNING if wanted.gpus else OK
        return Finding("gpus", level, None, asked, _unread(seen, "gpus"))
    free = "" if gpus.get("free") is None else f", {gpus['free']} free"
    shown = f"{gpus['allocatable']} on {gpus['nodes']} nodes{free}" if gpus["allocatable"] else "none"
    if wanted.gpus and not gpus["allocatable"]:
        why = "tenants are to use GPUs, and no node offers nvidia.com/gpu"
        return Finding("gpus", WARNING, shown, asked, why, "install the device plugin or the GPU operator")
    if wanted.gpus and gpus.get("free") == 0:
        why = "all of them are taken, and a change of model needs as many again for a while"
        return Finding("gpus", WARNING, shown, asked, why, "add GPUs, or scale something down")
    return Finding("gpus", OK, shown, asked)


def _storage(seen: Document) -> Finding:
    storage = seen.get("storage")
    if storage is None:
        return Finding("storage", OK, None, None, _unread(seen, "storage"))
    default = storage["default"]
    shown = f"default {default}" if default else f"{len(storage['classes'])} classes, no default"
    return Finding("storage", OK, shown, None, "not needed: models are read from S3")


def _openshift(seen: Document) -> list[Finding]:
    if not seen.get("openshift"):
        return []
    why = "this collection's manifests have not been run there, and OpenShift has operators of its own for most of it"
    cure = "install those, and name what they bring in preflight_provided"
    return [Finding("openshift", WARNING, "OpenShift", None, why, cure)]


def _entry(seen: Document, name: str) -> Document:
    return t.cast(Document, (seen.get("components") or {}).get(name) or {})


def _unread(seen: Document, name: str) -> str:
    return str((seen.get("unread") or {}).get(name) or "it could not be read")


def _amounts(cpu: float, memory: float, pods: int) -> str:
    return f"{cpu:.1f} CPU, {memory / 1024**3:.1f} GiB, {pods} pods"


def _minor(version: Version | tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _count(items: t.Sequence[t.Any], word: str) -> str:
    return f"{len(items)} {word}{'' if len(items) == 1 else 's'}"
