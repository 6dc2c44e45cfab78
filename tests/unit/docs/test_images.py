# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of README.md and docs/: each is there, says in words what it shows, is shown somewhere, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IMAGES = sorted((ROOT / "docs" / "images").iterdir())
LARGEST = 300_000  # bytes; they are in every installed collection


def described(page: Path) -> list[tuple[str, str]]:
    """Each picture of a page as it is written there, with its alternative text."""
    text = page.read_text(encoding="utf-8")
    drawn = [(source, words) for words, source in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", text)]
    return drawn + [(source, words) for words, source in re.findall(r'<img alt="([^"]*)" src="([^"]+)"', text)]


def shown(page: Path) -> set[Path]:
    """The dark one of a pair is among them; its words are the other one's."""
    dark = re.findall(r'<source [^>]*srcset="([^"]+)"', page.read_text(encoding="utf-8"))
    return {(page.parent / source).resolve() for source in [*dark, *(source for source, _words in described(page))]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_in_words_what_its_pictures_show(page: Path) -> None:
    for source, words in described(page):
        assert len(words) > 15, f"{page.name}: {source} has no alternative text"


def test_what_is_shown_is_there_and_what_is_there_is_shown() -> None:
    assert {image for page in PAGES for image in shown(page)} == set(IMAGES)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_it_stands_alone_and_is_small(image: Path) -> None:
    assert image.stat().st_size < LARGEST
    if image.suffix == ".png":
        assert image.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return
    text = image.read_text(encoding="utf-8")
    names = {part.tag.rpartition("}")[2] for part in ElementTree.fromstring(text).iter()}
    assert "title" in names
    assert not names & {"script", "image", "use", "foreignObject", "a"}
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"@import|@font-face|url\((?!#)", text)
