# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What charts are drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from .report_scale import Scale

__all__ = ("Frame", "dot", "label", "line")


@dataclass(frozen=True)
class Frame:
    """Where a panel is drawn; ``x`` maps seconds, ``y`` the panel's values."""

    left: float
    right: float
    top: float
    bottom: float
    x: Scale
    y: Scale


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def label(x: float, y: float, words: str, css: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{f" class={chr(34)}{css}{chr(34)}" if css else ""}>{escape(words)}</text>'


def dot(x: float, y: float, css: str) -> str:
    if css == "candidate":
        return f'<circle class="dot-candidate" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
    return f'<rect class="dot-stable" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5"/>'
