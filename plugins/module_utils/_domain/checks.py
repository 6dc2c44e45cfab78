# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Types and ranges of single fields. Each takes the field's path and its value, and gives the value back in one form."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from .errors import InvalidIntent
from .quantity import amount, canonical

__all__ = (
    "address",
    "boolean",
    "environment",
    "gpu",
    "mapping",
    "objects",
    "one_of",
    "percent",
    "quantities",
    "tag",
    "text",
    "text_map",
    "texts",
    "whole",
)

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
# Kubernetes' counts are 32 bits wide.
_LARGEST = 2**31 - 1
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def whole(field: str, value: t.Any, *, low: int = 0, high: int | None = None) -> int:
    """A whole number; text that holds one is taken, as Jinja makes text of everything."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value)
    ):
        number = int(value)
    span = f"from {low} to {high}" if high is not None else f"of at least {low}"
    if number is None:
        raise InvalidIntent("is not a whole number", field=field, value=value, cure=f"give a whole number {span}")
    if not low <= number <= (_LARGEST if high is None else high):
        raise InvalidIntent("is out of range", field=field, value=value, cure=f"give a whole number {span}")
    return number


def percent(field: str, value: t.Any) -> int:
    """KServe does not check this itself: the error would come later, and from Knative (KSERVE: no validation)."""
    return whole(field, value, low=0, high=100)


def boolean(field: str, value: t.Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _TRUE + _FALSE:
        return value.strip().lower() in _TRUE
    raise InvalidIntent("is neither true nor false", field=field, value=value, cure="write true or false")


def gpu(field: str, value: t.Any) -> int:
    """true is one GPU, false none, a number that many."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "yes", "on"):
        return 1
    if isinstance(value, str) and value.strip().lower() in ("false", "no", "off", ""):
        return 0
    try:
        return whole(field, value)
    except InvalidIntent:
        raise InvalidIntent(
            "is neither true, false nor a number of GPUs",
            field=field,
            value=value,
            cure="write true for one GPU, or how many",
        ) from None


def text(field: str, value: t.Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or str(value).strip() == "":
        raise InvalidIntent("is not a text", field=field, value=value, cure="write a text, in quotes")
    return str(value).strip()


def address(field: str, value: t.Any) -> str:
    """A full http address without credentials: plans and their events are kept and shown."""
    url = text(field, value)
    shown, cure = url.partition("?")[0], "write a full address such as http://checks.example/ready"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise InvalidIntent("is not an address", field=field, value=shown, cure=cure) from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidIntent("is not an address", field=field, value=shown, cure=cure)
    if parts.username or parts.password:
        # Without the value: it is a secret.
        raise InvalidIntent(
            "holds a user or a password",
            field=field,
            cure="let the address do without: plans and their events are kept and shown",
        )
    return url


def tag(field: str, value: t.Any) -> str:
    """The tag of an image. As a number 24.10 has become 24.1 before anybody could see it."""
    if isinstance(value, float):
        raise InvalidIntent(
            "is a number, in which a last 0 is lost", field=field, value=value, cure="write it in quotes"
        )
    return text(field, value)


def one_of(field: str, value: t.Any, allowed: t.Sequence[str]) -> str:
    found = text(field, value)
    if found not in allowed:
        raise InvalidIntent(
            "is not a value that is known here", field=field, value=value, cure=f"use one of {', '.join(allowed)}"
        )
    return found


def mapping(field: str, value: t.Any) -> dict[str, t.Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidIntent("is not a mapping", field=field, value=value, cure="write key: value pairs")
    return value


def text_map(field: str, value: t.Any) -> dict[str, str]:
    """Labels, annotations, node selectors: Kubernetes takes texts only, so true and 1 become "true" and "1"."""
    result = {}
    for key, item in mapping(field, value).items():
        if isinstance(item, bool):
            item = "true" if item else "false"
        if not isinstance(item, (str, int, float)):
            raise InvalidIntent("is not a text", field=f"{field}.{key}", value=item, cure="write a text, in quotes")
        result[key] = str(item)
    return result


def texts(field: str, value: t.Any) -> list[str]:
    if not isinstance(value, list):
        raise InvalidIntent("is not a list of texts", field=field, value=value, cure="write a list, one text an item")
    return [text(f"{field}[{i}]", item) for i, item in enumerate(value)]


def objects(field: str, value: t.Any) -> list[dict[str, t.Any]]:
    if not isinstance(value, list):
        raise InvalidIntent("is not a list", field=field, value=value, cure="write a list of mappings")
    return [mapping(f"{field}[{i}]", item) for i, item in enumerate(value)]


def environment(field: str, value: t.Any) -> list[dict[str, t.Any]]:
    """A mapping of names to values, or Kubernetes' list of {name, value | valueFrom}; as that list."""
    if isinstance(value, dict):
        value = [{"name": name, "value": item} for name, item in value.items()]
    result = []
    for i, item in enumerate(objects(field, value)):
        where = f"{field}[{i}]"
        name = item.get("name")
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            raise InvalidIntent(
                "is not the name of a variable",
                field=f"{where}.name",
                value=name,
                cure="write a name such as LOG_LEVEL",
            )
        if name == "PYTHONPATH":
            raise InvalidIntent(
                "KServe refuses it since 0.18",
                field=f"{where}.name",
                value=name,
                cure="put the code into the model's repository",
            )
        if set(item) == {"name", "valueFrom"}:
            result.append({"name": name, "valueFrom": mapping(f"{where}.valueFrom", item["valueFrom"])})
        elif set(item) <= {"name", "value"}:
            result.append({"name": name, "value": _env_text(f"{where}.value", item.get("value", ""))})
        else:
            raise InvalidIntent(
                "has keys beside name, value and valueFrom", field=where, cure="give value or valueFrom, not both"
            )
    names = [item["name"] for item in result]
    for name in names:
        if names.count(name) > 1:
            raise InvalidIntent("is given twice", field=field, value=name, cure="keep one of them")
    return result


def quantities(field: str, value: t.Any) -> dict[str, dict[str, str]]:
    """{requests, limits} of Kubernetes quantities, each in its one spelling; a request above its limit is refused."""
    result: dict[str, dict[str, str]] = {}
    for side, amounts in mapping(field, value).items():
        if side not in ("requests", "limits"):
            raise InvalidIntent(
                "is not a key that is known here", field=f"{field}.{side}", cure="use requests and limits"
            )
        result[side] = {}
        for name, item in mapping(f"{field}.{side}", amounts).items():
            spelled = canonical(item)
            if spelled is None:
                raise InvalidIntent(
                    "is not a quantity",
                    field=f"{field}.{side}.{name}",
                    value=item,
                    cure="write one such as 500m, 2 or 4Gi",
                )
            result[side][name] = spelled
    for name, limit in result.get("limits", {}).items():
        request = result.get("requests", {}).get(name)
        asked, most = amount(request), amount(limit)
        if asked is not None and asked != most and "/" in name:
            raise InvalidIntent(
                f"is not its limit {limit}, and Kubernetes wants both alike for {name}",
                field=f"{field}.requests.{name}",
                value=request,
                cure="give one of them, or runtime_config.gpu",
            )
        if asked is not None and most is not None and asked > most:
            raise InvalidIntent(
                f"is more than its limit {limit}",
                field=f"{field}.requests.{name}",
                value=request,
                cure="raise the limit or ask for less",
            )
    return result


def _env_text(field: str, value: t.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)):
        raise InvalidIntent("is not a text", field=field, cure="write a text, in quotes")
    return str(value)
