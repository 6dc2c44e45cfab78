# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that the role writes, as systemd itself judges it, and the secrets that are nowhere else than they have to be."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import DATABASE_URL, FURTHER, NATS_URL, PASSWORD, Host
from .unit_life import CHANGED_NATS_URL, FILES, PLATFORM, Life

SECRETS = (DATABASE_URL, PASSWORD, "p$HOME", "n4ts-s3cret", FURTHER, "0ther-secret")
# systemd-analyze's own word for it is OK up to 4.9; everything that is left open here has its reason in the unit.
EXPOSURE = 2.0


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Only read: each test looks at another side of the same runs."""
    return Life(tmp_path_factory.mktemp("life"))


@pytest.fixture(scope="module")
def of_a_user(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A system's unit with a user of its own, and variables of the role on top of the platform's. Only read."""
    host = Host(tmp_path_factory.mktemp("of-a-user"))
    over = {"deploy_worker_kserve_name_prefix": "other", "deploy_worker_drift": True, "deploy_worker_sweep": 9}
    host.role(own=PLATFORM, **FILES, **over, deploy_worker_user="mlops", deploy_worker_group="mlops")
    return host


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def lines(host: Host) -> list[str]:
    return host.unit.read_text().splitlines()


def test_it_is_written_once(life: Life) -> None:
    assert life.check.shown.changed > 0
    assert not life.check.host.files.exists()
    assert not life.check.host.units.exists()

    first = life.first.host
    assert life.first.shown.changed > 0
    assert life.again.shown.changed == 0
    for host in (first, life.again.host, life.changed.host):
        assert (mode(host.environment), mode(host.unit)) == (0o600, 0o644)
    assert sorted(path.name for path in first.files.iterdir()) == [
        "deploy-worker.env",
        "deploy-worker.inventory.yml",
        "deploy-worker.vars.yml",
    ]


def test_it_is_taken_away_again_and_no_other(life: Life) -> None:
    assert len(list(life.second.host.units.iterdir())) == 2
    assert life.absent.shown.changed > 0
    assert sorted(path.name for path in life.absent.host.units.iterdir()) == ["second.service"]
    assert sorted(path.name for path in life.absent.host.files.iterdir()) == [
        "second.env",
        "second.inventory.yml",
        "second.vars.yml",
    ]
    assert life.absent_again.shown.changed == 0
    assert not life.second_absent.host.files.exists()


def test_systemd_is_asked_to_start_it_and_again_after_a_change(life: Life) -> None:
    assert life.check.asked == ""
    assert "daemon-reload" in life.first.asked
    assert "enable deploy-worker.service" in life.first.asked
    assert "start deploy-worker.service" in life.first.asked
    assert "start deploy-worker.service" not in life.again.asked
    assert "restart deploy-worker.service" in life.changed.asked
    assert "stop deploy-worker.service" in life.absent.asked
    assert life.absent_again.asked == ""


def test_it_says_that_it_was_not_started(life: Life) -> None:
    assert "written and not started: deploy_worker_start is never" in life.second.shown.output
    assert life.second.asked == ""


def test_secrets_are_in_one_file_that_only_root_reads(life: Life) -> None:
    for step in (life.first, life.changed):
        others = [
            path.read_text() for path in (step.host.unit, *step.host.files.iterdir()) if path != step.host.environment
        ]
        for text in (step.shown.output, *others):
            assert [secret for secret in SECRETS if secret in text] == []
    assert life.first.host.variable("NATS_URL") == NATS_URL
    host = life.changed.host
    assert host.variable("DATABASE_URL") == DATABASE_URL
    assert host.variable("NATS_URL") == CHANGED_NATS_URL
    assert host.variable("FURTHER") == FURTHER
    # The environment, and that systemd was asked to start it again.
    assert life.changed.shown.changed == 2


def test_the_platforms_variables_mean_the_same(life: Life, of_a_user: Host) -> None:
    second = life.second.host
    assert {name: second.variable(name) for name in PLATFORM} == PLATFORM
    assert of_a_user.variable("KSERVE_NAME_PREFIX") == "other"
    found = {name: of_a_user.variable(name) for name in ("WORKER_DRIFT", "WORKER_DRIFT_EVERY", "WORKER_SWEEP")}
    assert found == {"WORKER_DRIFT": "true", "WORKER_DRIFT_EVERY": "300", "WORKER_SWEEP": "9"}


def judge(host: Host, exposure: float = EXPOSURE) -> None:
    judged = host.analyze("verify", "--man=no", str(host.unit))
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")
    closed = host.analyze(
        "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE * 10:.0f}", str(host.unit)
    )
    found = re.search(r"exposure level for \S+: ([0-9.]+)", closed.stdout)
    assert found, closed.stdout + closed.stderr
    assert float(found[1]) <= exposure, closed.stdout


def test_systemd_takes_the_unit_and_finds_it_closed(life: Life) -> None:
    judge(life.first.host)
    assert any("/ansible-rulebook" in line for line in lines(life.first.host) if line.startswith("ExecStart="))


def test_systemd_takes_the_unit_without_events_and_finds_it_closed(life: Life) -> None:
    judge(life.second.host)
    assert any("mlops.serving.worker" in line for line in lines(life.second.host) if line.startswith("ExecStart="))


def test_systemd_takes_the_unit_of_a_user_of_its_own_and_finds_it_closed(of_a_user: Host) -> None:
    judge(of_a_user)
    assert [line for line in lines(of_a_user) if line.endswith("=mlops")] == ["User=mlops", "Group=mlops"]


def test_systemd_takes_the_unit_of_root_and_finds_it_closed(host: Host) -> None:
    host.role(deploy_worker_user="root", deploy_worker_group="root")
    # There is one point that cannot be had: the user.
    judge(host, EXPOSURE + 0.5)


def test_a_unit_of_a_user(host: Host) -> None:
    host.role(deploy_worker_scope="user")
    judged = host.analyze("verify", "--user", "--man=no", str(host.unit))
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")
    assert "WantedBy=default.target" in lines(host)
    assert not [line for line in lines(host) if line.startswith(("User=", "DynamicUser=", "ProtectSystem="))]


def test_a_broken_unit_would_be_found(life: Life, host: Host) -> None:
    host.units.mkdir()
    host.unit.write_text(life.first.host.unit.read_text().replace("ansible-rulebook", "no-such-program"))
    assert "no-such-program" in host.analyze("verify", "--man=no", str(host.unit)).stderr


def test_the_whole_group_is_ended_and_a_user_of_systemd_gets_its_files(life: Life, of_a_user: Host) -> None:
    host = life.first.host
    wanted = [
        *("KillMode=control-group", "Restart=always", "TimeoutStopSec=40", "DynamicUser=yes"),
        "LoadCredential=kubeconfig:/etc/kubeconfig",
        "LoadCredential=nats_credentials_file:/etc/nats/worker.creds",
    ]
    assert [line for line in wanted if line not in lines(host)] == []
    place = "/run/credentials/deploy-worker.service"
    assert json.loads((host.files / "deploy-worker.vars.yml").read_text()) == {
        "mlops_serving_create": True,
        "nats_credentials_file": f"{place}/nats_credentials_file",
        "nats_stream": "OTHER",
    }
    assert host.variable("K8S_AUTH_KUBECONFIG") == f"{place}/kubeconfig"

    assert "User=mlops" in lines(of_a_user)
    assert "LoadCredential" not in of_a_user.unit.read_text()
    assert of_a_user.variable("K8S_AUTH_KUBECONFIG") == "/etc/kubeconfig"


REFUSALS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    (
        {"deploy_worker_start": "always", "__deploy_worker_systemd": "/nonexistent"},
        {},
        "systemd does not run on localhost",
    ),
    ({}, {"DATABASE_URL": ""}, "deploy_worker_database_url: the worker would not find its database"),
    ({"deploy_worker_secrets": {"TOKEN": "two\nlines"}}, {}, "TOKEN has more than one line"),
    ({"deploy_worker_programs": "/nonexistent"}, {}, "there is no ansible-rulebook in /nonexistent on localhost"),
    ({"deploy_worker_scope": "user", "deploy_worker_user": "mlops"}, {}, "deploy_worker_user: a unit of a user"),
    ({"deploy_worker_folder": "~/etc"}, {}, "deploy_worker_folder: a unit of the system has no home"),
    ({}, {"DEPLOY_MODE": "production"}, "value of deploy_worker_deploy_mode must be one of"),
]


@pytest.mark.parametrize(("variables", "own", "words"), REFUSALS, ids=[words[:40] for *_given, words in REFUSALS])
def test_what_cannot_work_is_refused_and_writes_nothing(
    host: Host, variables: dict[str, Any], own: dict[str, str], words: str
) -> None:
    shown = host.role("-vvv", fails=True, own=own, **variables)
    assert words in shown.output
    assert [secret for secret in SECRETS if secret in shown.output] == []
    assert not host.units.exists()


def test_the_worker_works_with_the_units_environment_and_filter(life: Life, world: Any, tmp_path: Path) -> None:
    """The sets of calls are the unit's; Ansible starts, deploys and ends under them. With Java it was tried by hand."""
    (version,) = world.model("s3://models/add_sub/1/")
    world.endpoint("demo", version)
    host = life.second.host
    state = tmp_path / "state"
    place = state / "mlops-serving" / "second"
    place.mkdir(parents=True)
    given = dict(
        line.removeprefix("Environment=").strip('"').replace("%S", str(state)).split("=", 1)
        for line in lines(host)
        if line.startswith("Environment=")
    )
    filtered = Path(__file__).with_name("filtered.py")
    command = [sys.executable, str(filtered), str(host.unit)]
    chown = "import os; os.chown('/tmp', 0, 0)"
    refused = subprocess.run([*command, sys.executable, "-c", chown], capture_output=True, text=True, check=False)
    assert "PermissionError" in refused.stderr, refused.stderr
    done = subprocess.run(
        [*command, str(Path(sys.executable).with_name("ansible-playbook")), "mlops.serving.reconcile"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).resolve().parents[3],
        # As a user whose home, by its name, is not there.
        env={**given, "USER": "nobody", "LOGNAME": "nobody", "DATABASE_URL": world.url, "DEPLOY_MODE": "simulate"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.row("demo")["status"] == "READY"
    assert (place / "tmp").is_dir()
