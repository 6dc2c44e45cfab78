"""Options of the modules of awx.awx, as tests/unit/awx/awx_options.json keeps them: `python -m tools.awx.options [--check]`.

The collection is no longer in the newest releases of the package `ansible`; 13.8 has it. Its wheel is 53 MB, so that `make test` reads the
table that is committed, and `make test-awx` fetches the wheel into .build/awx and sees that the table says the same.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "unit" / "awx" / "awx_options.json"
CACHE = ROOT / ".build" / "awx"
PACKAGE = "ansible>=13.8,<14"
MODULES = (
    *("project", "execution_environment", "inventory", "host", "credential_type", "credential", "job_template"),
    *("workflow_job_template", "workflow_job_template_node", "schedule"),
)
_INSIDE = "ansible_collections/awx/awx"

Options = dict[str, dict[str, Any]]


def fetch() -> Path:
    """The wheel; it is downloaded once."""
    found = sorted(CACHE.glob("ansible-13*.whl"))
    if not found:
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary",
            ":all:",
            "-d",
            str(CACHE),
        ]
        subprocess.run([*command, PACKAGE], check=True)
        found = sorted(CACHE.glob("ansible-13*.whl"))
    return found[-1]


def read(wheel: Path) -> dict[str, Any]:
    """``release`` of the collection, and for each of ``modules`` its options with type, choices and whether it is required."""
    with zipfile.ZipFile(wheel) as archive:
        manifest = json.loads(archive.read(f"{_INSIDE}/MANIFEST.json"))
        sources = {name: archive.read(f"{_INSIDE}/plugins/modules/{name}.py").decode() for name in MODULES}
    return {
        "release": f"awx.awx {manifest['collection_info']['version']}",
        "modules": {name: options(source) for name, source in sources.items()},
    }


def options(source: str) -> Options:
    """The literal ``argument_spec = dict(...)`` of a module."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "argument_spec":
            assert isinstance(node.value, ast.Call)
            return {str(one.arg): _option(tree, one.value) for one in node.value.keywords}
    raise ValueError("there is no argument_spec")


def _option(tree: ast.Module, call: ast.expr) -> dict[str, Any]:
    assert isinstance(call, ast.Call)
    said = {str(one.arg): one.value for one in call.keywords if one.arg in ("type", "choices", "required", "elements")}
    return {name: _value(tree, value) for name, value in said.items()}


def _value(tree: ast.Module, value: ast.expr) -> Any:
    """A literal, or ``list(NAME.keys())`` of a literal mapping of the module."""
    if not isinstance(value, ast.Call):
        return ast.literal_eval(value)
    names = {getattr(node, "id", None) for node in ast.walk(value)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in names:
            return list(ast.literal_eval(node.value))
    raise ValueError(ast.unparse(value))


def main() -> int:
    said = json.dumps(read(fetch()), indent=1, sort_keys=True) + "\n"
    if "--check" not in sys.argv:
        TABLE.write_text(said)
        return 0
    if said != TABLE.read_text():
        print(f"{TABLE.name} is not what {PACKAGE} says: run python -m tools.awx.options, and see what changed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
