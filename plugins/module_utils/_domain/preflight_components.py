# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of each component: its version against what is there, who keeps what is there, and whether it works. Pure."""

from __future__ import annotations

import typing as t

from .errors import Refused
from .findings import OK, REFUSAL, WARNING, Finding
from .installers import HELM, OLM, OURS, UNKNOWN
from .preflight_wanted import INSTALLABLE, Wanted, comparable
from .versions import KNATIVE, Version, check_kserve, steps_between

__all__ = ("check_components",)

Document = t.Mapping[str, t.Any]

# Where projects say that minor versions follow one another; KServe's 0.16 and 0.19 are left out as they cannot be used.
_STEPWISE: dict[str, tuple[tuple[int, int], ...]] = {
    "knative_serving": (),
    "kourier": (),
    "net_istio": (),
    "kserve": ((0, 16), (0, 19)),
}


def check_components(seen: Document, wanted: Wanted) -> list[Finding]:
    found: list[Finding] = []
    for name in INSTALLABLE:
        entry = (seen.get("components") or {}).get(name) or {}
        if name in wanted.versions:
            found += [_to_install(name, wanted.versions[name], entry, seen), *_owner(name, entry), *_ready(name, entry)]
        elif name in wanted.provided:
            found += [_provided(name, entry, seen, wanted), *_ready(name, entry)]
        else:
            found += _left_out(name, entry, seen, wanted)
    return found


def _to_install(name: str, asked: Version, entry: Document, seen: Document) -> Finding:
    check, shown = f"{name}_version", _text(asked)
    refused = _unusable(name, asked)
    if refused:
        return Finding(check, REFUSAL, _found(name, entry), shown, refused.what, refused.cure)
    if entry.get("present") is None:
        return Finding(check, WARNING, None, shown, _unread(seen, name))
    if not entry["present"]:
        return Finding(check, OK, "none", shown)
    there = comparable(name, entry.get("version"))
    if there is None:
        why = "the version that is there cannot be told, so neither can whether this is an upgrade"
        return Finding(check, WARNING, _found(name, entry), shown, why)
    if there > asked:
        why = f"{_text(there)} is newer, and what it has stored may be unreadable to an older one"
        return Finding(check, REFUSAL, _found(name, entry), shown, why, f"ask for {_text(there)} or newer")
    if there[0] != asked[0]:
        why = "a major version lies between them"
        return Finding(check, WARNING, _found(name, entry), shown, why, "read the release notes first")
    skipped = steps_between(there, asked, without=_STEPWISE[name]) if name in _STEPWISE else []
    if skipped:
        way = ", then ".join([*skipped, _text(asked)])
        why = f"the upgrade skips {' and '.join(skipped)}"
        return Finding(check, WARNING, _found(name, entry), shown, why, f"go one minor version at a time: {way}")
    return Finding(check, OK, _found(name, entry), shown)


def _provided(name: str, entry: Document, seen: Document, wanted: Wanted) -> Finding:
    check, shown = f"{name}_version", "provided"
    if entry.get("present") is None:
        return Finding(check, WARNING, None, shown, _unread(seen, name))
    if not entry["present"]:
        why = "it is to be there already, and is not"
        level = REFUSAL if name in ("kserve", *wanted.needed) else WARNING
        return Finding(check, level, "none", shown, why, "install it first, or take it out of preflight_provided")
    there = comparable(name, entry.get("version"))
    refused = _unusable(name, there)
    if refused:
        return Finding(check, REFUSAL, _found(name, entry), shown, refused.what, refused.cure)
    return Finding(check, OK, _found(name, entry), shown)


def _left_out(name: str, entry: Document, seen: Document, wanted: Wanted) -> list[Finding]:
    """Only what KServe needs is worth a word."""
    if "kserve" not in wanted.versions or name not in wanted.needed:
        return []
    check = f"{name}_version"
    if entry.get("present"):
        return [Finding(check, OK, _found(name, entry), None), *_ready(name, entry)]
    if entry.get("present") is None:
        return [Finding(check, WARNING, None, "any version", _unread(seen, name))]
    if name == "cert_manager":
        why = "KServe's webhooks have their certificates from it"
        cure = "give its version, or set kserve_certificates to self_signed"
        return [Finding(check, WARNING, "none", "any version", why, cure)]
    why = f"KServe's mode {wanted.mode} runs on it"
    return [
        Finding(check, REFUSAL, "none", "any version", why, f"give a version of {name}, or use kserve_mode standard")
    ]


def _owner(name: str, entry: Document) -> list[Finding]:
    by = entry.get("installed_by")
    if not entry.get("present") or by == OURS:
        return []
    shown, check = f"{by} ({entry.get('evidence')})", f"{name}_owner"
    if by in (HELM, OLM):
        who = "Helm" if by == HELM else "an operator"
        why = f"{who} keeps {name}, and would write over what is installed here, or remove it"
        take = (
            "take it over: delete Helm's record of the release (Secrets with the label owner=helm) and the annotations meta.helm.sh/*"
            if by == HELM
            else "take it over: remove the operator, its objects kept"
        )
        cure = f"leave its role out and name {name} in preflight_provided, or {take}"
        return [Finding(check, REFUSAL, shown, OURS, why, cure)]
    why = "somebody else has applied it: fields that the manifests set otherwise will be refused as conflicts"
    cure = "name it in preflight_provided to keep it as it is, or see that nobody applies it again"
    return [Finding(check, WARNING, shown, OURS, why, cure)]


def _ready(name: str, entry: Document) -> list[Finding]:
    waiting = entry.get("not_ready") or ()
    if not waiting:
        return []
    why = f"not available in namespace {entry.get('namespace')}: {', '.join(waiting)}"
    cure = f"look at kubectl get pods -n {entry.get('namespace')}"
    return [Finding(f"{name}_ready", WARNING, f"{len(waiting)} not available", "all available", why, cure)]


def _unusable(name: str, version: Version | None) -> Refused | None:
    """In Standard mode as well: the endpoints of a cluster are not all of one mode."""
    if name != "kserve":
        return None
    try:
        check_kserve(KNATIVE, version)
    except Refused as refused:
        return refused
    return None


def _found(name: str, entry: Document) -> str | None:
    if not entry.get("present"):
        return "none" if entry.get("present") is False else None
    by = entry.get("installed_by")
    release, text = comparable(name, entry.get("version")), entry.get("version") or "unknown version"
    # Knative built from its modules has their numbers.
    shown = text if release is None or text.startswith(f"{release[0]}.") else f"{_text(release)} (modules {text})"
    return shown + (f" by {by}" if by != UNKNOWN else "")


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _unread(seen: Document, name: str) -> str:
    return str((seen.get("unread") or {}).get(name) or "it could not be read")
