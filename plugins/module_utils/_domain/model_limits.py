# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an object store can hold, and what a user lets a repository weigh."""

from __future__ import annotations

import typing as t

from .model_layout import Finding, ModelFolder

__all__ = ("LARGEST_OBJECT", "LONGEST_KEY", "check_limits", "shown_size")

# Amazon S3's documented limits: an object is sent in at most 10,000 parts of at most 5 GiB each; a key has 1,024 bytes.
_PARTS, _LARGEST_PART = 10_000, 5 * 1024**3
LARGEST_OBJECT = _PARTS * _LARGEST_PART
LONGEST_KEY = 1024
# Until 2025 S3's own limit for one object, and that of many servers that speak its protocol.
_USUAL_LARGEST_OBJECT = 5 * 1024**4
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def check_limits(models: t.Iterable[ModelFolder], prefixes: t.Iterable[str], most: int | None = None) -> list[Finding]:
    """What is too long or too big.

    :param prefixes: where the models' files will lie in the bucket, each with its last slash
    :param most: bytes that all files together may have; None for any number
    """
    longest = max((len(prefix.encode()) for prefix in prefixes), default=0)
    findings, total, biggest = [], 0, ("", 0)
    for model in models:
        for path, size in model.sizes.items():
            place = f"{model.source}/{path}"
            total += size
            biggest = max(biggest, (place, size), key=lambda each: each[1])
            key = longest + len(f"{model.name}/{path}".encode(errors="surrogateescape"))
            if key > LONGEST_KEY:
                problem = f"its key in the bucket would have {key} bytes, and S3 takes {LONGEST_KEY}"
                findings.append(Finding(place, problem, "shorten prefix, or the names of its folders"))
            if size > LARGEST_OBJECT:
                problem = f"has {shown_size(size)}, and S3 takes {_PARTS:,} parts of {shown_size(_LARGEST_PART)} each"
                findings.append(Finding(place, problem, "split it"))
            elif size > _USUAL_LARGEST_OBJECT:
                problem = (
                    f"has {shown_size(size)}, and many object stores take {shown_size(_USUAL_LARGEST_OBJECT)} at most"
                )
                findings.append(Finding(place, problem, "look what the server takes, or split it", fatal=False))
    if most is not None and total > most:
        problem = f"all files have {shown_size(total)} together, and max_total_size is {shown_size(most)}"
        cure = f"exclude what the server does not need, or raise max_total_size; this is the biggest, {shown_size(biggest[1])}"
        findings.append(Finding(biggest[0], problem, cure))
    return findings


def shown_size(size: int) -> str:
    """``1.5 GiB``; exact below one KiB."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{size} bytes"
