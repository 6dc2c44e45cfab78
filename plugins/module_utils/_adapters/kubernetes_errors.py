# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer of the API server means: its Status object as an error for a person."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from .._domain.errors import Drift, Forbidden, Refused, ServingError, StaleWrite, Unavailable

__all__ = ("Answer", "Expired", "is_absent", "is_retryable", "parse_status", "retry_after", "translate", "warnings_of")

# The API server adds this text for every webhook and policy that said no, whatever status code they chose.
_DENIED = re.compile(r"denied (the )?request|exceeded quota|violates PodSecurity|is being terminated")
# Server-side apply of what the schema does not have is a 500, though no second try makes it better (seen on 1.34).
_INVALID_PATCH = re.compile(r"failed to create typed patch object")
_WARNING = re.compile(r'\b299 \S+ "((?:[^"\\]|\\.)*)"')
_RETRYABLE = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 30.0


class Expired(StaleWrite):
    """The API server has forgotten the version to read on from: read from the start."""


@dataclass(frozen=True)
class Answer:
    """A refused request: the HTTP code with what the Status object said."""

    code: int
    reason: str = ""
    message: str = ""
    details: t.Mapping[str, t.Any] = field(default_factory=dict)
    retry_after: float | None = None

    @property
    def causes(self) -> list[dict[str, t.Any]]:
        return [cause for cause in self.details.get("causes") or () if isinstance(cause, dict)]


def parse_status(code: int, body: bytes, headers: t.Mapping[str, str]) -> Answer:
    """Read the body of an answer that is no success; not every one is a Status object (proxies, unknown paths)."""
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = " ".join(body.decode("utf-8", "replace").split())[:200]
        return Answer(code=code, message=text, retry_after=retry_after(headers))
    details = status.get("details") or {}
    told = retry_after(headers)
    if told is None and details.get("retryAfterSeconds"):
        told = float(details["retryAfterSeconds"])
    return Answer(
        code=code,
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        details=details,
        retry_after=told,
    )


def retry_after(headers: t.Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; the API server always gives seconds, never a date."""
    try:
        return min(max(float(headers.get("Retry-After") or ""), 0.0), _LONGEST_WAIT)
    except ValueError:
        return None


def is_retryable(answer: Answer) -> bool:
    return answer.code in _RETRYABLE and not _INVALID_PATCH.search(answer.message)


def is_absent(answer: Answer) -> bool:
    """A 404 that means this one object, not its whole kind and not its namespace."""
    return answer.code == 404 and bool(answer.details.get("name")) and answer.details.get("kind") != "namespaces"


def warnings_of(header: str) -> list[str]:
    """Texts of a ``Warning`` header, which may carry several, comma separated (RFC 7234 5.5)."""
    return [re.sub(r"\\(.)", r"\1", text) for text in _WARNING.findall(header)]


def translate(answer: Answer, action: str, host: str) -> ServingError:
    """The error for a request that failed for good.

    :param action: what was tried, in words: ``apply InferenceService ns/name``
    """
    message = answer.message or answer.reason or f"HTTP {answer.code}"
    what = f"cannot {action}: {message.rstrip('.')}"
    if _INVALID_PATCH.search(message) or (_DENIED.search(message) and answer.code < 500):
        return _refused(answer, what)
    if answer.code == 401:
        return Forbidden(
            f"cannot {action}: the API server at {host} does not accept the credentials",
            cure="renew the token or certificate (api_key, K8S_AUTH_API_KEY, client_cert or the kubeconfig)",
        )
    if answer.code == 403:
        return Forbidden(f"{what} (API server {host})", cure="give this user the right, or use another credential")
    if answer.code == 404:
        return _missing(answer, what, action, host)
    if answer.code in (409, 412):
        return _conflict(answer, what)
    if answer.code == 410:
        return Expired(what)
    if answer.code == 405 or answer.code >= 500 or answer.code == 429:
        return Unavailable(
            f"{what} (API server {host}, HTTP {answer.code})",
            retry_after=answer.retry_after,
            cure=_cure_of_server_error(message),
        )
    if 300 <= answer.code < 400:
        return Unavailable(
            f"cannot {action}: {host} answers with a redirect (HTTP {answer.code})",
            cure="name the address of the API server itself, not of a login page or dashboard",
        )
    return _refused(answer, what)


def _refused(answer: Answer, what: str) -> ServingError:
    fields = [str(cause["field"]) for cause in answer.causes if cause.get("field") not in (None, "", "<nil>")]
    return Refused(what, field=fields[0] if fields and fields[0] not in what else None)


def _missing(answer: Answer, what: str, action: str, host: str) -> ServingError:
    if answer.details.get("kind") == "namespaces":
        name = answer.details.get("name")
        return Refused(what, field="namespace", value=name, cure=f"create it first: kubectl create namespace {name}")
    if is_absent(answer):
        # A write to something that was there when it was read: somebody deleted it meanwhile.
        return StaleWrite(what)
    if "InferenceService" in action:
        return Unavailable(
            f"cannot {action}: the cluster at {host} does not know InferenceServices",
            cure="install KServe with the playbook mlops.serving.install_kserve, or name another cluster",
        )
    return Unavailable(f"{what} (API server {host}, HTTP 404)", cure="check that host is the address of an API server")


def _conflict(answer: Answer, what: str) -> ServingError:
    owned = [cause for cause in answer.causes if cause.get("reason") == "FieldManagerConflict"]
    if not owned:
        return StaleWrite(what)
    claims = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in owned)
    return Drift(f"{what} ({claims})", cure="let one tool own these fields: take them out of the other one's manifest")


def _cure_of_server_error(message: str) -> str:
    webhook = re.search(r'failed calling webhook "([^"]+)"', message)
    if webhook:
        return f"look at the pods that serve the webhook {webhook.group(1)} and at its certificate"
    return "try again; look at the API server if it goes on"
