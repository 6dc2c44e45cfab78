# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, in words for the person on call: what, where (endpoint, field, value) and what to do."""

from __future__ import annotations

import json
import typing as t

__all__ = (
    "Drift",
    "Forbidden",
    "InvalidIntent",
    "LeaseLost",
    "NotFound",
    "Refused",
    "ServingError",
    "StaleWrite",
    "Unavailable",
)

_LONGEST_VALUE = 120


class ServingError(Exception):
    """Base of every error that a user sees.

    :param what: what is wrong, one clause without a full stop
    :param endpoint: name of the endpoint, where one is meant
    :param field: path of the field in the user's own words, such as ``traffic.canaryTrafficPercent``
    :param value: the offending value, shown shortened; never pass a secret
    :param cure: what to do, an imperative clause
    """

    code: t.ClassVar[str] = "error"

    def __init__(
        self,
        what: str,
        *,
        endpoint: str | None = None,
        field: str | None = None,
        value: t.Any = None,
        cure: str | None = None,
    ) -> None:
        self.what = what
        self.endpoint = endpoint
        self.field = field
        self.value = value
        self.cure = cure
        super().__init__(what)

    def at(self, endpoint: str) -> ServingError:
        """Names the endpoint where the code that raised did not know it."""
        if self.endpoint is None:
            self.endpoint = endpoint
        return self

    def __str__(self) -> str:
        parts = []
        if self.endpoint:
            parts.append(f"endpoint {self.endpoint}: ")
        if self.field:
            shown = "" if self.value is None else f" = {_short(self.value)}"
            parts.append(f"{self.field}{shown}: ")
        parts.append(self.what)
        text = "".join(parts)
        return f"{text}. {self.cure[0].upper()}{self.cure[1:]}." if self.cure else f"{text}."

    @property
    def failure(self) -> dict[str, t.Any]:
        """The same as data: code, message, endpoint, field, value, cure."""
        return {
            "code": self.code,
            "message": str(self),
            "endpoint": self.endpoint,
            "field": self.field,
            "value": None if self.value is None else _short(self.value),
            "cure": self.cure,
        }


class InvalidIntent(ServingError):
    """What was asked for cannot be: nothing has been written."""

    code = "invalid_intent"


class NotFound(ServingError):
    code = "not_found"


class Refused(ServingError):
    """Refused by an admission webhook or by a safety rule of this collection. Final: asking again changes nothing."""

    code = "refused"


class Forbidden(ServingError):
    """A credential was refused, or lacks a right."""

    code = "forbidden"


class Unavailable(ServingError):
    """A system that is needed does not answer. Worth trying again, after ``retry_after`` seconds where it said so."""

    code = "unavailable"

    def __init__(self, what: str, *, retry_after: float | None = None, **where: t.Any) -> None:
        super().__init__(what, **where)
        self.retry_after = retry_after


class StaleWrite(ServingError):
    """The object changed between our read and our write: read it again and decide again."""

    code = "stale_write"


class Drift(ServingError):
    """Another field manager insists on a field that is ours."""

    code = "drift"


class LeaseLost(ServingError):
    """Somebody else works on this endpoint now: stop, without another write."""

    code = "lease_lost"


def _short(value: t.Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = " ".join(f"'{text}'".split()) if isinstance(value, str) else text
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
