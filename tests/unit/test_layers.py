"""The arrows between the layers: who may import whom inside plugins/, read from the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
SURFACES = ("modules", "filter", "lookup", "doc_fragments")

# What each layer may import of the others, besides itself.
MAY_IMPORT = {
    "_domain": set(),
    "_adapters": {"_domain"},
    "_engine": {"_domain", "_adapters"},
    "_ansible": {"_domain", "_adapters", "_engine"},
    **{surface: {"_domain", "_adapters", "_engine", "_ansible"} for surface in SURFACES},
    # What runs beside the modules, on the controller.
    "plugin_utils": {"plugin_utils"},
    "action": {"plugin_utils"},
}
# Libraries that an outside system is spoken to with: only adapters know them.
SDKS = {
    *("kubernetes", "urllib3", "psycopg2", "boto3", "botocore", "google", "tritonclient", "nats", "requests", "yaml"),
    "prometheus_client",
}
# Standard library with a clock, chance, or the outside world in it.
IMPURE = {
    "asyncio",
    "http",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "time",
    "urllib",
}
# What is pure in there: taking an address apart.
PURE_PARTS = {"urllib.parse"}

FILES = sorted(path for path in PLUGINS.rglob("*.py"))


def layer(path: Path) -> str:
    parts = path.relative_to(PLUGINS).parts
    return parts[1] if parts[0] == "module_utils" else parts[0]


def imports(path: Path) -> list[str]:
    """Absolute names of what a file imports; a relative import is resolved against the file's place."""
    package = ("plugins", *path.relative_to(PLUGINS).parent.parts)
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - (node.level - 1)]
                prefix = ".".join((*base, *([node.module] if node.module else [])))
            else:
                prefix = node.module or ""
            found += [f"{prefix}.{alias.name}" for alias in node.names]
    return found


def layer_of_import(name: str) -> str | None:
    """The layer that an import of this collection leads to, None for one of something else."""
    name = name.removeprefix("ansible_collections.mlops.serving.")
    parts = name.split(".")
    if parts[0] != "plugins":
        return None
    return parts[2] if parts[1] == "module_utils" else parts[1]


def test_there_is_something_to_check() -> None:
    assert {layer(path) for path in FILES} >= {"_domain", "_adapters", "_engine", "_ansible", "modules"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_arrows(path: Path) -> None:
    own = layer(path)
    allowed = MAY_IMPORT[own] | ({own} if own in MAY_IMPORT and own.startswith("_") else set())
    wrong = [name for name in imports(path) if (target := layer_of_import(name)) and target not in allowed]
    assert not wrong, f"{own} must not import {', '.join(wrong)}"


@pytest.mark.parametrize(
    "path", [path for path in FILES if layer(path) != "_adapters"], ids=lambda path: str(path.relative_to(PLUGINS))
)
def test_only_adapters_know_a_library(path: Path) -> None:
    wrong = [name for name in imports(path) if name.split(".")[0] in SDKS]
    assert not wrong, f"{', '.join(wrong)} belongs behind an adapter"


@pytest.mark.parametrize("path", [path for path in FILES if layer(path) == "_domain"], ids=lambda path: path.name)
def test_the_domain_is_pure(path: Path) -> None:
    foreign, impure = [], []
    for name in imports(path):
        top = name.split(".")[0]
        if layer_of_import(name) is None and top not in sys.stdlib_module_names and top != "__future__":
            foreign.append(name)
        if top in IMPURE and ".".join(name.split(".")[:2]) not in PURE_PARTS:
            impure.append(name)
    assert not foreign, f"_domain stands on the standard library alone, not on {', '.join(foreign)}"
    assert not impure, f"_domain has no clock, no chance and no outside world: {', '.join(impure)}"
    now = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today"}
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date"}
    ]
    assert not now, "the time is an argument, never read from the clock"


@pytest.mark.parametrize(
    "path", [path for path in FILES if layer(path).startswith("_")], ids=lambda path: str(path.relative_to(UTILS))
)
def test_nothing_is_imported_by_computed_name(path: Path) -> None:
    """Ansible finds what to send along by reading the imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.attr for node in nodes if isinstance(node, ast.Attribute)
    }
    assert not names & {"import_module", "__import__"}


def test_only_python_files_travel_with_a_module() -> None:
    others = [str(path) for path in UTILS.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]
    assert not others, f"these would be missing on the managed node: {others}"
