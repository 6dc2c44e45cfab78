# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup release as templates call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def look(arguments: str) -> subprocess.CompletedProcess[str]:
    """``lookup('mlops.serving.release', <arguments>)``"""
    program = Path(sys.executable).with_name("ansible")
    message = f"msg={{{{ lookup('mlops.serving.release', {arguments}) | to_json }}}}"
    return subprocess.run(
        [program, "localhost", "-m", "ansible.builtin.debug", "-a", message],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_one_entry_a_component() -> None:
    shown = look("'keda', 'kyverno', manifests='/srv', wantlist=true").stdout
    keda, kyverno = json.loads(json.loads(shown[shown.index("{") :])["msg"])
    assert keda == {
        "component": "keda",
        "version": "2.18.0",
        "src": ["/srv/keda/2.18.0/keda-2.18.0.yaml"],
        "checksum": {},
        "run_here": True,
    }
    assert kyverno["src"] == ["/srv/kyverno/1.18.2/install.yaml"]


def test_an_unusable_release_may_be_removed_and_not_installed() -> None:
    refused = look("'kserve', version='0.19.0'")
    assert refused.returncode != 0
    assert "KServe 0.19.0 refuses its own first write" in refused.stdout + refused.stderr
    assert look("'kserve', version='0.19.0', state='absent'").returncode == 0


def test_an_error_names_what_is_wrong() -> None:
    said = look("'istiod'")
    assert "is no component" in said.stdout + said.stderr
