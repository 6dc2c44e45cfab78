"""meta/runtime.yml and what the modules say about themselves agree, so that `module_defaults` reach every module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
FRAGMENT_GROUPS: dict[str, set[str]] = {
    "group_store": {"store"},
    "group_cluster": {"cluster"},
    "group_artifacts": {"artifacts"},
    "group_store_cluster": {"store", "cluster"},
    # What talks to none of them.
    "group_serving": set(),
}
CONNECTION_FRAGMENTS = {"store", "cluster", "artifacts"}


def groups() -> dict[str, list[object]]:
    found: dict[str, list[object]] = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    return found


def members(group: str) -> set[str]:
    names: set[str] = set()
    for entry in groups()[group]:
        if isinstance(entry, str):
            names.add(entry)
        else:
            for other in entry["metadata"]["extend_group"]:  # type: ignore[index]
                names |= members(other.rpartition(".")[2])
    return names


def fragments(module: str) -> set[str]:
    """Names of the documentation fragments, without the collection: `_store`, `_attributes.group_store` ..."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "DOCUMENTATION" for t in node.targets
        ):
            documentation = yaml.safe_load(ast.literal_eval(node.value))
            return {
                name.removeprefix("mlops.serving.") for name in documentation.get("extends_documentation_fragment", [])
            }
    raise AssertionError(f"{module} has no DOCUMENTATION")


def test_every_module_is_in_the_group_of_all() -> None:
    assert members("serving") == set(MODULES)


def test_every_module_of_a_group_exists() -> None:
    assert {name for group in groups() for name in members(group)} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_documented_groups_are_the_real_ones(module: str) -> None:
    named = {fragment.removeprefix("_attributes.").lower() for fragment in fragments(module)} & set(FRAGMENT_GROUPS)
    documented = {group for name in named for group in FRAGMENT_GROUPS[name]}
    assert named, f"{module} extends no mlops.serving._attributes.group_* fragment"
    assert documented == {group for group in groups() if group != "serving" and module in members(group)}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_documents_every_connection_option(module: str) -> None:
    """A default of the group `serving` may be any of them, and one that a module does not know is an error."""
    assert {name.strip("_").split(".")[0] for name in fragments(module)} >= CONNECTION_FRAGMENTS
