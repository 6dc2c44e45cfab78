# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between KServe releases: mode names, and the releases that cannot do a canary at all."""

from __future__ import annotations

import re
import typing as t

from .errors import Refused

__all__ = (
    "KNATIVE",
    "STANDARD",
    "Version",
    "check_kserve",
    "check_stop",
    "knative_release",
    "mode_spelling",
    "normal_mode",
    "parse_version",
    "steps_between",
)

Version = tuple[int, int, int]

KNATIVE = "Knative"
STANDARD = "Standard"

_LEGACY = {KNATIVE: "Serverless", STANDARD: "RawDeployment"}
_NORMAL = {"serverless": KNATIVE, "knative": KNATIVE, "rawdeployment": STANDARD, "standard": STANDARD, "raw": STANDARD}
_FIRST_NEW_NAMES = (0, 17, 0)
_FIRST_STOP = (0, 15, 1)
# Release 1.0 was made of modules 0.27.
_KNATIVE_MODULES_AHEAD = 27


def parse_version(text: str) -> Version | None:
    """``v0.20.0``, ``0.20`` or an image tag; None where it is no version."""
    match = re.match(r"^v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match.group(1)), int(match.group(2)), int(match.group(3) or 0)) if match else None


def normal_mode(text: str) -> str | None:
    """Any spelling of a deployment mode as Knative or Standard; None for anything else."""
    return _NORMAL.get(text.replace("-", "").replace("_", "").lower())


def knative_release(version: Version) -> Version:
    """The release that a version of Knative's modules belongs to, which is what images built from them carry: 0.48.1 is 1.21.1."""
    return (1, version[1] - _KNATIVE_MODULES_AHEAD, version[2]) if version[0] == 0 else version


def steps_between(found: Version, wanted: Version, *, without: t.Container[tuple[int, int]] = ()) -> list[str]:
    """Minor versions that an upgrade would skip, oldest first: 0.15 to 0.18 are 0.16 and 0.17, less those in ``without``."""
    if found[0] != wanted[0]:
        return []
    between = [(wanted[0], minor) for minor in range(found[1] + 1, wanted[1])]
    return [f"{major}.{minor}" for major, minor in between if (major, minor) not in without]


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


def check_stop(kserve: Version | None) -> None:
    """Refuses to stop an endpoint on a release that does not know how, where it would serve on (constants.go StopAnnotationKey)."""
    if kserve is not None and kserve < _FIRST_STOP:
        raise Refused(
            f"KServe {'.'.join(map(str, kserve))} cannot stop an InferenceService",
            field="runtime_config.stopped",
            value=True,
            cure="install KServe 0.17 or newer, or delete the endpoint",
        )
