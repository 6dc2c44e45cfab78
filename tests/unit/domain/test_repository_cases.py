"""What the checks say of each case that tests/integration/triton holds against a real Triton; here without one."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.model_reader import read_model
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_layout import Finding
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_rules import check_models

_PATH = Path(__file__).resolve().parents[2] / "integration" / "triton" / "cases.py"
_SPEC = importlib.util.spec_from_file_location("triton_cases", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
cases = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(cases)

REFUSED = {**cases.REFUSED, **cases.HANGS}
SERVED = {**cases.SERVED, **cases.COMPLETED}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Finding]]:
    root = tmp_path_factory.mktemp("cases")
    for name, change in {**SERVED, **{name: change for name, (change, _problem) in REFUSED.items()}}.items():
        cases.make(root, name, change)
    models = [read_model(str(root), path.name, path.name, []) for path in sorted(root.iterdir())]
    found = defaultdict(list)
    for finding in check_models(models, gpus=0):
        found[finding.path.split("/")[0]].append(finding)
    return found


@pytest.mark.parametrize("name", SERVED)
def test_nothing_stops_what_triton_serves(findings: dict[str, list[Finding]], name: str) -> None:
    assert [str(each) for each in findings[name] if each.fatal] == []
    assert cases.WARNED.get(name, "") in "; ".join(map(str, findings[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_what_triton_refuses_or_hangs_on_is_stopped(findings: dict[str, list[Finding]], name: str) -> None:
    assert REFUSED[name][1] in "; ".join(str(each) for each in findings[name] if each.fatal)
