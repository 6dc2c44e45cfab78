# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module controller: from its options to a plan, and from what was done to its result."""

from __future__ import annotations

import os
import typing as t
from urllib.parse import unquote, urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.parsing.convert_bool import boolean

from .._adapters.controller_api import ControllerApi
from .._domain.controller_definitions import LISTS, Definitions, Object, checked
from .._domain.controller_plan import Step, plan
from .._domain.errors import InvalidIntent
from .._engine.controller_setup import carry_out, look
from .argspec import Options, env
from .module import Result, diff

__all__ = ("CONTROLLER", "DEFINITIONS", "set_up")

CONTROLLER: Options = {
    "controller_host": {"type": "str", "fallback": env("CONTROLLER_HOST")},
    "controller_username": {"type": "str", "fallback": env("CONTROLLER_USERNAME")},
    "controller_password": {"type": "str", "no_log": True, "fallback": env("CONTROLLER_PASSWORD")},
    "controller_oauthtoken": {"type": "str", "no_log": True, "fallback": env("CONTROLLER_OAUTH_TOKEN")},
}
_ANY: Options = {listed: {"type": "list", "elements": "dict", "no_log": False} for listed in LISTS}
DEFINITIONS: Options = {
    **_ANY,
    # Named one by one, as what is in `inputs` must be hidden before anything is logged.
    "credentials": {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "description": {"type": "str"},
            "organization": {"type": "str"},
            "credential_type": {"type": "str", "required": True, "no_log": False},
            "inputs": {"type": "dict", "no_log": True},
        },
    },
}
# Shorter ones would be blotted out wherever they are a part of a word.
_SHORTEST_SECRET = 8


def set_up(module: AnsibleModule, result: Result) -> None:
    params = module.params
    result["changes"] = []
    given = {listed: [_given(item) for item in params[listed] or ()] for listed in LISTS}
    module.no_log_values.update(secret for secret in _secrets(given) if len(secret) >= _SHORTEST_SECRET)
    definitions = checked(given)
    controller = ControllerApi.connect(
        params["controller_host"] or "",
        token=params["controller_oauthtoken"],
        username=params["controller_username"],
        password=params["controller_password"],
        validate_certs=_verified(params["validate_certs"]),
    )
    result["host"] = controller.host

    def done(step: Step) -> None:
        result["changed"] = True
        result["changes"].append({"kind": step.ref.kind, "name": step.ref.name, "what": step.what})
        if module._diff:
            before, after = ("" if side is None else side for side in (step.before, step.after))
            result.setdefault("diff", []).append(diff(before, after, header=" ".join(step.ref)))

    try:
        planned = plan(definitions, look(controller, definitions))
        if module.check_mode:
            for step in planned.steps:
                if isinstance(step, Step):
                    done(step)
        else:
            carry_out(controller, planned, done, interval=params["interval"], timeout=params["timeout"])
    finally:
        result["requests"] = controller.requests


def _given(item: Object) -> Object:
    """Without options that Ansible fills in with nothing."""
    return {name: value for name, value in item.items() if value is not None}


def _verified(given: bool | None) -> bool:
    if given is not None:
        return given
    told = os.environ.get("CONTROLLER_VERIFY_SSL") or "true"
    try:
        return t.cast(bool, boolean(told))
    except TypeError:
        raise InvalidIntent(
            "is neither true nor false", field="CONTROLLER_VERIFY_SSL", value=told, cure="use one of them"
        ) from None


def _secrets(definitions: Definitions) -> t.Iterator[str]:
    """In places where people may have put one: the defaults of questions for passwords, and addresses of projects."""
    for listed in ("templates", "workflows"):
        for item in definitions[listed]:
            survey = item.get("survey_spec")
            for question in (survey.get("spec") or ()) if isinstance(survey, dict) else ():
                if isinstance(question, dict) and question.get("type") == "password":
                    yield str(question.get("default") or "")
    for project in definitions["projects"]:
        try:
            password = urlsplit(str(project.get("scm_url") or "")).password or ""
        except ValueError:
            continue
        yield from (password, unquote(password))
