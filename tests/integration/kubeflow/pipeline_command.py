# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline's container command, out of its YAML."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

PIPELINES = Path(__file__).resolve().parents[3] / "kubeflow" / "pipelines"
PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}")


def command(key: str, parameters: dict[str, Any], report: str = "") -> list[str]:
    """A pipeline's container command with the parameters filled in as KFP does: defaults where none is given, everything as text."""
    pipeline = next(yaml.safe_load_all((PIPELINES / f"{key}.yaml").read_text()))
    declared = pipeline["root"]["inputDefinitions"]["parameters"]
    values = {name: each["defaultValue"] for name, each in declared.items() if "defaultValue" in each}
    unknown = set(parameters) - set(declared)
    assert not unknown, unknown
    values |= parameters
    container = pipeline["deploymentSpec"]["executors"]["exec-rollout"]["container"]
    arguments = [PARAMETER.sub(lambda match: str(values[match.group(1)]), each) for each in container["args"]]
    arguments = [each.replace("{{$.outputs.artifacts['report'].path}}", report) for each in arguments]
    assert not [each for each in arguments if "{{" in each]
    return [sys.executable, *container["command"][1:], *arguments]
