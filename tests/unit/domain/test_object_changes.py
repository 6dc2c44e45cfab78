# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a change, and what of it is shown."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.serving.plugins.module_utils._domain.object_changes import content, shown


def secret(**values: str) -> dict[str, Any]:
    last = {"kubectl.kubernetes.io/last-applied-configuration": str(values), "other": "stays"}
    return {"kind": "Secret", "metadata": {"name": "s", "annotations": last}, "data": values}


def test_status_and_bookkeeping_are_no_content() -> None:
    plain = {"kind": "Pod", "metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"a": 1}}
    told = {
        **plain,
        "metadata": {**plain["metadata"], "managedFields": [], "resourceVersion": "7", "generation": 2},  # type: ignore[dict-item]
        "status": {"phase": "Running"},
    }
    assert content(told) == content(plain) == plain
    assert content({**plain, "spec": {"a": 2}}) != plain
    assert content(None) is None


def test_a_secrets_values_are_masked_and_a_difference_stays_visible() -> None:
    before, after = shown(secret(same="AAAA", other="BBBB", gone="CCCC"), secret(same="AAAA", other="DDDD", new="EEEE"))
    assert before is not None
    assert after is not None
    for text in ("AAAA", "BBBB", "CCCC", "DDDD", "EEEE"):
        assert text not in str((before, after))
    assert before["data"]["other"] != after["data"]["other"]
    assert before["data"]["same"] == after["data"]["same"]
    assert set(before["data"]) == {"same", "other", "gone"}
    assert after["metadata"]["annotations"]["other"] == "stays"
    only = shown(None, secret(a="AAAA"))
    assert only[0] is None
    assert "AAAA" not in str(only[1])


def test_other_kinds_are_shown_as_they_are() -> None:
    config = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}
    assert shown(config, None) == (config, None)
