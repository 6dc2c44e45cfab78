# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One outcome of a check before an installation, for a table and for a sentence. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, replace

__all__ = ("OK", "REFUSAL", "WARNING", "Finding", "level_of", "sentences")

OK, WARNING, REFUSAL = "ok", "warning", "refusal"
_LEVELS = (OK, WARNING, REFUSAL)


@dataclass(frozen=True)
class Finding:
    """:param found: what is there, in words; None where that cannot be read
    :param wanted: what is asked for or needed; None where nothing is
    :param why: a clause without a full stop
    :param cure: an imperative clause
    """

    check: str
    level: str
    found: str | None = None
    wanted: str | None = None
    why: str | None = None
    cure: str | None = None

    @property
    def sentence(self) -> str:
        """``found ..., wanted ...: why. Cure.``"""
        parts = [f"found {self.found}" if self.found else "", f"wanted {self.wanted}" if self.wanted else ""]
        head = ", ".join(part for part in parts if part)
        why = (self.why or "").rstrip(".")
        text = ": ".join(part for part in (head, why) if part)
        return f"{text}. {self.cure[0].upper()}{self.cure[1:]}." if self.cure else f"{text}."

    def ignored(self) -> Finding:
        """A refusal that the user has chosen to live with."""
        return replace(self, level=WARNING, why=f"{self.why} (refused, were it not in preflight_ignore)")

    def shown(self) -> dict[str, t.Any]:
        return asdict(self)


def sentences(findings: t.Iterable[Finding]) -> list[str]:
    """``- checks: sentence``, those that say the same in one line."""
    checks: dict[str, list[str]] = {}
    for one in findings:
        checks.setdefault(one.sentence, []).append(one.check)
    return [f"- {', '.join(names)}: {text}" for text, names in checks.items()]


def level_of(findings: t.Iterable[Finding]) -> str:
    """The worst of all, ok where there are none."""
    return max((one.level for one in findings), key=_LEVELS.index, default=OK)
