"""What a program has printed, as an SVG: text in the frame of a terminal, in the colours that it was printed in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

_COLOUR = re.compile(r"\x1b\[([\d;]*)m")
# By the last number of the sequence; on the terminal's own ground they read on a light page and on a dark one.
_CLASSES = {"31": "red", "32": "green", "33": "yellow", "35": "purple", "36": "cyan"}
_STYLE = (
    "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace;"
    "white-space:pre;fill:#d9dfe8}"
    ".red{fill:#ff8a80}.green{fill:#5fd7a0}.yellow{fill:#f2c14e}.purple{fill:#cdb4ff}.cyan{fill:#6fd3e8}"
    ".prompt{fill:#8b97a8}.typed{fill:#ffffff;font-weight:600}.left-out{fill:#8b97a8;font-style:italic}"
    ".bar{fill:#8b97a8;text-anchor:middle}"
)
_ADVANCE, _LINE, _EDGE, _BAR = 7.8, 19, 20, 34

Run = tuple[str, str]  # class, text


def lines(output: str, wanted: Sequence[str]) -> list[list[Run]]:
    """Whole lines of the output, one list of coloured runs each; where some are left out, a line says how many.

    :param output: with the terminal's escape sequences
    :param wanted: patterns; a line that matches one from its begin on is kept
    """
    shown: list[list[Run]] = []
    gap: list[str] = []
    for line in output.rstrip().split("\n"):
        plain = _COLOUR.sub("", line)
        if not any(re.match(pattern, plain) for pattern in wanted):
            gap.append(plain.strip())
            continue
        shown += [*_told(gap), list(_runs(line.rstrip()))]
        gap = []
    return [*shown, *_told(gap)]


def _told(gap: list[str]) -> Iterator[list[Run]]:
    """Empty lines stay as they are, others are counted, with the empty ones between them."""
    said = [index for index, line in enumerate(gap) if line]
    if not said:
        yield from ([] for _line in gap)
        return
    yield from ([] for _line in gap[: said[0]])
    count = said[-1] - said[0] + 1
    yield [("left-out", f"[{count} line{'s' if count > 1 else ''} left out]")]
    yield from ([] for _line in gap[said[-1] + 1 :])


def _runs(line: str) -> Iterator[Run]:
    css = ""
    for index, part in enumerate(_COLOUR.split(line)):
        if index % 2:
            css = _CLASSES.get(part.rpartition(";")[2], "")
        elif part:
            yield css, part


def svg(title: str, command: str, shown: list[list[Run]]) -> str:
    """
    :param title: what stands above it, and what it is to those who do not see it
    :param command: what was typed
    """
    whole = [[("prompt", "$ "), ("typed", command)], *shown]
    columns = max(sum(len(text) for _css, text in line) for line in whole)
    width, height = round(columns * _ADVANCE) + 2 * _EDGE, _BAR + len(whole) * _LINE + 2 * _EDGE - 4
    drawn = [f'<text class="bar" x="{width / 2:g}" y="22">{escape(title)}</text>']
    for number, line in enumerate(whole):
        column = 0
        for css, text in line:
            drawn.append(_text(css, text, column, _BAR + _EDGE + number * _LINE + 10))
            column += len(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-labelledby="console-title"><title id="console-title">{escape(title)}</title><style>{_STYLE}</style>\n'
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10" fill="#151a22" stroke="#3a4556"/>\n'
        f'<path d="M1 {_BAR}H{width - 1}" stroke="#2a3341"/>'
        + "".join(f'<circle cx="{x}" cy="17" r="5" fill="#3a4556"/>' for x in (20, 38, 56))
        + "\n"
        + "\n".join(part for part in drawn if part)
        + "\n</svg>\n"
    )


def _text(css: str, text: str, column: int, y: int) -> str:
    """Its length is said, so that columns stay columns in whatever font there is."""
    column += len(text) - len(text.lstrip())
    text = text.strip()
    if not text:
        return ""
    kind = f' class="{css}"' if css else ""
    return (
        f'<text{kind} x="{_EDGE + column * _ADVANCE:g}" y="{y}" textLength="{len(text) * _ADVANCE:g}" lengthAdjust="spacingAndGlyphs"'
        f' xml:space="preserve">{escape(text)}</text>'
    )
