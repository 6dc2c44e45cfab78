# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Can this be installed on that cluster? Each rule with a cluster that keeps it and one that does not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.components import KINDS, absent
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.findings import Finding
from ansible_collections.mlops.serving.plugins.module_utils._domain.preflight import judge, verdict
from ansible_collections.mlops.serving.plugins.module_utils._domain.preflight_wanted import CHECKS, Wanted
from ansible_collections.mlops.serving.plugins.module_utils._domain.requirements import ROOM, room_for
from hypothesis import given
from hypothesis import strategies as st

GI = 1024**3
VERSIONS = {
    "cert_manager": "1.17.0",
    "knative_serving": "1.21.1",
    "kourier": "1.21.0",
    "kserve": "0.20.0",
    "keda": "2.18.0",
    "kyverno": "1.18.2",
}
EMPTY: dict[str, Any] = {
    "kubernetes": "1.34.3",
    "missing_install_rights": [],
    "nodes": {
        "count": 3,
        "ready": 3,
        "schedulable": 3,
        "architectures": {"amd64": 3},
        "free": {"cpu": 10.0, "memory": 32 * GI, "pods": 300},
    },
    "gpus": {"allocatable": 8, "nodes": 2, "free": 3},
    "storage": {"classes": [{"name": "gp3"}], "default": "gp3"},
    "openshift": False,
    "components": {name: absent() for name in KINDS},
    "unread": {},
}
SERVER = {**absent(True), "version": "0.9.0", "ready": True}


def there(version: str | None, by: str = "mlops.serving", **more: Any) -> dict[str, Any]:
    return {
        **absent(True),
        "version": version,
        "namespace": "x",
        "ready": True,
        "installed_by": by,
        "evidence": "e",
        **more,
    }


def cluster(**changes: Any) -> dict[str, Any]:
    """An empty cluster; names of components change those."""
    seen = copy.deepcopy(EMPTY)
    for name, value in changes.items():
        if name in KINDS:
            seen["components"][name] = value
        elif isinstance(value, dict) and isinstance(seen.get(name), dict):
            seen[name] = {**seen[name], **value}
        else:
            seen[name] = value
    return seen


def wanted(**options: Any) -> Wanted:
    return Wanted.parse({"kserve_mode": "knative", "versions": VERSIONS, **options})


def findings(seen: dict[str, Any], **options: Any) -> dict[str, Finding]:
    found = judge(seen, wanted(**options))
    assert len({one.check for one in found}) == len(found), "a check has one outcome"
    assert {one.check for one in found} <= set(CHECKS)
    return {one.check: one for one in found}


def test_an_empty_cluster_takes_it() -> None:
    found = judge(cluster(), wanted())
    assert {one.level for one in found} == {"ok"}
    assert verdict(found, wanted()) == {
        "level": "ok",
        "message": "This cluster can take KServe in mode knative and what it needs.",
    }
    by_check = {one.check: one for one in found}
    assert (by_check["kserve_version"].found, by_check["kserve_version"].wanted) == ("none", "0.20.0")
    # 600 + 400 + 300 + 300 + 400 thousandths, 360 + 400 + 700 + 300 + 320 MiB, 3 + 4 + 2 + 3 + 3 + 4 pods
    assert by_check["resources"].wanted == "2.0 CPU, 2.0 GiB, 19 pods"


def test_a_cluster_that_has_it_all_wants_nothing_new() -> None:
    full = cluster(**{name: there(version) for name, version in VERSIONS.items()})
    found = findings(full)
    assert {one.level for one in found.values()} == {"ok"}
    assert found["resources"].wanted == "nothing new"
    assert found["kserve_version"].found == "0.20.0 by mlops.serving"


@pytest.mark.parametrize(
    ("seen", "options", "check", "level", "words"),
    [
        ({"kubernetes": "1.32.9"}, {}, "kubernetes", "refusal", "knative_serving 1.21 is for Kubernetes 1.33 or newer"),
        ({"kubernetes": "1.33.0"}, {}, "kubernetes", "ok", ""),
        ({"kubernetes": "1.34.3+k3s1"}, {}, "kubernetes", "ok", ""),
        ({"kubernetes": None}, {}, "kubernetes", "warning", "cannot be told"),
        # Not tested is a warning, not admitted a refusal.
        (
            {"kubernetes": "1.31.0"},
            {"versions": {"kserve": "0.20.0", "kyverno": "1.18.2"}, "kserve_mode": "standard"},
            "kubernetes",
            "warning",
            "not tested with an older one",
        ),
        (
            {"kubernetes": "1.29.0"},
            {"versions": {"kserve": "0.20.0", "kyverno": "1.18.2"}, "kserve_mode": "standard"},
            "kubernetes",
            "refusal",
            "selectableFields",
        ),
        # Knative does not count in Standard mode.
        ({"kubernetes": "1.32.0"}, {"kserve_mode": "standard"}, "kubernetes", "warning", "kyverno 1.18"),
        # A release that is newer than the table needs what the newest in it needs.
        (
            {"kubernetes": "1.33.0"},
            {"versions": {**VERSIONS, "knative_serving": "1.30.0"}},
            "kubernetes",
            "refusal",
            "knative_serving 1.30 is for Kubernetes 1.34 or newer",
        ),
        (
            {"missing_install_rights": [{"verb": "create", "resource": "namespaces", "needed_to": "x"}]},
            {},
            "rights",
            "refusal",
            "may not create namespaces",
        ),
        ({"missing_install_rights": None, "unread": {"missing_install_rights": "no"}}, {}, "rights", "warning", "no"),
        ({"nodes": {"ready": 2}}, {}, "nodes", "warning", "1 are not ready"),
        ({"nodes": {"schedulable": 0}}, {}, "nodes", "refusal", "takes pods without tolerations"),
        ({"nodes": None, "unread": {"nodes": "may not"}}, {}, "nodes", "warning", "may not"),
        ({"nodes": None, "unread": {"nodes": "may not"}}, {}, "resources", "warning", "may not"),
        ({"nodes": {"architectures": {"amd64": 1, "arm64": 2}}}, {}, "architecture", "warning", "amd64 alone"),
        (
            {"nodes": {"free": {"cpu": 1.9, "memory": 32 * GI, "pods": 300}}},
            {},
            "resources",
            "warning",
            "too little is left of CPU for",
        ),
        (
            {"nodes": {"free": {"cpu": 9.0, "memory": GI, "pods": 10}}},
            {},
            "resources",
            "warning",
            "too little is left of memory and pods for",
        ),
        ({"nodes": {"free": None}, "unread": {"pods": "hidden"}}, {}, "resources", "warning", "hidden"),
        ({}, {"versions": {**VERSIONS, "kourier": ""}}, "ingress", "refusal", "networking layer"),
        ({"net_istio": there("1.21.0", "helm")}, {"versions": {**VERSIONS, "kourier": ""}}, "ingress", "ok", ""),
        ({"net_istio": there("1.21.0")}, {}, "ingress", "warning", "net_istio is there as well"),
        ({}, {"kserve_mode": "both"}, "metrics_server", "warning", "scale by CPU"),
        ({"metrics_server": SERVER}, {"kserve_mode": "standard"}, "metrics_server", "ok", ""),
        ({"gpus": {"allocatable": 0, "nodes": 0, "free": 0}}, {"gpus": True}, "gpus", "warning", "no node offers"),
        ({"gpus": {"free": 0}}, {"gpus": True}, "gpus", "warning", "all of them are taken"),
        ({"gpus": {"allocatable": 0, "nodes": 0, "free": 0}}, {}, "gpus", "ok", ""),
        ({"gpus": None, "unread": {"gpus": "hidden"}}, {"gpus": True}, "gpus", "warning", "hidden"),
        ({"storage": {"classes": [], "default": None}}, {}, "storage", "ok", "not needed"),
        ({"openshift": True}, {}, "openshift", "warning", "operators of its own"),
        # Versions
        ({}, {"versions": {**VERSIONS, "kserve": "0.16.2"}}, "kserve_version", "refusal", "cannot update or delete"),
        (
            {},
            {"kserve_mode": "standard", "versions": {**VERSIONS, "kserve": "0.19.0"}},
            "kserve_version",
            "refusal",
            "its own first write",
        ),
        ({"kserve": there("0.21.0")}, {}, "kserve_version", "refusal", "0.21.0 is newer"),
        ({"kserve": there("0.20.1")}, {}, "kserve_version", "refusal", "0.20.1 is newer"),
        # 0.19 cannot be used, so it is not skipped.
        ({"kserve": there("0.18.0")}, {}, "kserve_version", "ok", ""),
        ({"kserve": there("0.15.2")}, {}, "kserve_version", "warning", "0.17, then 0.18, then 0.20.0"),
        ({"knative_serving": there("1.19.3")}, {}, "knative_serving_version", "warning", "skips 1.20"),
        ({"knative_serving": there("0.46.0")}, {}, "knative_serving_version", "warning", "1.20, then 1.21.1"),
        ({"knative_serving": there("0.48.1")}, {}, "knative_serving_version", "ok", ""),
        ({"knative_serving": there("0.49.0")}, {}, "knative_serving_version", "refusal", "1.22.0 is newer"),
        ({"cert_manager": there("1.11.5")}, {}, "cert_manager_version", "ok", ""),
        ({"keda": there("1.5.0")}, {}, "keda_version", "warning", "a major version lies between"),
        ({"keda": there(None)}, {}, "keda_version", "warning", "cannot be told"),
        ({"keda": absent(None), "unread": {"keda": "hidden"}}, {}, "keda_version", "warning", "hidden"),
        # Who keeps it
        ({"keda": there("2.18.0", "helm")}, {}, "keda_owner", "refusal", "Helm keeps keda"),
        ({"knative_serving": there("1.21.1", "olm")}, {}, "knative_serving_owner", "refusal", "an operator keeps"),
        ({"keda": there("2.18.0", "kubectl")}, {}, "keda_owner", "warning", "refused as conflicts"),
        ({"keda": there("2.18.0", "unknown")}, {}, "keda_owner", "warning", "refused as conflicts"),
        ({"keda": there("2.18.0", not_ready=["keda-operator"])}, {}, "keda_ready", "warning", "keda-operator"),
        # Brought by the user
        ({}, {"provided": ["cert_manager"]}, "cert_manager_version", "refusal", "is to be there already"),
        # KServe works without it.
        ({}, {"provided": ["kyverno"]}, "kyverno_version", "warning", "is to be there already"),
        (
            {"keda": there("2.10.0", "helm")},
            {"provided": ["keda"], "kserve_mode": "both"},
            "keda_version",
            "ok",
            "",
        ),
        ({"kserve": there("0.16.1", "olm")}, {"provided": ["kserve"]}, "kserve_version", "refusal", "0.16 cannot"),
        # Left out
        ({}, {"versions": {**VERSIONS, "cert_manager": None}}, "cert_manager_version", "warning", "certificates"),
        ({}, {"versions": {**VERSIONS, "knative_serving": ""}}, "knative_serving_version", "refusal", "runs on it"),
        (
            {"knative_serving": there("1.20.0", "olm")},
            {"versions": {**VERSIONS, "knative_serving": ""}},
            "knative_serving_version",
            "ok",
            "",
        ),
    ],
)
def test_one_thing(seen: dict[str, Any], options: dict[str, Any], check: str, level: str, words: str) -> None:
    found = findings(cluster(**seen), **options)[check]
    assert found.level == level, found
    assert words in f"{found.why} {found.cure}"
    if level == "refusal":
        assert found.cure, "a refusal says what to do"


def test_what_the_user_brings_is_nobodys_business() -> None:
    seen = cluster(keda=there("2.10.0", "helm"))
    assert "keda_owner" in findings(seen)
    assert "keda_owner" not in findings(seen, provided=["keda"])
    assert findings(seen, provided=["keda"])["resources"].wanted == "1.7 CPU, 1.7 GiB, 16 pods"


def test_what_the_choice_has_no_use_for_is_not_looked_at() -> None:
    own = findings(cluster(), certificates="self_signed", provided=["cert_manager"])
    assert not [check for check in own if check.startswith("cert_manager")]
    standard = findings(cluster(), kserve_mode="standard", provided=["knative_serving"])
    assert not [check for check in standard if check.startswith(("knative_serving", "kourier")) or check == "ingress"]
    assert "keda_version" not in findings(cluster(), provided=["keda"])
    assert "keda_version" in findings(cluster(), provided=["keda"], kserve_mode="both")


def test_all_refusals_are_in_one_message_and_can_be_lived_with() -> None:
    seen = cluster(kubernetes="1.30.0", keda=there("2.18.0", "helm"), kserve=there("0.21.0"))
    message = verdict(judge(seen, wanted()), wanted())["message"]
    lines = message.splitlines()
    assert lines[0] == "This cluster cannot take KServe in mode knative and what it needs: 3 reasons."
    assert [line.split(":")[0] for line in lines[1:4]] == ["- kubernetes", "- kserve_version", "- keda_owner"]
    assert "Leave its role out and name keda in preflight_provided, or take it over: " in lines[3]
    assert lines[4:] == ["A refusal is a warning where preflight_ignore names its check."]

    kubectl = cluster(keda=there("2.18.0", "kubectl"), kyverno=there("1.18.2", "kubectl"))
    said = verdict(judge(kubectl, wanted()), wanted())["message"].splitlines()
    assert said[0].endswith("with 2 warnings.")
    assert said[1].startswith("- keda_owner, kyverno_owner: found kubectl (e), wanted mlops.serving: somebody else")
    assert len(said) == 2, "what is the same is said once"

    ignoring = wanted(ignore=["kubernetes", "kserve_version", "keda_owner", "storage"])
    found = judge(seen, ignoring)
    assert verdict(found, ignoring)["level"] == "warning"
    assert sum("were it not in preflight_ignore" in (one.why or "") for one in found) == 3
    one_left = wanted(ignore=["kubernetes", "kserve_version"])
    assert verdict(judge(seen, one_left), one_left)["level"] == "refusal"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kserve_mode": "serverless"}, "kserve_mode = 'serverless': is unknown. Use one of standard, knative, both."),
        ({"versions": {"kserv": "0.20.0"}}, "versions = 'kserv': is unknown"),
        ({"versions": {"kserve": "latest"}}, "versions.kserve = 'latest': is no version"),
        ({"provided": ["helm"]}, "provided = 'helm': is unknown"),
        ({"certificates": "none"}, "certificates = 'none': is unknown"),
        ({"ignore": ["kserve_versions"]}, "ignore = 'kserve_versions': is unknown"),
    ],
)
def test_a_wrong_word_is_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidIntent) as caught:
        wanted(**options)
    assert words in str(caught.value)


def test_versions_may_be_written_as_yaml_reads_them() -> None:
    assert wanted(versions={"kserve": "v0.20.0", "keda": 2.18}).versions == {"kserve": (0, 20, 0), "keda": (2, 18, 0)}


def test_the_figures_are_of_the_nearest_release() -> None:
    assert room_for("istio", (1, 0, 0)) is None
    for component, rooms in ROOM.items():
        assert room_for(component, None) == rooms[-1]
        assert room_for(component, (0, 0, 1)) == rooms[0]
        assert room_for(component, (99, 0, 0)) == rooms[-1]


_ENTRY = st.builds(
    there,
    st.sampled_from([None, "0.15.0", "0.20.0", "0.48.1", "1.17.0", "1.21.1", "2.18.0", "99.0.0", "devel"]),
    st.sampled_from(["mlops.serving", "helm", "olm", "kubectl", "unknown"]),
)
_SEEN = st.fixed_dictionaries(
    {},
    optional={
        "kubernetes": st.sampled_from([None, "", "1.20.0", "1.34.3-gke.1"]),
        "missing_install_rights": st.none(),
        "nodes": st.none(),
        "gpus": st.none(),
        "storage": st.none(),
        "openshift": st.sampled_from([None, True]),
        **{name: _ENTRY | st.just(absent(None)) for name in KINDS},
    },
)


@given(_SEEN, st.sampled_from(["standard", "knative", "both"]), st.lists(st.sampled_from(list(VERSIONS)), max_size=3))
def test_whatever_is_seen_there_is_a_verdict_that_can_be_ignored(
    seen: dict[str, Any], mode: str, provided: list[str]
) -> None:
    options = {"kserve_mode": mode, "provided": provided}
    found = findings(cluster(**seen), **options)
    refused = [check for check, one in found.items() if one.level == "refusal"]
    ignoring = wanted(**options, ignore=refused)
    after = judge(cluster(**seen), ignoring)
    assert not [one for one in after if one.level == "refusal"]
    assert all(
        one.check in " ".join(verdict(after, ignoring)["message"].split()) for one in after if one.level == "warning"
    )
