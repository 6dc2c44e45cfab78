# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The closed list of keys that an intent may carry, with every spelling that rows in the wild use."""

from __future__ import annotations

import difflib
import typing as t

from .errors import InvalidIntent

__all__ = ("AUTOSCALING", "BATCHER", "RUNTIME_CONFIG", "SECTIONS", "TRAFFIC", "Section", "canonical_keys")

Section = t.Mapping[str, tuple[str, ...]]

# canonical spelling: other spellings
TRAFFIC: Section = {
    "canaryTrafficPercent": ("canary_traffic_percent", "canary_percent", "canaryPercent"),
}
AUTOSCALING: Section = {
    "minReplicas": ("min_replicas",),
    "maxReplicas": ("max_replicas",),
    "keda": (),
    "scaleMetric": ("scale_metric",),
    "scaleTarget": ("scale_target",),
    "metrics": (),
    "behavior": (),
    "containerConcurrency": ("container_concurrency",),
}
RUNTIME_CONFIG: Section = {
    "modelFormat": ("model_format", "format"),
    "modelFormatVersion": ("model_format_version",),
    "protocolVersion": ("protocol_version",),
    "runtimeVersion": ("runtime_version",),
    "gpu": (),
    "resources": (),
    "batcher": (),
    "deploymentMode": ("deployment_mode",),
    "autoscalerClass": ("autoscaler_class",),
    "timeout": ("timeoutSeconds", "timeout_seconds"),
    "env": (),
    "args": (),
    "nodeSelector": ("node_selector",),
    "tolerations": (),
    "serviceAccountName": ("service_account_name",),
    "annotations": (),
    "labels": (),
    "enablePrometheusScraping": ("enable_prometheus_scraping",),
    "stopped": (),
}
BATCHER: Section = {
    "maxBatchSize": ("max_batch_size",),
    "maxLatency": ("max_latency",),
    "timeout": (),
}
SECTIONS: t.Mapping[str, Section] = {
    "traffic": TRAFFIC,
    "autoscaling": AUTOSCALING,
    "runtime_config": RUNTIME_CONFIG,
}
_NESTED: t.Mapping[str, Section] = {"runtime_config.batcher": BATCHER}


def canonical_keys(section: str, given: t.Any, *, strict: bool) -> tuple[dict[str, t.Any], list[str]]:
    """Translates the keys of one section to their canonical spelling.

    A key with a null value counts as absent; a key given in two spellings with one value counts once.

    :returns: the section with canonical keys, and warnings (for unknown keys, when not strict)
    :raises InvalidIntent: for a section that is no mapping, a key with two values in two spellings, or (strict) an unknown key
    """
    if given is None:
        return {}, []
    if not isinstance(given, dict):
        raise InvalidIntent(
            f"must be a mapping, not {_kind(given)}", field=section, value=given, cure="write key: value pairs"
        )
    known = {**SECTIONS, **_NESTED}[section]
    spelled = {name: key for key, others in known.items() for name in (key, *others)}
    result: dict[str, t.Any] = {}
    source: dict[str, str] = {}
    warnings: list[str] = []
    for name, value in given.items():
        key = spelled.get(name) if isinstance(name, str) else None
        if key is None:
            close = difflib.get_close_matches(str(name), spelled, n=1)
            cure = f"did you mean {close[0]}? Known: {', '.join(known)}" if close else f"use one of {', '.join(known)}"
            if strict:
                raise InvalidIntent(
                    "is not a key that is known here", field=f"{section}.{name}", value=value, cure=cure
                )
            warnings.append(f"{section}.{name} is not a key that is known here and was left out; {cure}")
            continue
        if value is None:
            continue
        if f"{section}.{key}" in _NESTED and isinstance(value, dict):
            value, more = canonical_keys(f"{section}.{key}", value, strict=strict)
            warnings += more
        if key in source and value != result[key]:
            raise InvalidIntent(
                f"is given as {source[key]} too",
                field=f"{section}.{name}",
                value=value,
                cure=f"keep {key} only",
            )
        source.setdefault(key, name)
        result[key] = value
    return result, warnings


def _kind(value: t.Any) -> str:
    # By instance: Ansible gives values of subclasses that remember where they come from.
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), type(value).__name__)
