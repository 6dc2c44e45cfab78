"""A page as a picture, by Chromium without a window."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.pictures.png import with_palette

# A docs page is about as wide; the scale keeps small print sharp.
_WIDTH, _SCALE = 1000, 1.5
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n?')


def program() -> str:
    found = shutil.which("chromium")
    if not found:
        raise SystemExit("There is no program chromium: install Debian's packages chromium and fonts-dejavu-core.")
    return found


def photograph(page: Path, last: str, picture: Path) -> None:
    """The upper part of a page, in its light colours.

    :param last: CSS selector of the element that is shown last
    :param picture: a PNG
    """
    with tempfile.TemporaryDirectory(prefix="mlops-pictures-") as folder:
        copy = Path(folder) / "measured.html"
        text = page.read_text(encoding="utf-8")
        # Its own policy lets no script run, and without one Chromium does not say how high anything is.
        measure = f"<script>document.title = Math.ceil(document.querySelector('{last}').getBoundingClientRect().bottom)</script>"
        copy.write_text(_POLICY.sub("", text).replace("</body>", f"{measure}</body>"), encoding="utf-8")
        found = re.search(r"<title>(\d+)</title>", _chromium(folder, 1000, "--dump-dom", copy.as_uri()))
        if not found:
            raise SystemExit(f"Chromium does not say where {last} ends in {page}.")
        shot = Path(folder) / "shot.png"
        _chromium(
            folder,
            int(found.group(1)) + 12,
            f"--force-device-scale-factor={_SCALE}",
            f"--screenshot={shot}",
            page.as_uri(),
        )
        picture.write_bytes(with_palette(shot.read_bytes()))


def _chromium(folder: str, height: int, *arguments: str) -> str:
    own = ["--no-sandbox"] if os.geteuid() == 0 else []  # the superuser has none
    command = [program(), "--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
    answer = subprocess.run(
        [*command, *own, f"--window-size={_WIDTH},{height}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if answer.returncode:
        raise SystemExit(f"Chromium failed: {answer.stderr.strip()}")
    return answer.stdout
