"""The environments that people build, without building an image: `environments.py FOLDER`.

Each definition under environments/ is given to ansible-builder, which writes what a container's build would take; what Python packages that lists,
for this collection too, are installed into an environment of their own in FOLDER and imported.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILDER = Path(sys.executable).with_name("ansible-builder")
# What must be there afterwards, beside what the modules import.
IMPORTS = {
    "execution-environment": ("ansible", "ansible_runner", "boto3", "kubernetes", "prometheus_client", "psycopg2"),
    "decision-environment": ("ansible", "ansible_runner", "ansible_rulebook", "boto3", "kubernetes", "nats", "psycopg2"),
}


def requirements(definition: Path) -> list[str]:
    """As ansible-builder puts them together: the definition's own, and those of the collection that it names."""
    given = yaml.safe_load(definition.read_text())["dependencies"]
    ours = (ROOT / "meta" / "ee-requirements.txt").read_text().splitlines()
    listed = [line for line in ours if line and not line.startswith("#")]
    programs = [given[name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    return [*programs, *listed, *given.get("python", [])]


def context(definition: Path, folder: Path) -> None:
    """What a build would take; an error in the definition ends here."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([str(BUILDER), "create", "--file", str(definition), "--context", str(folder)], check=True)
    written = (folder / "Containerfile").read_text()
    name = yaml.safe_load(definition.read_text())["images"]["base_image"]["name"]
    if name not in written:
        raise SystemExit(f"{definition.name}: the Containerfile does not begin with {name}")


def installed(names: list[str], folder: Path) -> Path:
    """A Python with these packages; one that is there is used again where they are the same."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.exists() and stamp.read_text() == "\n".join(names):
        return python
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    subprocess.run([*pip, *names], check=True)
    stamp.write_text("\n".join(names))
    return python


def main(folder: Path) -> None:
    for definition in sorted((ROOT / "environments").glob("*.yml")):
        print(f"{definition.stem}: what a build would take", flush=True)
        context(definition, folder / definition.stem / "context")
        names = requirements(definition)
        print(f"{definition.stem}: {', '.join(names)}", flush=True)
        python = installed(names, folder / definition.stem / "venv")
        wanted = IMPORTS[definition.stem]
        subprocess.run([str(python), "-c", f"import {', '.join(wanted)}"], check=True)
        subprocess.run([str(python), "-m", "pip", "check"], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
