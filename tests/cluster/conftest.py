# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster for the tests: brought up once with the groups that the chosen tests ask for, and left running.

- ``@pytest.mark.groups("kserve", "keda")``: groups a test needs (see ``python3 -m tools.cluster --help``); base alone without a mark.
- ``cluster``: the session's cluster (``tools.cluster.access.Access``).
- ``namespace``: a fresh namespace a test, with a Secret and ServiceAccounts that may read the example models.
- ``bare_cluster``: a second cluster with Kubernetes alone, one a test, for installers.
- ``database``: URL of a fresh, empty Postgres database, one a test; ``nats_url``: a private NATS JetStream, one a run.

``--cluster-name`` chooses the cluster (environment MLOPS_CLUSTER_NAME, default main), ``--cluster-down`` stops it afterwards,
``--lane`` takes one half of the tests: those of parts that all share, or those of clusters and namespaces of their own
(tools/dev/cluster-tests runs both at once).
"""

from __future__ import annotations

import importlib.util
import os
import sys
import typing as t
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
for _place in (ROOT, ROOT / ".build"):
    if str(_place) not in sys.path:
        sys.path.insert(0, str(_place))

from tools.cluster import access, groups, lifecycle
from tools.cluster.errors import ClusterError
from tools.cluster.layout import Home

LANES = ("common", "own")
# Files whose tests touch nothing outside of their own namespaces: the second lane goes on with them, so that both end together.
NAMESPACED = (
    "test_deploy.py",
    "test_drift.py",
    "test_faults.py",
    "test_publish.py",
    "test_rulebook.py",
    "test_stopped.py",
    "test_worker_role.py",
)
TENANT = {"mlops-saas.io/tenant": "true"}


def _servers() -> t.Any:
    """The fixtures of the integration tests, which start real servers on this machine."""
    spec = importlib.util.spec_from_file_location("integration_servers", ROOT / "tests" / "integration" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["integration_servers"] = module
    spec.loader.exec_module(module)
    return module


_LEFT_OUT = pytest.StashKey[tuple[int, list[str]]]()
_module = _servers()
postgres, database, nats_url = _module.postgres, _module.database, _module.nats_url


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster")
    group.addoption("--cluster-name", default=os.environ.get("MLOPS_CLUSTER_NAME", "main"), help="name of the cluster")
    group.addoption(
        "--groups", default=os.environ.get("CLUSTER_TEST_GROUPS", "all"), help="run the tests that need no other groups"
    )
    group.addoption(
        "--lane",
        choices=LANES,
        help="only the tests of the common cluster's shared parts, or those of clusters and namespaces of their own",
    )
    group.addoption("--cluster-down", action="store_true", help="stop the cluster after the tests")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "groups(*names): parts of the cluster that the test needs")
    config.addinivalue_line("markers", "long: a test of a soak's own target, such as make soak-install")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need more than the chosen groups are left out, and the last lines say which groups those are."""
    lane = config.getoption("--lane")
    elsewhere = [item for item in items if lane and lane != lane_of(item)]
    items[:] = [item for item in items if item not in elsewhere]
    if lane:  # what works most comes first, while the other lane works least
        items.sort(key=lambda item: not starts_clusters(item))
    config.hook.pytest_deselected(items=elsewhere)
    if os.environ.get("MLOPS_INSTALL_SOAK") != "true":
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
    chosen = set(groups.closure(config.getoption("--groups").split(",")))
    left_out = {item: set(wanted_groups([item])) - chosen for item in items}
    items[:] = [item for item in items if not left_out[item]]
    gone = [item for item, missing in left_out.items() if missing]
    config.hook.pytest_deselected(items=gone)
    config.stash[_LEFT_OUT] = (len(gone), sorted(set().union(*left_out.values())))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    number, missing = config.stash.get(_LEFT_OUT, (0, []))
    if number:
        needed = ",".join(["all", *(name for name in missing if name in groups.OPT_IN)])
        terminalreporter.write_line(
            f"{number} tests did not run: they need {', '.join(missing)} (make test-cluster CLUSTER_TEST_GROUPS={needed})"
        )


def starts_clusters(item: pytest.Item) -> bool:
    return "bare_cluster" in getattr(item, "fixturenames", ()) or item.path.name == "test_tool.py"


def lane_of(item: pytest.Item) -> str:
    """Two lanes run side by side: what one does to its cluster or namespace, the other does not notice."""
    return "own" if starts_clusters(item) or item.path.name in NAMESPACED else "common"


def wanted_groups(items: t.Iterable[pytest.Item]) -> list[str]:
    """All groups that the tests ask for, in the order of their start."""
    asked = {name for item in items for mark in item.iter_markers("groups") for name in mark.args}
    return groups.closure(["base", *asked])


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> t.Iterator[access.Access]:
    name, home = request.config.getoption("--cluster-name"), Home.from_environment()
    users = [set(getattr(item, "fixturenames", ())) for item in request.session.items]
    # A test of a bare cluster names groups for their images only.
    chosen = [
        item
        for item, names in zip(request.session.items, users, strict=True)
        if "cluster" in names and "bare_cluster" not in names
    ]
    wanted = wanted_groups(chosen)
    if os.geteuid() != 0 and os.environ.get("CI") != "true":
        pytest.skip("a cluster needs root (network namespace, control groups, containers)")
    try:
        found = access.Access(lifecycle.up(home, name, wanted))
    except ClusterError as error:
        pytest.fail(f"the cluster does not start: {error}", pytrace=False)
    yield found
    if request.config.getoption("--cluster-down"):
        lifecycle.down(home, name)


@pytest.fixture
def bare_cluster(cluster: access.Access, request: pytest.FixtureRequest) -> t.Iterator[access.Access]:
    """A second cluster with Kubernetes alone, for installers; its registry holds the images of the test's groups."""
    home = cluster.cluster.home
    images = wanted_groups([request.node])
    lifecycle.down(home, "bare")
    yield access.Access(lifecycle.up(home, "bare", groups.closure(["bare"]), images=tuple(images)))
    lifecycle.down(home, "bare")


@pytest.fixture
def namespace(cluster: access.Access, request: pytest.FixtureRequest) -> t.Iterator[access.Space]:
    space = access.make_space(cluster, f"t-{uuid.uuid4().hex[:8]}", TENANT)
    request.node.stash[_SPACE] = (cluster, space.name)
    yield space
    access.remove_space(cluster, space.name)


_SPACE = pytest.StashKey[tuple[access.Access, str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> t.Generator[None, pytest.TestReport, pytest.TestReport]:
    """Events and logs of the test's namespace go into the report of its failure."""
    report = yield
    if report.when == "call" and report.failed and _SPACE in item.stash:
        where, name = item.stash[_SPACE]
        report.sections.append((f"namespace {name}", where.tell(name)))
    return report
