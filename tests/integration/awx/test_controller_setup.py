# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook controller_setup against a stand-in for a controller's API."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_runs import ansible_playbook
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .controller_api import PASSWORD, TOKEN, Api, serving_api
from .definitions import definitions, excerpt

BOOK = "playbooks/controller_setup.yml"
IMAGE = "registry.example.com/ee:7"


def setup(api: Api, *flags: str, fails: bool = False, book: str = BOOK, own: Any = None, **variables: Any) -> Any:
    login = {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": TOKEN} if own is None else own
    given = {"controller_ee_image": IMAGE, "controller_wait_delay": 0, **variables}
    shown = ansible_playbook(book, *flags, own=login, fails=fails, timeout=280, **given)
    assert TOKEN not in shown.output
    assert PASSWORD not in shown.output
    return shown


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server on loopback, signed by nobody but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "controller")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = serialization.Encoding.PEM
    plain = key.private_bytes(text, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("controller") / "certificate.pem"
    path.write_bytes(made.public_bytes(text) + plain)
    return path


@pytest.fixture
def api() -> Iterator[Api]:
    with serving_api(Api()) as serving:
        yield serving


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder with something of each kind. The requests of all of them take minutes, and tests/unit/awx knows their options."""
    kept = {
        "controller_credential_types": ["Serving: store"],
        "controller_credentials": ["Serving: store", "Serving: cluster"],
        "controller_templates": ["Serving: reconcile", "Serving: canary"],
        "controller_schedules": ["Serving: sweep"],
    }
    folder = tmp_path / "definitions"
    folder.mkdir()
    excerpt(folder, kept, nodes=("to-50", "may-be-promoted", "promote", "abort"))
    return folder


def test_it_looks_makes_and_mends_what_differs(few: Path, certificate: Path) -> None:
    """On automation controller with a password and over TLS, then on what is there with a token."""
    made = definitions(few, controller_ee_image=IMAGE)
    wanted = made["controller_workflows"][0]["simplified_workflow_nodes"]
    with serving_api(Api(prefix="/api/controller/v2/", updates=3), certificate=certificate) as api:
        person = {"CONTROLLER_USERNAME": "admin", "CONTROLLER_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(certificate)}
        own = {"CONTROLLER_HOST": f"{api.url}/", **person}
        looked = setup(api, "--check", own=own, controller_definitions=str(few))
        assert looked.changed > 0
        assert api.writes() == []
        for words in ("creates Serving: canary:", "the approval May it have all traffic?", "gets the credential"):
            assert words in looked.output

        setup(api, "-vvv", own=own, controller_definitions=str(few))
        check_everything(api, made)
        check_nodes(api, wanted)

        canary, kind = api.named("job_templates", "Serving: canary"), "workflow_job_template_nodes"
        first, promote = api.named(kind, "to-50"), api.named(kind, "promote")
        approval = api.named("workflow_approval_templates", "May it have all traffic?")
        canary["survey_spec"]["spec"][0]["question_name"] = canary["description"] = "Something else"
        first["success_nodes"] = [promote["id"]]
        approval["timeout"] = 1
        api.named("credentials", "Serving: cluster")["description"] = "filled in by a person"
        api.requests.clear()
        own = {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": TOKEN, "CONTROLLER_VERIFY_SSL": "false"}
        mended = setup(api, own=own, controller_definitions=str(few), book="mlops.serving.controller_setup")
        # Nothing but these: what is as it shall be is not written again.
        assert mended.changed == 5
        check_everything(api, made)
        check_nodes(api, wanted)
        ways = f"{kind}/{first['id']}/success_nodes/"
        assert sorted(api.writes()) == [
            ("PATCH", f"job_templates/{canary['id']}/"),
            ("PATCH", f"workflow_approval_templates/{approval['id']}/"),
            ("POST", f"job_templates/{canary['id']}/survey_spec/"),
            # One is added, and one taken away.
            ("POST", ways),
            ("POST", ways),
        ]
        assert api.named("credentials", "Serving: cluster")["description"] == "filled in by a person"


def check_everything(api: Api, made: dict[str, list[dict[str, Any]]]) -> None:
    for listed, kind in {
        "controller_templates": "job_templates",
        "controller_workflows": "workflow_job_templates",
        "controller_schedules": "schedules",
        "controller_credentials": "credentials",
    }.items():
        assert {one["name"] for one in made[listed]} == {one["name"] for one in api.objects[kind].values()}
    for one in made["controller_credential_types"]:
        assert api.named("credential_types", one["name"])["injectors"] == one["injectors"]
    for one in made["controller_templates"]:
        held = api.named("job_templates", one["name"])
        assert held["description"] == one["description"]
        assert held.get("survey_spec") == one.get("survey_spec")
        assert json.loads(held["extra_vars"]) == one["extra_vars"]
        names = [api.objects["credentials"][number]["name"] for number in held["credentials"]]
        assert names == one["credentials"]
    assert api.named("execution_environments", "mlops.serving")["image"] == IMAGE


def check_nodes(api: Api, wanted: list[dict[str, Any]]) -> None:
    kind = "workflow_job_template_nodes"
    for one in wanted:
        held = api.named(kind, one["identifier"])
        for way in ("success_nodes", "failure_nodes", "always_nodes"):
            assert [api.objects[kind][number]["identifier"] for number in held[way]] == one.get(way, [])
        if "approval_node" in one:
            asked = api.objects["workflow_approval_templates"][held["unified_job_template"]]
            assert {name: asked[name] for name in one["approval_node"]} == one["approval_node"]
        else:
            assert api.objects["job_templates"][held["unified_job_template"]]["name"] == one["unified_job_template"]
            assert held["extra_data"] == one.get("extra_data", {})


def test_a_certificate_that_is_not_known_gets_no_login(certificate: Path) -> None:
    with serving_api(Api(), certificate=certificate) as api:
        shown = setup(api, fails=True)
        assert "certificate verify failed" in shown.output.lower()
        assert "known when SSL_CERT_FILE names" in shown.output
        assert api.requests == []


def test_another_address_is_named_and_not_followed(api: Api) -> None:
    with serving_api(Api(), moved_to=api.url) as old:
        shown = setup(old, fails=True)
    assert f"It refers to {api.url}: give that as controller_host." in shown.output
    assert api.requests == []


def test_a_wrong_token_is_told_in_words(api: Api) -> None:
    wrong = {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": "another-secret"}
    shown = setup(api, "-vvv", own=wrong, fails=True)
    assert "answered 401" in shown.output
    assert "Make a token with the scope write in the controller" in shown.output
    assert "another-secret" not in shown.output
    assert api.writes() == []


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"CONTROLLER_OAUTH_TOKEN": TOKEN}, "controller_host is not given"),
        ({"CONTROLLER_HOST": "http://127.0.0.1:1"}, "Nothing to log in with"),
    ],
)
def test_what_is_missing_is_named(api: Api, own: dict[str, str], words: str) -> None:
    assert words in setup(api, own=own, fails=True).output
