"""Source archives of Go modules: which version a family uses, and the folder that the go command put it in."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .errors import ClusterError
from .families import FAMILIES, Family


def version_of(go_mod: str, module: str) -> str:
    """Version that the text of a go.mod requires (a replacement by another version wins)."""
    name = re.escape(module)
    replaced = re.search(rf"^\s*(?:replace )?{name} => {name} (\S+)", go_mod, re.MULTILINE)
    required = re.search(rf"^\s*(?:require )?{name} (v\S+)", go_mod, re.MULTILINE)
    found = replaced or required
    if not found:
        raise ClusterError(f"go.mod does not require {module}")
    return found[1]


def family_of(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == name)


def path_in_download(answer: str) -> Path:
    """Folder out of the answer of `go mod download -json`."""
    decoded = json.loads(answer)
    if "Dir" not in decoded:
        raise ClusterError(
            f"module {decoded.get('Path')} {decoded.get('Version')}: {decoded.get('Error', 'no folder')}"
        )
    return Path(decoded["Dir"])
