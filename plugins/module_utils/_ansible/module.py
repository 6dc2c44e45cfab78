# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module starts, ends and fails.

A module is a function ``work(module, result)`` that fills ``result``. Because the result is filled in place, a failed task
still returns what was seen and done before it failed.
"""

from __future__ import annotations

import re
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._domain.errors import ServingError
from .argspec import ArgumentSpec

Result = dict[str, t.Any]
Work = t.Callable[[AnsibleModule, Result], None]

_NAMED_IN_SUMMARY = 5
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|credential|(api|access|private).?key", re.IGNORECASE)
_MASK = "********"


def run(spec: ArgumentSpec, work: Work) -> t.NoReturn:
    """Run ``work`` as a module: exits with its result, or fails with ``msg``, ``failure`` and the result so far.

    ``result`` starts as ``{"changed": False}``. Entries in ``result["failed_endpoints"]`` (see ``failed``) fail the task
    at its end, after the others were done.
    """
    module = spec.create_module()
    result: Result = {"changed": False}
    try:
        work(module, result)
    except ServingError as error:
        _fail(module, result, str(error), failure=error.failure)
    except Exception as error:  # a bug in the collection; reported with its traceback, scrubbed like every result
        message = f"Unexpected {type(error).__name__}: {error}. This is a bug in mlops.serving; please report it."
        _fail(module, result, message, exception=traceback.format_exc())
    if result.get("failed_endpoints"):
        _fail(module, result, summary(result["failed_endpoints"]), failure=result["failed_endpoints"][0]["failure"])
    module.exit_json(**result)
    raise AssertionError("exit_json returned")


def failed(error: ServingError, *, name: str | None = None) -> Result:
    """One entry of ``failed_endpoints``: ``{name, msg, failure}``."""
    failure = error.failure
    return {"name": name or failure.get("endpoint"), "msg": str(error), "failure": failure}


def summary(entries: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The sentence under which a task fails when some items of its list did."""
    if len(entries) == 1:
        return str(entries[0]["msg"])
    shown = " | ".join(str(entry["msg"]) for entry in entries[:_NAMED_IN_SUMMARY])
    rest = len(entries) - _NAMED_IN_SUMMARY
    more = f" | and {rest} more, see failed_endpoints" if rest > 0 else ""
    return f"{len(entries)} endpoints failed, the others were done: {shown}{more}"


def diff(before: t.Any, after: t.Any, *, header: str | None = None) -> Result:
    """One entry of ``result["diff"]`` in the form that ansible prints; values of secret environment variables are hidden."""
    entry: Result = {"before": masked(before), "after": masked(after)}
    if header is not None:
        entry["before_header"] = entry["after_header"] = header
    return entry


def masked(value: t.Any) -> t.Any:
    """A copy in which entries ``{name: DB_PASSWORD, value: ...}`` of an ``env`` do not show their value."""
    if isinstance(value, dict):
        hide = isinstance(value.get("name"), str) and "value" in value and _SECRET_NAME.search(value["name"])
        return {name: _MASK if hide and name == "value" else masked(item) for name, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def _fail(module: AnsibleModule, result: Result, message: str, **details: t.Any) -> t.NoReturn:
    module.fail_json(msg=message, **{**result, **details})
    raise AssertionError("fail_json returned")


__all__ = ("Result", "Work", "diff", "failed", "masked", "run", "summary")
