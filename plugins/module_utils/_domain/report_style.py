# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Colours and styles of the report. Orange and blue stay apart for colour-blind readers; form and words say the same."""

from __future__ import annotations

import re

__all__ = ("CHART", "DARK", "LIGHT", "PAGE", "resolved", "variables")

LIGHT = {
    "page": "#f6f7f9",
    "card": "#ffffff",
    "ink": "#1b2330",
    "soft": "#5a6475",
    "line": "#dfe3ea",
    "grid": "#e9ecf1",
    "candidate": "#c85200",
    "candidate-fill": "#c8520026",
    "stable": "#0b67b2",
    "limit": "#6b4fa0",
    "good": "#00734f",
    "good-fill": "#e2f4ec",
    "bad": "#b3261e",
    "bad-fill": "#fdeae7",
    "warn": "#855c00",
    "warn-fill": "#fff3d6",
    "plain": "#475569",
    "plain-fill": "#eef1f6",
    "on-mark": "#ffffff",
}
DARK = {
    "page": "#11151c",
    "card": "#1a202a",
    "ink": "#e8ecf2",
    "soft": "#a0abbb",
    "line": "#323c4b",
    "grid": "#28303d",
    "candidate": "#ffa04d",
    "candidate-fill": "#ffa04d33",
    "stable": "#5cb3f5",
    "limit": "#bfa6f2",
    "good": "#45c994",
    "good-fill": "#12362a",
    "bad": "#ff8a80",
    "bad-fill": "#43201f",
    "warn": "#f2c14e",
    "warn-fill": "#3b3015",
    "plain": "#aab6c8",
    "plain-fill": "#28303d",
    "on-mark": "#11151c",
}

_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"

CHART = f"""
.chart{{font:12px {_FONT};font-variant-numeric:tabular-nums}}
.chart text{{fill:var(--soft)}}
.chart .name{{fill:var(--ink);font-weight:600;font-size:13px}}
.chart .key{{font-size:12px;fill:var(--ink)}}
.chart .grid{{stroke:var(--grid);stroke-width:1}}
.chart .axis{{stroke:var(--line);stroke-width:1}}
.chart .area{{fill:var(--candidate-fill);stroke:none}}
.chart .candidate{{fill:none;stroke:var(--candidate);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}}
.chart .stable{{fill:none;stroke:var(--stable);stroke-width:1.8;stroke-dasharray:6 3;stroke-linejoin:round}}
.chart .mean{{stroke-width:1.1;stroke-dasharray:1.5 2.5}}
.chart .dot-candidate{{fill:var(--candidate);stroke:var(--card);stroke-width:.8}}
.chart .dot-stable{{fill:var(--card);stroke:var(--stable);stroke-width:1.4}}
.chart .limit{{stroke:var(--limit);stroke-width:1.4;stroke-dasharray:9 3 2 3;fill:none}}
.chart text.limit-name{{fill:var(--limit);stroke:none;font-weight:600;font-size:11px}}
.chart .over{{fill:var(--limit);opacity:.06}}
.chart .step{{fill:var(--candidate);font-weight:600;font-size:12px}}
.chart .mark{{stroke:var(--plain);stroke-width:1;opacity:.45}}
.chart .mark.bad{{stroke:var(--bad);stroke-width:1.8;opacity:.95}}
.chart .mark.good{{stroke:var(--good);opacity:.55}}
.chart .mark.warn{{stroke:var(--warn);stroke-width:1.4;opacity:.9;stroke-dasharray:4 2}}
.chart .badge{{stroke-width:1.4}}
.chart .badge.plain{{fill:var(--card);stroke:var(--plain)}}
.chart .badge.good{{fill:var(--good);stroke:var(--good)}}
.chart .badge.bad{{fill:var(--bad);stroke:var(--bad)}}
.chart .badge.warn{{fill:var(--warn);stroke:var(--warn)}}
.chart text.badge-text{{fill:var(--on-mark);stroke:none;font-size:10.5px;font-weight:700;text-anchor:middle}}
.chart text.badge-text.plain{{fill:var(--ink)}}
.chart .lead{{stroke:var(--bad);stroke-width:1.2}}
.chart .back{{fill:var(--bad);opacity:.13}}
.chart .call{{fill:var(--bad-fill);stroke:var(--bad);stroke-width:1.2}}
.chart text.call-text{{fill:var(--bad);font-weight:700;font-size:12.5px}}
.chart text.call-more{{fill:var(--ink);font-size:11.5px}}
.chart .empty{{font-style:italic}}
.chart .halo{{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}}
.chart .end{{text-anchor:end}}.chart .middle{{text-anchor:middle}}
"""

PAGE = f"""
*{{box-sizing:border-box}}
html{{-webkit-text-size-adjust:100%}}
body{{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 {_FONT};overflow-wrap:break-word}}
dd,td,th,pre,h1{{overflow-wrap:anywhere}}td,th{{hyphens:none}}
main{{max-width:1080px;margin:0 auto;padding:20px}}
section,header{{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 24px;margin:0 0 16px}}
h1{{font-size:clamp(20px,2.9vw,27px);line-height:1.28;margin:0 0 8px;font-weight:650;letter-spacing:-.01em;text-wrap:balance}}
h2{{font-size:16px;margin:0 0 10px}}
p{{margin:0 0 8px}}
.top{{display:flex;gap:20px;align-items:flex-start}}
.seal{{flex:none;width:76px;height:76px}}
.word{{font-weight:700;letter-spacing:.06em;text-transform:uppercase;font-size:14px;margin:0 0 4px}}
.word.good,.good-word{{color:var(--good)}}.word.bad,.bad-word{{color:var(--bad)}}
.word.warn,.warn-word{{color:var(--warn)}}.word.plain,.plain-word{{color:var(--plain)}}
.detail{{color:var(--soft)}}
.simulated{{border:3px dashed var(--warn);background:var(--warn-fill);color:var(--warn);border-radius:10px;padding:8px 16px;margin:0 0 16px;
font-size:15px}}
.simulated strong{{font-size:28px;letter-spacing:.12em;display:block;line-height:1.2}}
dl.facts{{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:10px 20px;margin:16px 0 0;
padding:14px 0 0;border-top:1px solid var(--line)}}
dl.facts div{{min-width:0}}
dt{{color:var(--soft);font-size:13px}}
dd{{margin:0;font-variant-numeric:tabular-nums}}
dd small{{color:var(--soft);font-size:13px;display:block}}
figure{{margin:0}}
figcaption,.note{{color:var(--soft);font-size:13px;margin-top:6px}}
svg{{max-width:100%;height:auto;display:block}}
.narrow{{display:none}}
.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}}
caption{{text-align:left;color:var(--soft);font-size:13px;padding:0 0 8px}}
th,td{{text-align:left;vertical-align:top;padding:7px 10px 7px 0;border-top:1px solid var(--line)}}
thead th{{overflow-wrap:normal;border-top:0;color:var(--soft);font-weight:600;font-size:13px;vertical-align:bottom}}
tbody th{{font-weight:400}}
.said{{width:36%;min-width:190px}}
.num{{text-align:right;white-space:nowrap}}
.nowrap{{white-space:nowrap}}
tr.bad td,tr.bad th{{background:var(--bad-fill)}}
tr.bad th:first-child{{box-shadow:inset 4px 0 var(--bad)}}
tr>:first-child{{padding-left:10px}}
.no{{display:inline-block;min-width:22px;height:22px;line-height:20px;padding:0 4px;border:1.5px solid var(--plain);border-radius:11px;text-align:center;
font-weight:700;font-size:12px;white-space:nowrap}}
.no.good{{background:var(--good);border-color:var(--good);color:var(--on-mark)}}
.no.bad{{background:var(--bad);border-color:var(--bad);color:var(--on-mark);border-radius:4px}}
.no.warn{{background:var(--warn);border-color:var(--warn);color:var(--on-mark)}}
.what{{font-weight:600;display:block}}
small,.small{{font-size:13px;color:var(--soft)}}
.meter{{display:block;width:120px;height:8px;border-radius:4px;background:var(--plain-fill);border:1px solid var(--line);margin-top:5px;overflow:hidden}}
.meter i{{display:block;height:100%;background:var(--plain)}}
.meter.bad i{{background:var(--bad)}}
pre{{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre-wrap;margin:8px 0 0;
background:var(--page);border:1px solid var(--line);border-radius:8px;padding:12px}}
summary{{cursor:pointer;color:var(--soft)}}
footer{{color:var(--soft);font-size:13px;padding:0 4px 20px}}
@media (max-width:640px){{
main{{padding:10px}}section,header{{padding:14px 14px;border-radius:10px}}
.top{{gap:12px}}.seal{{width:48px;height:48px}}
.wide{{display:none}}.narrow{{display:block}}
dl.facts{{grid-template-columns:1fr 1fr;gap:8px 14px}}
table,tbody,tr,td,th,caption{{display:block}}thead{{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}}
tr{{border-top:1px solid var(--line);padding:8px 10px}}td,th{{border:0;padding:1px 0!important;text-align:left}}
tr.bad{{background:var(--bad-fill);box-shadow:inset 4px 0 var(--bad)}}tr.bad th:first-child{{box-shadow:none}}
td[data-is]{{display:inline-block;margin-right:16px}}tbody th{{display:inline-block;margin-right:10px}}
td[data-is]::before{{content:attr(data-is) " ";color:var(--soft);font-size:13px}}td.none{{display:none}}
.num{{text-align:left}}}}
@media print{{
body{{font-size:10pt;background:none}}h1{{font-size:16pt}}.seal{{width:56px;height:56px}}
dl.facts{{grid-template-columns:repeat(5,1fr);gap:4px 12px;margin-top:8px;padding-top:8px}}
dt,dd small{{font-size:8pt}}dd{{font-size:9.5pt}}table{{font-size:9pt}}
section,header{{margin-bottom:8px}}main{{max-width:none;padding:0}}section,header{{border-color:#bbb;break-inside:avoid-page;padding:12px}}
.decisions{{break-inside:auto}}tr{{break-inside:avoid}}thead{{display:table-header-group}}
*{{-webkit-print-color-adjust:exact;print-color-adjust:exact}}}}
"""


def variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


def resolved(css: str, palette: dict[str, str]) -> str:
    """The colours written out, for programs that show a picture and know no variables."""
    return re.sub(r"var\(--([a-z-]+)\)", lambda found: palette[found.group(1)], css)
