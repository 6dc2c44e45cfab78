# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between KServe releases: mode names, and the releases that cannot do a canary at all."""

from __future__ import annotations

import re

from .errors import Refused

__all__ = ("KNATIVE", "STANDARD", "Version", "check_kserve", "mode_spelling", "normal_mode", "parse_version")

Version = tuple[int, int, int]

KNATIVE = "Knative"
STANDARD = "Standard"

_LEGACY = {KNATIVE: "Serverless", STANDARD: "RawDeployment"}
_NORMAL = {"serverless": KNATIVE, "knative": KNATIVE, "rawdeployment": STANDARD, "standard": STANDARD, "raw": STANDARD}
_FIRST_NEW_NAMES = (0, 17, 0)


def parse_version(text: str) -> Version | None:
    """``v0.20.0``, ``0.20`` or an image tag; None where it is no version."""
    match = re.match(r"^v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match.group(1)), int(match.group(2)), int(match.group(3) or 0)) if match else None


def normal_mode(text: str) -> str | None:
    """Any spelling of a deployment mode as Knative or Standard; None for anything else."""
    return _NORMAL.get(text.replace("-", "").replace("_", "").lower())


def mode_spelling(mode: str, kserve: Version | None) -> str:
    """The annotation's value for a release: legacy names up to 0.15, today's from 0.17 (constants.go 92899a1f6)."""
    if kserve is not None and kserve < _FIRST_NEW_NAMES:
        return _LEGACY[mode]
    return mode


def check_kserve(mode: str, kserve: Version | None) -> None:
    """Refuses releases on which what we render cannot be patched, deleted or made a canary (KServe #4798, #5793)."""
    if kserve is None:
        return
    if kserve[:2] == (0, 16):
        raise Refused(
            "KServe 0.16 cannot update or delete InferenceServices that carry a deployment mode",
            field="kserve",
            value=".".join(map(str, kserve)),
            cure="install KServe 0.17 or newer (not 0.19.0)",
        )
    if kserve == (0, 19, 0) and mode == KNATIVE:
        raise Refused(
            "KServe 0.19.0 refuses its own first write to an InferenceService annotated Knative",
            field="kserve",
            value="0.19.0",
            cure="install KServe 0.20.0, 0.18 or 0.17",
        )
