"""The pictures of a roll-out in docs/images: `python -m tools.pictures` (`make pictures`).

Plays a canary in simulate, which is sent back, and draws what the console showed (SVG) and the upper part of its report (PNG).
Needs Chromium. How far the candidate gets is left to chance, as elsewhere.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench.server import private_postgres
from tools.pictures import browser, console

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 200_000  # bytes of the PNG
COMMAND = (
    "ansible-playbook mlops.serving.rollout_canary -e endpoint=demo-canary -e model_version=2 -e deploy_mode=simulate"
)
SHOWN = (r"PLAY ", r"TASK \[mlops\.serving\.rollout : Run module rollout\]", r"\d\d:\d\d:\d\d  ", r"localhost +:")
_SETTINGS = ("ANSIBLE_", "AWX_", "DEPLOY_", "K8S_AUTH_", "KSERVE_", "KUBECONFIG", "MLOPS_", "PG")


def play(folder: Path) -> tuple[str, Path]:
    """What the console showed of the roll-out, and its report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    with private_postgres(ROOT) as server:
        # The playbook's reports go to the folder in which people are.
        own = {"DATABASE_URL": server.url, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PWD": str(folder), "TZ": "UTC"}
        own |= {"ANSIBLE_FORCE_COLOR": "1", "MLOPS_ROLLOUT_BY": "release-pipeline"}
        code, prepared = _run(f"ansible-playbook {Path(__file__).with_name('prepare.yml')}", folder, kept | own)
        if code:
            raise SystemExit(prepared)
        _code, shown = _run(COMMAND, folder, kept | own)
    reports = list(folder.glob("reports/*.html"))
    if "rolled back" not in shown or len(reports) != 1:
        raise SystemExit(f"{shown}\nThe candidate was not sent back, so there is nothing to draw. Run it again.")
    return shown, reports[0]


def _run(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    name, *arguments = shlex.split(command)
    answer = subprocess.run(
        [str(Path(sys.executable).with_name(name)), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    return answer.returncode, answer.stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    folder: Path = parser.parse_args().folder
    browser.program()
    with tempfile.TemporaryDirectory(prefix="mlops-pictures-") as work:
        output, report = play(Path(work))
        text = console.svg("a canary in simulate", COMMAND, console.lines(output, SHOWN))
        (folder / "console.svg").write_text(text, encoding="utf-8")
        picture = folder / "report.png"
        # The sentence, the facts and the curves; the tables below them are long.
        browser.photograph(report, "main > section", picture)
    size = picture.stat().st_size
    if size > LARGEST:
        raise SystemExit(
            f"{picture} has {size:,} bytes, at most {LARGEST:,}: make it narrower in tools/pictures/browser.py."
        )
    for made in (folder / "console.svg", picture):
        print(f"{made}  {made.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
