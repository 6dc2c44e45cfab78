# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook controller_setup and its module against a stand-in for a controller's API."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_runs import ROOT, ansible_playbook, environment
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .controller_api import PASSWORD, TOKEN, Api, serving_api
from .definitions import definitions

BOOK = "playbooks/controller_setup.yml"
IMAGE = "registry.example.com/ee:7"


def setup(api: Api, *flags: str, fails: bool = False, book: str = BOOK, own: Any = None, **variables: Any) -> Any:
    given = {"controller_ee_image": IMAGE, "controller_wait_delay": 0, **variables}
    shown = ansible_playbook(book, *flags, own=login(api) if own is None else own, fails=fails, timeout=280, **given)
    assert TOKEN not in shown.output
    assert PASSWORD not in shown.output
    return shown


def controller(own: dict[str, str], *, fails: bool = False, **given: Any) -> dict[str, Any]:
    """The module's answer, in a process of its own, with ``own`` in its environment."""
    told = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "integration" / "run_module.py"), "controller"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"interval": 0, **given}}),
        capture_output=True,
        text=True,
        check=False,
        env={**environment(own), "PYTHONPATH": str(ROOT / ".build")},
        timeout=60,
    )
    assert TOKEN not in told.stdout + told.stderr
    assert PASSWORD not in told.stdout + told.stderr
    assert bool(told.returncode) is fails, told.stdout + told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)
    assert "bug in mlops.serving" not in answer.get("msg", ""), answer
    return answer


def login(api: Api) -> dict[str, str]:
    return {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": TOKEN}


def options(made: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Definitions as the module has them."""
    return {name.removeprefix("controller_"): items for name, items in made.items()}


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


def test_it_looks_makes_and_mends_what_differs(certificate: Path) -> None:
    """On automation controller with a password and over TLS, then on what is there with a token."""
    made = definitions(controller_ee_image=IMAGE)
    wanted = made["controller_workflows"][0]["simplified_workflow_nodes"]
    with serving_api(Api(prefix="/api/controller/v2/", updates=3, page=5), certificate=certificate) as api:
        person = {"CONTROLLER_USERNAME": "admin", "CONTROLLER_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(certificate)}
        own = {"CONTROLLER_HOST": f"{api.url}/", **person}
        looked = setup(api, "--check", own=own)
        assert looked.changed > 0
        assert api.writes() == []
        for words in (
            "Serving: canary  ",
            "gets the approval May it have all traffic?",
            "gets the credential Serving: store",
        ):
            assert words in looked.output

        setup(api, "-vvv", own=own)
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
        given = {"controller_host": api.url, "controller_oauthtoken": TOKEN, "controller_validate_certs": False}
        mended = setup(api, own={}, book="mlops.serving.controller_setup", **given)
        assert mended.changed == 1
        for words in ("changed description", "gets its survey", "changed timeout of its approval", "loses promote"):
            assert words in mended.output
        check_everything(api, made)
        check_nodes(api, wanted)
        ways = f"{kind}/{first['id']}/success_nodes/"
        # Nothing but these: what is as it shall be is not written again.
        assert sorted(api.writes()) == [
            ("PATCH", f"job_templates/{canary['id']}/"),
            ("PATCH", f"workflow_approval_templates/{approval['id']}/"),
            ("POST", f"job_templates/{canary['id']}/survey_spec/"),
            # One is added, and one taken away.
            ("POST", ways),
            ("POST", ways),
        ]
        assert api.named("credentials", "Serving: cluster")["description"] == "filled in by a person"

        api.requests.clear()
        again = controller({**own, "CONTROLLER_HOST": api.url}, **options(made))
        assert (again["changed"], again["changes"], api.writes()) == (False, [], [])
        # One list a kind, in pages of five, and a request for each survey and approval.
        assert again["requests"] <= 40


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
        told = controller(login(api), fails=True)["msg"]
        assert "certificate verify failed" in told.lower()
        assert "known when SSL_CERT_FILE names" in told
        controller({**login(api), "CONTROLLER_VERIFY_SSL": ""}, fails=True)
        assert api.requests == []
        controller(
            {**login(api), "CONTROLLER_VERIFY_SSL": "false"}, inventories=[{"name": "i", "organization": "Default"}]
        )
        assert api.writes() == [("POST", "inventories/")]


def test_another_address_is_named_and_not_followed(api: Api) -> None:
    with serving_api(Api(), moved_to=api.url) as old:
        told = controller(login(old), fails=True)["msg"]
    assert f"It refers to {api.url}: give that as controller_host." in told
    assert api.requests == []


def test_a_wrong_token_is_told_in_words(api: Api) -> None:
    wrong = {"CONTROLLER_HOST": api.url, "CONTROLLER_OAUTH_TOKEN": "another-secret"}
    told = controller(wrong, fails=True, controller_password="one-more-secret", hosts=[{"name": "h"}])
    assert "answered 401" in told["msg"]
    assert "Make a token with the scope write in the controller" in told["msg"]
    assert "-secret" not in json.dumps(told)
    assert api.writes() == []


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"CONTROLLER_OAUTH_TOKEN": TOKEN}, "controller_host is not given"),
        ({"CONTROLLER_HOST": "http://127.0.0.1:1"}, "Nothing to log in with"),
        ({"CONTROLLER_HOST": "http://127.0.0.1:1", "CONTROLLER_OAUTH_TOKEN": TOKEN}, "Connection refused"),
    ],
)
def test_what_is_missing_is_named(own: dict[str, str], words: str) -> None:
    assert words in controller(own, fails=True)["msg"]


def test_an_image_that_is_not_named_ends_the_playbook(api: Api) -> None:
    shown = setup(api, fails=True, controller_ee_image="")
    assert "Name the image of the execution environment" in shown.output
    assert api.requests == []
