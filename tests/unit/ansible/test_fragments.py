"""The documentation fragments describe exactly the options that modules share."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._ansible import argspec

PLUGINS = "ansible_collections.mlops.serving.plugins"


def described(fragment: str) -> dict[str, Any]:
    module = importlib.import_module(f"{PLUGINS}.doc_fragments._{fragment}")
    options: dict[str, Any] = yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    return options


@pytest.mark.parametrize(
    ("fragment", "options"),
    [
        ("store", argspec.STORE),
        ("cluster", argspec.CLUSTER),
        ("artifacts", argspec.ARTIFACTS),
        ("deploy", argspec.DEPLOY),
    ],
)
def test_options_and_their_description_agree(fragment: str, options: argspec.Options) -> None:
    texts = described(fragment)
    assert set(texts) == set(options)
    for name, option in options.items():
        for part in ("type", "choices", "default", "elements", "aliases"):
            assert texts[name].get(part) == option.get(part), f"{name}.{part}"
        for variable in option.get("fallback", (None, []))[1]:
            assert f"E({variable})" in str(texts[name]["description"]), f"{name}: {variable} is not told"


def test_groups_share_no_name_with_another_meaning() -> None:
    for name in set(argspec.CLUSTER) & set(argspec.ARTIFACTS):
        assert argspec.CLUSTER[name] == argspec.ARTIFACTS[name]
    assert not set(argspec.STORE) & (set(argspec.CLUSTER) | set(argspec.ARTIFACTS))
    spelled = [alias for option in argspec.CONNECTIONS.values() for alias in option.get("aliases", [])]
    assert len(spelled) == len(set(spelled))
    assert not set(spelled) & set(argspec.CONNECTIONS)
