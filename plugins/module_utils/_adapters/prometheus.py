# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Prometheus, or what speaks its API (Thanos, Mimir, VictoriaMetrics): raw counters of revisions, and own queries."""

from __future__ import annotations

import json
import math
import typing as t
from urllib.parse import urlencode

from .._domain.errors import Forbidden, InvalidIntent, Unavailable
from .._domain.evidence import Reading
from .._domain.knative_metrics import Sample
from .._domain.promql import Labelling, counters_query, probe_query, read_probe, read_vector
from .web import Reply, Web

__all__ = ("Prometheus",)

_SECONDS = 10.0
# Longer queries go in the body: proxies on the way refuse long addresses.
_LONGEST_ADDRESS = 2000
_SHOWN = 200


class Prometheus:
    """After each reading ``answered`` are the pods whose counters are in it, ``missing`` those that cannot be scraped.

    :param url: the address under which ``/api/v1/query`` lies; it may carry user and password
    :param headers: further headers of each request, such as X-Scope-OrgID
    :raises InvalidIntent: for an address that is none
    """

    name = "prometheus"

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        service: str,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        ca_cert: str | None = None,
        validate_certs: bool = True,
        headers: t.Mapping[str, str] | None = None,
        timeout: float = _SECONDS,
    ) -> None:
        self._web = Web(
            url,
            field="prometheus_url",
            token=token,
            username=username,
            password=password,
            ca_cert=ca_cert,
            validate_certs=validate_certs,
            headers=headers,
            timeout=timeout,
        )
        self._namespace = namespace
        self._service = service
        self._labelling: Labelling | None = None
        self.answered: list[str] = []
        self.missing: list[str] = []

    @property
    def url(self) -> str:
        """The address without credentials."""
        return self._web.url

    def close(self) -> None:
        self._web.close()

    def read(self, revisions: t.Sequence[str]) -> Reading:
        """All counters at one moment of Prometheus' own clock.

        :raises Unavailable: also where it knows nothing of these revisions
        """
        if not revisions:
            return {}
        action = f"read the counters of {self._namespace}/{self._service}"
        labelling = self._labelling or self._find(revisions, action)
        samples = self._vector(counters_query(labelling, self._namespace, revisions), action)
        reading, self.missing = read_vector(samples, revisions)
        self.answered = sorted({series.pod for series in reading})
        return reading

    def value(self, query: str) -> float | None:
        """The one number that a query gives; None where it gives none, or NaN.

        :raises InvalidIntent: for a query that is wrong, or gives more than one number
        """
        action = f"ask {_short(query)}"
        kind, result = self._result(query, action)
        if kind == "scalar":
            return _finite(result[1])
        if kind != "vector":
            raise InvalidIntent(
                f"gives a {kind}, not a number",
                field="query",
                value=query,
                cure="take the range off, or wrap it: sum(rate(...[1m]))",
            )
        if len(result) > 1:
            first = ", ".join(f'{name}="{value}"' for name, value in sorted(result[0]["metric"].items())[:4])
            raise InvalidIntent(
                f"gives {len(result)} series (the first: {{{first}}}), and a gate needs one number",
                field="query",
                value=query,
                cure="aggregate them, as with sum(...), avg(...) or max(...), or select one with more labels",
            )
        return _finite(result[0]["value"][1]) if result else None

    def _find(self, revisions: t.Sequence[str], action: str) -> Labelling:
        """How series lead to a revision here. It is remembered once it is known."""
        found = read_probe(self._vector(probe_query(self._namespace, revisions), action))
        asked = " and ".join(revisions)
        if found.labelling is None:
            raise Unavailable(
                f"cannot {action}: {self.url} has no series of {asked} in namespace {self._namespace}",
                cure="let it scrape the port http-usermetric (9091) of the revisions' pods, with the pod's label"
                " serving.knative.dev/revision as label revision, and set request-metrics-protocol: prometheus in"
                " Knative's config-observability; or take evidence from the pods",
            )
        if not found.counted:
            raise Unavailable(
                f"cannot {action}: {self.url} scrapes pods of {asked}, but not their queue-proxy (or it has not counted a"
                " request yet)",
                cure="let it scrape their port http-usermetric (9091) too, or take evidence from the pods",
            )
        self._labelling = found.labelling
        return found.labelling

    def _vector(self, query: str, action: str) -> list[Sample]:
        _kind, result = self._result(query, action)
        return [
            Sample(item["metric"].get("__name__", ""), item["metric"], float(item["value"][1]))
            for item in result
            if "value" in item  # a native histogram has another shape
        ]

    def _result(self, query: str, action: str) -> tuple[str, t.Any]:
        form = urlencode({"query": query})
        if len(form) > _LONGEST_ADDRESS:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            reply = self._web.send("POST", "/api/v1/query", action=action, body=form.encode(), headers=kind)
        else:
            reply = self._web.send("GET", f"/api/v1/query?{form}", action=action)
        answer = self._decoded(reply, query, action)
        data = answer.get("data") or {}
        return str(data.get("resultType")), data.get("result") or []

    def _decoded(self, reply: Reply, query: str, action: str) -> dict[str, t.Any]:
        try:
            answer = json.loads(reply.body)
        except ValueError:
            answer = None
        told = answer if isinstance(answer, dict) and "status" in answer else None
        if told is not None and told["status"] == "success":
            return told
        if reply.code == 401:
            raise Forbidden(
                f"cannot {action}: {self.url} does not accept the credentials",
                cure="correct the token, or username and password, for Prometheus",
            )
        if reply.code == 403:
            raise Forbidden(
                f"cannot {action}: {self.url} does not let this user ask (HTTP 403)",
                cure="give the user the right, or use another credential",
            )
        if told is not None:
            raise self._refused(told, query, action)
        if 300 <= reply.code < 400:
            raise Unavailable(
                f"cannot {action}: {self.url} answers with a redirect (HTTP {reply.code})",
                cure="name the address of Prometheus itself, not of a login page or of http for https",
            )
        if reply.code >= 500:
            raise Unavailable(
                f"cannot {action}: {self.url} answers HTTP {reply.code}",
                retry_after=reply.retry_after,
                cure="look at Prometheus and at what stands before it",
            )
        page = "a web page" if b"<html" in reply.body[:1000].lower() else "something else than Prometheus' JSON"
        raise Unavailable(
            f"cannot {action}: {self.url} answers with {page} (HTTP {reply.code})",
            cure="correct the address: under it must lie /api/v1/query; a path prefix belongs to it",
        )

    def _refused(self, answer: dict[str, t.Any], query: str, action: str) -> Exception:
        kind, words = str(answer.get("errorType") or "error"), " ".join(str(answer.get("error") or "").split())
        if kind == "bad_data":
            return InvalidIntent(
                f"is refused by Prometheus: {words[:_SHOWN]}",
                field="query",
                value=query,
                cure="try it in Prometheus' own page first",
            )
        return Unavailable(
            f"cannot {action}: {self.url} says {kind}: {words[:_SHOWN]}",
            cure="try again; where it goes on, make the query cheaper or look at Prometheus",
        )


def _finite(value: t.Any) -> float | None:
    """Prometheus writes numbers as text; NaN is no number, an infinite one is beyond every limit."""
    number = float(value)
    return None if math.isnan(number) else number


def _short(query: str) -> str:
    line = " ".join(query.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
