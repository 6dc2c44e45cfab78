# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout is judged by, as a user writes it."""

from __future__ import annotations

import difflib
import re
import typing as t
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from . import checks
from .errors import InvalidIntent

__all__ = (
    "COMMAND",
    "ERRORS",
    "LATENCY",
    "MEAN_LATENCY",
    "PROMETHEUS",
    "QUEUE_SHARE",
    "URL",
    "Answer",
    "Gate",
    "parse_gates",
)

ERRORS = "errors"
LATENCY = "latency"
MEAN_LATENCY = "mean_latency"
QUEUE_SHARE = "queue_share"
PROMETHEUS = "prometheus"
COMMAND = "command"
URL = "url"

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
_KEYS: dict[str, tuple[str, ...]] = {
    ERRORS: ("max", "over_stable"),
    LATENCY: (*_QUANTILES, "over_stable"),
    MEAN_LATENCY: ("max",),
    QUEUE_SHARE: ("max", "looks"),
    PROMETHEUS: ("query", "max", "min", "name", "looks"),
    COMMAND: ("command", "name", "looks"),
    URL: ("url", "name", "looks"),
}
_LOOKS = {QUEUE_SHARE: 3, PROMETHEUS: 3, COMMAND: 1, URL: 1}
_OUTSIDE = (PROMETHEUS, COMMAND, URL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(us|ms|s|m)?")
_SECONDS = {"us": Decimal("0.000001"), "ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60)}


@dataclass(frozen=True)
class Answer:
    """What a gate outside of the counters said at one look.

    :param value: of a Prometheus query; None is no data
    :param ok: of a command or an address; None is no answer
    """

    value: float | None = None
    ok: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class Gate:
    """:param name: unique in a plan: "errors", "p99", or what the user called it
    :param max: a ratio from 0 to 1; of latencies seconds; of a Prometheus query in its own unit
    :param over_stable: how much higher than stable's ratio the candidate's may be, 0 to 1
    :param quantile: of a latency gate, 0.99 for p99
    :param looks: so many looks in a row beyond the limit fail
    """

    metric: str
    name: str
    max: float | None = None
    min: float | None = None
    over_stable: float | None = None
    quantile: float | None = None
    query: str = ""
    command: tuple[str, ...] = ()
    url: str = ""
    looks: int = 1

    @property
    def outside(self) -> bool:
        """Its answer does not come from the revisions' counters."""
        return self.metric in _OUTSIDE

    @property
    def tests(self) -> int:
        """Sequential tests among which the rate of false alarms is divided."""
        if self.metric in (ERRORS, LATENCY):
            return (self.max is not None) + (self.over_stable is not None)
        return int(self.metric == MEAN_LATENCY)

    def to_json(self) -> dict[str, t.Any]:
        """The user's form again; parse_gates makes the same gate of it."""
        found: dict[str, t.Any] = {"metric": self.metric}
        if self.metric == LATENCY:
            found[self.name] = _told_duration(t.cast(float, self.max))
        elif self.max is not None:
            in_seconds, in_its_unit = self.metric == MEAN_LATENCY, self.metric == PROMETHEUS
            told = _told_duration(self.max) if in_seconds else _told_percent(self.max)
            found["max"] = self.max if in_its_unit else told
        if self.min is not None:
            found["min"] = self.min
        if self.over_stable is not None:
            found["over_stable"] = _told_percent(self.over_stable)
        if self.outside:
            found["name"] = self.name
            found[{PROMETHEUS: "query"}.get(self.metric, self.metric)] = self.query or list(self.command) or self.url
        if self.metric in _LOOKS:
            found["looks"] = self.looks
        return found


def parse_gates(given: t.Any, *, stable: bool = True, field: str = "gates") -> tuple[Gate, ...]:
    """The gates of a plan; without any: at most 1 % errors, and at most 1 % over stable.

    :param stable: whether there is a stable revision to compare with
    :raises InvalidIntent: names the field in the user's words, and a cure
    """
    if given is None or given == []:
        return (Gate(ERRORS, ERRORS, max=0.01, over_stable=0.01 if stable else None),)
    gates: list[Gate] = []
    taken: dict[str, int] = {}
    for i, item in enumerate(checks.objects(field, given)):
        where = f"{field}[{i}]"
        for gate in _gates(where, item):
            if gate.over_stable is not None and not stable:
                cure = "take over_stable out, and state an absolute limit"
                raise InvalidIntent(
                    "there is no stable revision to compare with", field=f"{where}.over_stable", cure=cure
                )
            if gate.name in taken:
                key = gate.name if gate.metric == LATENCY else "name" if gate.outside else "metric"
                cure = "give each a name of its own" if gate.outside else "write one gate of it, with all its limits"
                what = f"is the same gate as {field}[{taken[gate.name]}]"
                raise InvalidIntent(what, field=f"{where}.{key}", value=gate.name, cure=cure)
            gates.append(gate)
        taken.update({gate.name: i for gate in gates if gate.name not in taken})
    return tuple(gates)


def _gates(where: str, item: dict[str, t.Any]) -> list[Gate]:
    metric = item.get("metric")
    if not isinstance(metric, str) or metric not in _KEYS:
        what = "is missing" if metric is None else "is not a metric that is known here"
        cure = f"use one of {', '.join(_KEYS)}; for anything else metric: prometheus with a query of your own"
        raise InvalidIntent(what, field=f"{where}.metric", value=metric, cure=cure)
    keys = _KEYS[metric]
    for key in item:
        if key != "metric" and key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1)
            cure = f"did you mean {near[0]}? A gate of {metric} knows" if near else f"a gate of {metric} knows"
            raise InvalidIntent("is not known here", field=f"{where}.{key}", cure=f"{cure} {', '.join(keys)}")
    # Jinja leaves an empty value behind where something was left out.
    item = {key: value for key, value in item.items() if value is not None and key != "metric"}
    if metric == LATENCY:
        return _latency(where, item)
    if metric in _OUTSIDE:
        return [_outside(where, metric, item)]
    if not ({"max", "over_stable"} & set(item)):
        cure = "write max: 1% or over_stable: 1%, or both" if metric == ERRORS else "write max"
        raise InvalidIntent("has no limit", field=where, cure=cure)
    limit = _duration if metric == MEAN_LATENCY else _percent
    return [
        Gate(
            metric,
            metric,
            max=limit(f"{where}.max", item["max"]) if "max" in item else None,
            over_stable=_percent(f"{where}.over_stable", item["over_stable"]) if "over_stable" in item else None,
            looks=_looks(where, metric, item),
        )
    ]


def _latency(where: str, item: dict[str, t.Any]) -> list[Gate]:
    quantiles = [key for key in _QUANTILES if key in item]
    if not quantiles:
        raise InvalidIntent(
            "has no limit", field=where, cure=f"write one such as p99: 500ms (there are {', '.join(_QUANTILES)})"
        )
    over = _percent(f"{where}.over_stable", item["over_stable"]) if "over_stable" in item else None
    if over is not None and len(quantiles) > 1:
        cure = "write one gate for each quantile, each with its own over_stable"
        raise InvalidIntent(f"could belong to any of {', '.join(quantiles)}", field=f"{where}.over_stable", cure=cure)
    return [
        Gate(LATENCY, key, max=_duration(f"{where}.{key}", item[key]), over_stable=over, quantile=_QUANTILES[key])
        for key in quantiles
    ]


def _outside(where: str, metric: str, item: dict[str, t.Any]) -> Gate:
    key = {PROMETHEUS: "query"}.get(metric, metric)
    if key not in item:
        raise InvalidIntent("is missing", field=f"{where}.{key}", cure=f"a gate of {metric} needs it")
    name = checks.text(f"{where}.name", item["name"]) if "name" in item else metric
    if not _NAME.fullmatch(name) or name in (ERRORS, MEAN_LATENCY, QUEUE_SHARE, *_QUANTILES):
        cure = "use letters, digits, dots, - and _, at most 63, and not the name of a built-in gate"
        raise InvalidIntent("cannot be the name of a gate", field=f"{where}.name", value=name, cure=cure)
    looks = _looks(where, metric, item)
    if metric == PROMETHEUS:
        return _prometheus(where, name, looks, item)
    if metric == COMMAND:
        words = item["command"]
        if not isinstance(words, list) or not words or not all(isinstance(word, (str, int, float)) for word in words):
            cure = "write a list: the program's full path, then its arguments"
            raise InvalidIntent("is not a command", field=f"{where}.command", value=words, cure=cure)
        if not str(words[0]).startswith("/"):
            cure = "write the full path: it must be the same program on every machine that runs this"
            raise InvalidIntent("is not a full path", field=f"{where}.command[0]", value=words[0], cure=cure)
        return Gate(COMMAND, name, command=tuple(map(str, words)), looks=looks)
    return Gate(URL, name, url=checks.address(f"{where}.url", item["url"]), looks=looks)


def _prometheus(where: str, name: str, looks: int, item: dict[str, t.Any]) -> Gate:
    query = checks.text(f"{where}.query", item["query"])
    if "max" not in item and "min" not in item:
        raise InvalidIntent("has no limit", field=where, cure="write max or min, or both, in the query's own unit")
    high, low = (_number(f"{where}.{key}", item[key]) if key in item else None for key in ("max", "min"))
    if high is not None and low is not None and low > high:
        cure = "swap them, or take one out: every answer would fail"
        raise InvalidIntent("is above max", field=f"{where}.min", value=item["min"], cure=cure)
    return Gate(PROMETHEUS, name, max=high, min=low, query=query, looks=looks)


def _looks(where: str, metric: str, item: dict[str, t.Any]) -> int:
    return checks.whole(f"{where}.looks", item["looks"], low=1, high=1000) if "looks" in item else _LOOKS.get(metric, 1)


def _decimal(value: t.Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _number(field: str, value: t.Any) -> float:
    number = _decimal(value)
    if number is None:
        raise InvalidIntent(
            "is not a number", field=field, value=value, cure="write a number in the query's own unit, such as 0.05"
        )
    return float(number)


def _percent(field: str, value: t.Any) -> float:
    """As a ratio. Below 1 a bare number is one; above, nobody can tell whether 1 is 1 % or all."""
    text = str(value).strip()
    sign = isinstance(value, str) and text.endswith("%")
    number = _decimal(text[:-1] if sign else value)
    if number is None:
        raise InvalidIntent("is not a percentage", field=field, value=value, cure='write it as "1%" or as 0.01')
    if not sign and number >= 1:
        cure = f'write "{number}%" if you mean per cent; a bare number is a ratio below 1'
        raise InvalidIntent("can be read in two ways", field=field, value=value, cure=cure)
    ratio = number / 100 if sign else number
    if not 0 <= ratio < 1:
        raise InvalidIntent("is out of range", field=field, value=value, cure="write 0% or more, and less than 100%")
    return float(ratio)


def _duration(field: str, value: t.Any) -> float:
    """Seconds."""
    match = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise InvalidIntent(
            "is not a duration", field=field, value=value, cure="write it as 500ms or 2s, or as seconds"
        )
    seconds = Decimal(match.group(1)) * _SECONDS[match.group(2) or "s"]
    if not 0 < seconds <= 3600:
        raise InvalidIntent("is out of range", field=field, value=value, cure="write more than 0 and at most 60m")
    return float(seconds)


def _told_percent(ratio: float) -> str:
    return f"{_plain(Decimal(repr(ratio)) * 100)}%"


def _told_duration(seconds: float) -> str:
    exact = Decimal(repr(seconds))
    return f"{_plain(exact)}s" if exact >= 1 else f"{_plain(exact * 1000)}ms"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
