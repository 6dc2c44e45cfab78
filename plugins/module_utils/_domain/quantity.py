# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes quantities: one spelling for equal amounts, so that 1000m and 1 are no change."""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

__all__ = ("amount", "canonical")

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,3})?")
_SUFFIX = {
    "": Decimal(1),
    "n": Decimal("0.000000001"),
    "u": Decimal("0.000001"),
    "m": Decimal("0.001"),
    **{s: Decimal(1000) ** (i + 1) for i, s in enumerate("kMGTPE")},
    **{f"{s}i": Decimal(1024) ** (i + 1) for i, s in enumerate("KMGTPE")},
}


def amount(value: t.Any) -> Decimal | None:
    """The number that a quantity means, or None where it is none (k8s.io/apimachinery resource.Quantity)."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    match = _QUANTITY.fullmatch(str(value).strip())
    if not match:
        return None
    number, suffix = match.group(1), match.group(2) or ""
    if suffix[:1] in ("e", "E") and suffix not in _SUFFIX:
        return Decimal(number + suffix)
    return Decimal(number) * _SUFFIX[suffix]


def canonical(value: t.Any) -> str | None:
    """One spelling of a quantity, or None where it is none: 2 -> "2", "1000m" -> "1", 0.5 -> "500m"; "2Gi" stays."""
    number = amount(value)
    if number is None:
        return None
    text = str(value).strip()
    if text[-1].isdigit() and number == number.to_integral_value():
        return str(int(number))
    if text.endswith("m") and number == number.to_integral_value():
        return str(int(number))
    if text[-1].isdigit():
        return f"{int(number * 1000)}m" if number * 1000 == (number * 1000).to_integral_value() else text
    return text
