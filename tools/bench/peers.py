"""What uploads are measured beside: `aws s3 sync` and community.aws.s3_sync, each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

UV = Path(__file__).resolve().parents[1] / "dev" / "uv"
_PACKAGES = {"aws": ["awscli"], "s3_sync": ["ansible", "boto3"]}
_VERSION = "from importlib.metadata import version; import sys; print(version(sys.argv[1]))"


@dataclass(frozen=True)
class Peers:
    """:param folder: holds an environment `aws` and an environment `s3_sync`"""

    folder: Path

    def program(self, environment: str, name: str) -> str:
        return str(self.folder / environment / "bin" / name)

    def version(self, environment: str, package: str) -> str:
        command = [self.program(environment, "python"), "-c", _VERSION, package]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def install(folder: Path) -> Peers:
    for name, packages in _PACKAGES.items():
        environment(folder, name, packages)
    return Peers(folder)


def environment(folder: Path, name: str, packages: list[str]) -> Path:
    """Makes it where it is missing; it is there when its last step is."""
    done = folder / name / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / name)], check=True)
        python = ("--python", str(folder / name / "bin" / "python"))
        subprocess.run([str(UV), "pip", "install", "--quiet", *python, *packages], check=True)
        done.touch()
    return folder / name
