"""The environments that people build, without building an image: `environments.py FOLDER`; with `images` after it, as images.

ansible-builder reads each definition under environments/ and writes what a container's build would take; the collection is installed from a tarball
of this tree, and its requirements are put together with the definition's, as that build does. The Python packages go into an environment of
their own, in FOLDER, where all that the collection's plugins import must be there. Left out are the system's packages: their list is read only.

The images get the collection of this tree, which Galaxy need not have.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(sys.executable).parent
GALAXY = (BINARIES / "ansible-galaxy", "collection")
# Libraries that make a module better where they are, and that nobody needs: the schema of Triton's model configurations.
OPTIONAL = {"google"}


class Broken(Exception):
    """What is wrong with an environment, in one sentence."""


def call(*command: str | Path, why: str, **environment: str) -> str:
    """What a program prints. Raises Broken with ``why`` and what it printed, where it fails."""
    answer = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise Broken(f"{why}:\n{answer.stdout.strip()}")
    return answer.stdout


def built(folder: Path) -> Path:
    """The collection's tarball, alone in this folder."""
    call(ROOT / "tools" / "dev" / "copy-tree", "environments", why="the tree cannot be copied")
    tree = ROOT / ".build" / "tree-environments" / "ansible_collections" / "mlops" / "serving"
    shutil.rmtree(folder, ignore_errors=True)
    call(*GALAXY, "build", "--output-path", folder, tree, why="the collection is not built")
    (tarball,) = folder.glob("*.tar.gz")
    return tarball


def installed(tarball: Path) -> Path:
    """The collection as Galaxy would give it; its folder."""
    folder = tarball.parent
    # Offline: a dependency that only Galaxy has is not allowed for.
    options = ("--offline", "--force", "-p", folder, tarball)
    call(*GALAXY, "install", *options, why="the collection is not installed from its tarball")
    return folder / "ansible_collections" / "mlops" / "serving"


def context(definition: Path, folder: Path) -> Path:
    """What ansible-builder writes for a build; its files of requirements."""
    shutil.rmtree(folder, ignore_errors=True)
    options = ("--file", definition, "--context", folder, "--output-filename", "Containerfile")
    call(BINARIES / "ansible-builder", "create", *options, why="ansible-builder does not take the definition")
    return folder / "_build"


def requirements(definition: Path, given: Path, collections: Path) -> tuple[list[str], list[str]]:
    """What pip and the system's package manager are to install: the definition's own, and what its collections name."""
    own = yaml.safe_load((given / "requirements.yml").read_text())["collections"]
    missing = [each["name"] for each in own if not collections.joinpath(*each["name"].split(".")).is_dir()]
    if missing:
        raise Broken(f"it names collections that are not this one: {', '.join(missing)}")
    options: list[str | Path] = []
    for kind, name in (("pip", "requirements.txt"), ("bindep", "bindep.txt")):
        (given.parent / name).unlink(missing_ok=True)
        options += [f"--write-{kind}", given.parent / name]
        if (given / name).exists():
            options += [f"--user-{kind}", given / name]
    why = "ansible-builder cannot put the requirements together"
    call(BINARIES / "ansible-builder", "introspect", collections.parent, *options, why=why)
    base = yaml.safe_load(definition.read_text())["dependencies"]
    programs = [base[name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    python = [line.split("#")[0].strip() for line in lines(given.parent / "requirements.txt")]
    if lines(given.parent / "bindep.txt"):
        bindep = (BINARIES / "bindep", "--list_all", "newline", "--file", given.parent / "bindep.txt")
        return programs + python, call(*bindep, why="bindep cannot read the system's packages").split()
    return programs + python, []


def lines(file: Path) -> list[str]:
    text = file.read_text() if file.exists() else ""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def environment(names: list[str], folder: Path) -> Path:
    """A Python with these packages; one that is there is used again where they are the same."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join([sys.version, *names])
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, clear=True, symlinks=True)
        uv, where = (ROOT / "tools" / "dev" / "uv", "pip"), ("--quiet", "--python", python)
        call(*uv, "install", *where, "--only-binary", ":all:", *names, why="its packages are not there as wheels")
        call(*uv, "check", *where, why="its packages contradict each other")
        stamp.write_text(wanted)
    return python


def imports(folders: list[Path]) -> list[str]:
    """The modules of other projects that the files in these folders import."""
    found = set()
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    known = {*sys.stdlib_module_names, "ansible_collections", *OPTIONAL}
    return sorted(name for name in found if name.split(".")[0] not in known)


def check(definition: Path, serving: Path, folder: Path) -> None:
    given = context(definition, folder / "context")
    names, system = requirements(definition, given, serving.parents[1])
    print(f"  Python: {', '.join(names)}\n  system: {', '.join(system) or 'nothing'}", flush=True)
    python = environment(names, folder / "venv")
    rules = any(name.startswith("ansible-rulebook") for name in names)
    needed = imports([serving / "plugins", *([serving / "extensions" / "eda"] if rules else [])])
    program = "\n".join(f"import {name}" for name in ["ansible_runner", *needed])
    call(python, "-c", program, why="what the collection imports is not there")
    where = {"ANSIBLE_COLLECTIONS_PATH": str(serving.parents[2]), "PATH": f"{python.parent}:{os.environ['PATH']}"}
    playbook = ("ansible-playbook", "--syntax-check", "mlops.serving.rollout_canary")
    call(*playbook, why="ansible-playbook does not find the collection", **where)
    if rules:
        java = shutil.which("java")
        if not java:
            raise Broken("ansible-rulebook needs Java to start: install openjdk-17-jre-headless or a newer one")
        where["JAVA_HOME"] = str(Path(java).resolve().parents[1])
        call("ansible-rulebook", "--version", why="ansible-rulebook does not start", **where)


def image(definition: Path, tarball: Path, folder: Path) -> None:
    """Builds it with Podman or Docker, and with this tarball in the place of Galaxy's."""
    runtime = shutil.which("podman") or shutil.which("docker")
    if not runtime:
        raise Broken("neither Podman nor Docker is here")
    given = yaml.safe_load(definition.read_text())
    given["additional_build_files"] = [{"src": str(tarball), "dest": "collections"}]
    given["dependencies"]["galaxy"] = {"collections": [{"name": f"collections/{tarball.name}", "type": "file"}]}
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / definition.name
    own.write_text(yaml.safe_dump(given, sort_keys=False))
    tag = {"execution-environment": "mlops-serving-ee", "decision-environment": "mlops-serving-de"}[definition.stem]
    options = ("--file", own, "--context", folder / "image", "--container-runtime", Path(runtime).name, "--tag", tag)
    call(BINARIES / "ansible-builder", "build", *options, why="ansible-builder does not build it")
    print(f"  image {tag}", flush=True)


def main(folder: Path, images: bool) -> int:
    failed = []
    tarball = built(folder / "collections")
    serving = installed(tarball)
    for definition in sorted((ROOT / "environments").glob("*.yml")):
        print(f"{definition.name}", flush=True)
        try:
            if images:
                image(definition, tarball, folder / definition.stem)
            else:
                check(definition, serving, folder / definition.stem)
        except Broken as broken:
            print(f"  FAILED: {broken}", flush=True)
            failed.append(definition.name)
        else:
            print("  ok", flush=True)
    if failed:
        print(f"ERROR: not to be built as they are: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:] == ["images"]))
