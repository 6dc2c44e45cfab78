"""The checks of a repository, held against what a real Triton does with each case."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.model_reader import read_model
from ansible_collections.mlops.serving.plugins.module_utils._adapters.model_schema import Parser, config_parser
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_layout import Finding
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_rules import check_models

from .cases import COMPLETED, HANGS, REFUSED, REFUSED_BY_SCHEMA, SERVED, WARNED, make
from .environment import environment
from .server import Server, Triton

EXPLICIT = "--model-control-mode=explicit"
# Triton refuses it, hangs or ends, now this and now that: nothing to hold our refusal against.
UNSURE = "warm_up_with_too_many"
LOADED = [name for name in (*SERVED, *REFUSED, *REFUSED_BY_SCHEMA) if name != UNSURE]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    for name, change in {**SERVED, **COMPLETED}.items():
        make(root, name, change)
    for name, (change, _problem) in {**REFUSED, **REFUSED_BY_SCHEMA, **HANGS}.items():
        make(root, name, change)
    return root


@pytest.fixture(scope="module")
def servers(triton: Triton, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """The one that runs is the last."""
    started: list[Server] = []
    yield started
    for each in started:
        each.stop()


@pytest.fixture
def server(triton: Triton, repository: Path, servers: list[Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One for all tests, and another after a model that it did not outlive, which is that model's failure alone."""
    if not servers or servers[-1].process.poll() is not None:
        log = tmp_path_factory.mktemp("triton") / "server.log"
        servers.append(Server(triton, repository, log, EXPLICIT, "--disable-auto-complete-config").__enter__())
    return servers[-1]


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    """Triton's schema, from the two packages that hold it."""
    folder = environment("triton-schema", sys.executable, ("protobuf>=6", "tritonclient>=2.60"))
    with pytest.MonkeyPatch.context() as patch:
        [packages] = folder.glob("lib/python*/site-packages")
        patch.syspath_prepend(str(packages))
        found = config_parser()
        assert found is not None
        yield found


Findings = dict[str, list[Finding]]


def find(repository: Path, parser: Parser | None) -> Findings:
    """By model. All models are of one repository, so that ensembles find their steps; the endpoint has no GPU."""
    models = [read_model(str(repository), path.name, path.name, [], parser) for path in sorted(repository.iterdir())]
    found = defaultdict(list)
    for finding in check_models(models, gpus=0):
        found[finding.path.split("/")[0]].append(finding)
    return found


@pytest.fixture(scope="module")
def findings(repository: Path) -> Findings:
    return find(repository, None)


@pytest.fixture(scope="module")
def findings_with_schema(repository: Path, parser: Parser) -> Findings:
    return find(repository, parser)


def fatal(findings: list[Finding]) -> list[str]:
    return [str(each) for each in findings if each.fatal]


def load(server: Server, name: str, timeout: float = 30) -> tuple[int, Any]:
    try:
        answer = server.request("POST", f"/v2/repository/models/{name}/load", timeout=timeout)
    except OSError:
        server.stop()  # it hangs, or is gone
        raise
    if answer[0] == 200:
        server.request("POST", f"/v2/repository/models/{name}/unload")
    return answer


@pytest.mark.parametrize("name", LOADED)
def test_our_answer_is_tritons(
    triton: Triton,
    repository: Path,
    server: Server,
    findings: Findings,
    findings_with_schema: Findings,
    tmp_path: Path,
    name: str,
) -> None:
    try:
        status, answer = load(server, name)
    except OSError:  # what was loaded before can leave Triton so that it hangs: by itself the model has to be answered
        with Server(triton, repository, tmp_path / "log", EXPLICIT, "--disable-auto-complete-config") as fresh:
            status, answer = load(fresh, name)
    assert (status == 200) is (name in SERVED), answer
    without, with_schema = fatal(findings[name]), fatal(findings_with_schema[name])
    if name in SERVED:
        assert without == with_schema == []
    if name in REFUSED:
        assert REFUSED[name][1] in "; ".join(without)
        assert with_schema
    if name in REFUSED_BY_SCHEMA:
        assert REFUSED_BY_SCHEMA[name][1] in "; ".join(with_schema)


@pytest.mark.parametrize("name", SERVED)
def test_what_is_served_has_only_the_warnings_that_it_deserves(findings: Findings, name: str) -> None:
    said = [str(each) for each in findings[name]]
    if name in WARNED:
        assert WARNED[name] in "; ".join(said)
    elif name != "empty_config_but_a_comment":
        assert said == []


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_BY_SCHEMA, *HANGS])
def test_a_finding_names_its_file_its_line_and_its_cure(findings_with_schema: Findings, name: str) -> None:
    assert findings_with_schema[name]
    for finding in findings_with_schema[name]:
        assert finding.path.startswith(name)
        assert finding.cure
        if finding.path.endswith("config.pbtxt") and "no such file" not in finding.problem:
            assert finding.line, finding


def test_a_violation_of_the_schema_has_its_line_and_column(findings_with_schema: Findings) -> None:
    (finding,) = findings_with_schema["misspelt_field"]
    assert (finding.path, finding.line) == ("misspelt_field/config.pbtxt", 4)
    assert "max_batchsize" in finding.problem
    assert "(column 1)" in finding.problem


@pytest.mark.parametrize("name", HANGS)
def test_what_hangs_triton_is_refused(
    triton: Triton, repository: Path, findings: Findings, name: str, tmp_path: Path
) -> None:
    """Loading never ends, with no error either; the server is killed afterwards."""
    assert HANGS[name][1] in "; ".join(fatal(findings[name]))
    with (
        Server(triton, repository, tmp_path / "log", EXPLICIT, "--disable-auto-complete-config", grace=3) as server,
        pytest.raises(TimeoutError),
    ):
        load(server, name, timeout=8)


def test_what_triton_is_unsure_of_is_refused(findings: Findings) -> None:
    assert REFUSED[UNSURE][1] in "; ".join(fatal(findings[UNSURE]))


def test_a_program_that_completes_its_config_needs_none(
    triton: Triton, repository: Path, findings: Findings, tmp_path: Path
) -> None:
    """As KServe starts Triton, without --disable-auto-complete-config."""
    with Server(triton, repository, tmp_path / "log", EXPLICIT) as server:
        for name in COMPLETED:
            status, answer = load(server, name)
            assert status == 200, answer
            assert fatal(findings[name]) == []
        for name in ("no_config", "no_dims", "ensemble_of_nothing", "on_gpu"):
            assert load(server, name)[0] != 200
