"""How a module ends: its result, or one sentence with the result so far, and never a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.mlops.serving.plugins.module_utils._ansible.argspec import ArgumentSpec, serving_spec
from ansible_collections.mlops.serving.plugins.module_utils._ansible.module import Work, diff, failed, run, summary
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, NotFound

Answer = dict[str, Any]
SPEC = serving_spec({"name": {"type": "str"}})


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def end(work: Work, spec: ArgumentSpec = SPEC, **options: Any) -> Answer:
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_remote_tmp": "/tmp"}})
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments.encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            run(spec, work)
        answer: Answer = json.loads(capsys.readouterr().out)
        return answer

    return end


def test_the_result_is_what_the_work_filled_in(ends: Callable[..., Answer]) -> None:
    def work(module: Any, result: Answer) -> None:
        result["seen"] = module.params["name"]

    answer = ends(work, name="demo")
    assert (answer["changed"], answer["seen"], answer.get("failed")) == (False, "demo", None)


def test_an_error_keeps_what_was_done_before_it(ends: Callable[..., Answer]) -> None:
    def work(_module: Any, result: Answer) -> None:
        result.update(changed=True, endpoints=["first"])
        raise InvalidIntent("is too much", endpoint="second", field="traffic", value=7, cure="take less")

    answer = ends(work)
    assert (answer["failed"], answer["changed"], answer["endpoints"]) == (True, True, ["first"])
    assert answer["msg"] == "endpoint second: traffic = 7: is too much. Take less."
    assert answer["failure"]["code"] == "invalid_intent"


def test_failed_items_fail_the_task_at_its_end(ends: Callable[..., Answer]) -> None:
    def work(_module: Any, result: Answer) -> None:
        result.update(changed=True, endpoints=["good"])
        result["failed_endpoints"] = [failed(NotFound("is not there", endpoint=name)) for name in ("a", "b")]

    answer = ends(work)
    assert (answer["failed"], answer["changed"], answer["endpoints"]) == (True, True, ["good"])
    assert [entry["name"] for entry in answer["failed_endpoints"]] == ["a", "b"]
    assert answer["msg"].startswith("2 endpoints failed, the others were done: endpoint a: is not there.")
    assert answer["failure"]["endpoint"] == "a"


def test_a_long_list_is_cut_in_the_sentence() -> None:
    entries = [failed(NotFound("is not there", endpoint=f"e{number}")) for number in range(8)]
    said = summary(entries)
    assert "e4" in said
    assert "e5" not in said
    assert "and 3 more, see failed_endpoints" in said
    assert summary(entries[:1]) == "endpoint e0: is not there."


def test_a_bug_is_called_one_and_shows_no_secret(ends: Callable[..., Answer]) -> None:
    def work(module: Any, _result: Answer) -> None:
        raise RuntimeError(f"with {module.params['login_password']} and {module.params['api_key']}")

    answer = ends(work, login_password="hunter2-hunter2", api_key="sesame-sesame")
    assert "Unexpected RuntimeError" in answer["msg"]
    assert "bug" in answer["msg"]
    assert "hunter2" not in str(answer)
    assert "sesame" not in str(answer)


def test_a_diff_hides_secret_environment_variables() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "LEVEL", "value": "debug"},
        {"name": "aws_access_key_id", "value": "AK"},
    ]
    entry = diff({}, {"runtime_config": {"env": env}}, header="endpoint demo")
    shown = entry["after"]["runtime_config"]["env"]
    assert [item["value"] for item in shown] == ["********", "debug", "********"]
    assert env[0]["value"] == "hunter2"


@pytest.mark.parametrize(
    "name", ["database_url", "login_password", "api_key", "password", "secret_key", "session_token"]
)
def test_secrets_are_not_logged(name: str) -> None:
    assert SPEC.options[name]["no_log"] is True


def test_a_modules_own_option_goes_before_a_shared_one() -> None:
    spec = serving_spec({"host": {"type": "list"}})
    assert spec.options["host"] == {"type": "list"}
    assert spec.options["api_key"]["type"] == "str"
    spec.options["api_key"]["type"] = "changed"
    assert SPEC.options["api_key"]["type"] == "str"


@pytest.mark.parametrize(
    ("variable", "option", "value"),
    [
        ("K8S_AUTH_HOST", "host", "https://here"),
        ("K8S_AUTH_KUBECONFIG", "kubeconfig", "/some/where"),
        ("AWS_ENDPOINT_URL", "endpoint_url", "http://s3"),
        ("AWS_SECRET_ACCESS_KEY", "secret_key", "hush-hush"),
    ],
)
def test_the_environment_fills_what_is_not_given(
    ends: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, variable: str, option: str, value: str
) -> None:
    seen: list[Any] = []
    monkeypatch.setenv(variable, value)
    ends(lambda module, result: seen.append(module.params[option]))
    ends(lambda module, result: seen.append(module.params[option]), **{option: "/given"})
    assert seen == [value, "/given"]
