# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a rollout: one HTML file that needs nothing else, and a picture of it."""

from __future__ import annotations

import textwrap
import typing as t
from html import escape

from . import report_tables as tables
from .report_chart import chart, described, seal
from .report_sentence import headline, mark_told
from .report_story import Story, tell
from .report_style import CHART, DARK, LIGHT, PAGE, resolved, variables
from .report_words import Json, duration, fields, text

__all__ = ("html", "svg")

_WIDE, _NARROW = 1000, 380
# Nothing is loaded, nothing runs, and nothing is sent, whatever a name in the record may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(rollout: Json, events: t.Iterable[Json]) -> str:
    """One self-contained document, under 500 KB however many events there are; no script, nothing from elsewhere.

    :param rollout: as ``rollout_info`` gives it, with its plan and its totals
    :param events: its rows in their order; times are shown in UTC
    """
    story = tell(rollout, events)
    told = headline(story)
    title = f"{told.word}: {text(rollout.get('endpoint'), 80) or 'a rollout'}"
    page = PAGE + CHART
    left_out = f" {story.left_out:,} decisions in the middle are left out." if story.left_out else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<style>
:root{{color-scheme:light dark;{variables(LIGHT)}}}
@media screen and (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}
{page}</style>
</head>
<body>
<main>
{_simulated(rollout)}<header>
<div class="top">
<svg class="seal" viewBox="0 0 76 76" aria-hidden="true">{seal(told.mark, told.sign)}</svg>
<div>
<p class="word {told.mark}">{escape(told.word)}</p>
<h1>{escape(told.sentence)}</h1>
<p class="detail">{escape(told.detail)}</p>
</div>
</div>
{tables.facts(story)}
</header>
<section>
<h2>What was seen</h2>
<figure>
<div class="wide">{_embedded(story, _WIDE, "wide")}</div>
<div class="narrow">{_embedded(story, _NARROW, "narrow")}</div>
<figcaption>The numbered lines are the decisions, explained in the table below. A window is the time between two looks; where no request
came, the line breaks.{left_out}</figcaption>
</figure>
</section>
<section class="decisions">
<h2>What was decided</h2>
{tables.decisions(story)}
</section>
<section>
<h2>Gates and their evidence</h2>
{tables.gates(story)}
</section>
<section>
<h2>The plan</h2>
<p>{escape(tables.plan_words(story))}</p>
{tables.plan(story)}
</section>
<footer>Rollout {escape(text(rollout.get("id"), 80)) or "without an id"}, written by the Ansible collection mlops.serving.</footer>
</main>
</body>
</html>
"""


def svg(rollout: Json, events: t.Iterable[Json], dark: bool = False) -> str:
    """The sentence and the charts as one picture that stands alone, for a README or a chat."""
    story = tell(rollout, events)
    told = headline(story)
    palette = DARK if dark else LIGHT
    lines = textwrap.wrap(told.sentence, 76)[:4]
    more = textwrap.wrap(told.detail, 122)[:3]
    parts = [
        seal(told.mark, told.sign, 60, 24, 24),
        f'<text class="word {told.mark}" x="104" y="36">{escape(told.word.upper())}</text>',
    ]
    if rollout.get("simulated"):
        parts.append(
            '<rect class="sim-box" x="818" y="12" width="158" height="27" rx="6"/><text class="sim" x="897" y="32">SIMULATED</text>'
        )
    y = 62.0
    for line in lines:
        parts.append(f'<text class="sentence" x="104" y="{y:g}">{escape(line)}</text>')
        y += 27
    for line in more:
        parts.append(f'<text class="more" x="104" y="{y:g}">{escape(line)}</text>')
        y += 20
    facts = [
        text(rollout.get("endpoint"), 60),
        _versions(rollout),
        tables.strategy(rollout),
        duration(story.end),
        f"{story.begin:%Y-%m-%d}",
    ]
    shown = text("  \u00b7  ".join(fact for fact in facts if fact), 130)
    parts.append(f'<text class="facts" x="104" y="{y + 4:g}">{escape(shown)}</text>')
    drawn, bottom = chart(story, _WIDE, "picture", y + 26)
    told_below, bottom = _legend(story, bottom + 16)
    height = bottom + 4
    style = CHART + (
        ".sheet{fill:var(--card);stroke:var(--line)}"
        ".chart text.word{font-size:14px;font-weight:700;letter-spacing:.06em}"
        + "".join(f".chart text.word.{tone}{{fill:var(--{tone})}}" for tone in ("good", "bad", "warn", "plain"))
        + ".chart text.sentence{font-size:20px;font-weight:600;fill:var(--ink)}.chart text.more{font-size:13.5px}"
        ".chart text.facts{font-size:12.5px;fill:var(--ink)}"
        ".chart text.told{font-size:12.5px;fill:var(--ink)}.chart .told-no{font-weight:700}"
        + "".join(f".chart .told-no.{tone}{{fill:var(--{tone})}}" for tone in ("good", "bad", "warn", "plain"))
        + ".sim-box{fill:var(--warn-fill);stroke:var(--warn);stroke-width:2;stroke-dasharray:6 3}"
        ".chart text.sim{fill:var(--warn);font-size:18px;font-weight:700;letter-spacing:.1em;text-anchor:middle}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{_WIDE}" height="{height:g}" viewBox="0 0 {_WIDE} {height:g}" role="img"'
        f' aria-labelledby="picture-title picture-text"><title id="picture-title">{escape(f"{told.word}: {told.sentence}")}</title>'
        f'<desc id="picture-text">{escape(f"{told.detail} {described(story)}")}</desc><style>{resolved(style, palette)}</style>'
        f'<rect class="sheet" x="0.5" y="0.5" width="{_WIDE - 1}" height="{height - 1:g}" rx="12"/>'
        f"{resolved(''.join(parts) + drawn + told_below, palette)}</svg>\n"
    )


def _legend(story: Story, y: float) -> tuple[str, float]:
    """The numbers in words, where there is no table; the middle of many is left out."""
    marks = story.marks if len(story.marks) <= 24 else [*story.marks[:8], *story.marks[-16:]]
    parts, x = [], 60.0
    for mark in marks:
        words = mark_told(mark)
        width = 6.8 * (len(words) + len(str(mark.number))) + 22
        if x + width > _WIDE - 20 and x > 60:
            x, y = 60.0, y + 19
        parts.append(
            f'<text class="told" x="{x:g}" y="{y:g}"><tspan class="told-no {mark.tone}">{mark.number}</tspan> {escape(words)}</text>'
        )
        x += width
    return "".join(parts), y + 12


def _embedded(story: Story, width: int, ids: str) -> str:
    drawn, bottom = chart(story, width, ids)
    return (
        f'<svg class="chart" viewBox="0 0 {width} {bottom:g}" role="img" aria-labelledby="{ids}-title {ids}-text">'
        f'<title id="{ids}-title">Traffic, failed requests and latency over time</title><desc id="{ids}-text">{escape(described(story))}</desc>'
        f"{drawn}</svg>"
    )


def _simulated(rollout: Json) -> str:
    if not rollout.get("simulated"):
        return ""
    return (
        '<div class="simulated" role="note"><strong>SIMULATED</strong> No cluster served these requests: traffic, errors and latency were'
        " made up from the model version's figures.</div>\n"
    )


def _versions(rollout: Json) -> str:
    stable, candidate = (text(fields(rollout.get(name)).get("version"), 40) for name in ("stable", "candidate"))
    return f"version {stable or '?'} \u2192 {candidate or '?'}" if stable or candidate else ""
