# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Up and down: what runs is compared with what is asked for, and only the difference is done."""

from __future__ import annotations

import fcntl
import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from . import nats, packages, postgres, s3
from .processes import LOOPBACK, EndedEarly, StackError, alive
from .settings import SERVICES, Settings

PARTS: dict[str, ModuleType] = {"postgres": postgres, "s3": s3, "nats": nats}
State = dict[str, dict[str, Any]]


def up(settings: Settings, check: bool = False) -> dict[str, Any]:
    """Start what is missing or differs. In check mode nothing is written and the same list of actions is returned."""
    with _locked(settings.state, check):
        state = _load(settings.state)
        actions: list[str] = []
        for name in settings.services:
            part, kept = PARTS[name], state.get(name, {})
            running = alive(kept.get("process"))
            spec = part.plan(settings, kept, running)
            package = part.missing(settings, spec)
            if package:
                actions.append(f"install {packages.PACKAGES[package]}")
                if not check:
                    packages.install(package, settings.environment)
            if not running or kept.get("spec") != spec:
                actions.append(f"{'restart' if running else 'start'} {name}")
                if not check:
                    if running:
                        part.halt(kept["process"])
                    mine = dict(kept)
                    try:
                        state[name] = _started(part, settings, spec, mine)
                    finally:
                        state.setdefault(name, mine)  # a failed start's folders too, for the next one and for removal
                        _save(settings.state, state)
        actions += _buckets(settings, state, check)
        if not (check and actions):  # else ports and credentials are not known yet
            actions += _environment_file(settings.state, state, check)
    return _report(settings.state, state, actions)


def _started(part: Any, settings: Settings, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Start a part; where somebody took one of its ports since it was chosen, up to twice more with others."""
    attempts = 3
    while True:
        attempts -= 1
        try:
            # What a failed start has made, such as a password, is kept for the next one.
            return {**part.start(settings, spec, kept), "spec": spec}
        except StackError as error:
            try:
                again = part.plan(settings, kept, False)
            except StackError:
                raise error from None  # the port was asked for, and what became of it is told already
            # A server ends too when a port is taken that only it knows of, or by a connection that is gone by now.
            if not attempts or (again["port"] == spec["port"] and not isinstance(error, EndedEarly)):
                raise
            spec = again


def down(settings: Settings, remove: bool = False, check: bool = False) -> dict[str, Any]:
    """Stop what runs; with `remove` its data, packages and credentials go too."""
    if not (settings.state / "stack.json").exists() and not (remove and settings.environment.exists()):
        return _report(settings.state, {}, [])
    with _locked(settings.state, check):
        state = _load(settings.state)
        actions: list[str] = []
        for name, kept in state.items():
            if alive(kept.get("process")):
                actions.append(f"stop {name}")
                if not check:
                    PARTS[name].halt(kept["process"])
        if remove:
            actions.append(f"remove {settings.state}")
            if not check:
                _remove(settings.state, state)
    return _report(settings.state, {} if remove else state, actions)


def _buckets(settings: Settings, state: State, check: bool) -> list[str]:
    if "s3" not in settings.services:
        return []
    kept = state.get("s3", {})
    if not alive(kept.get("process")):  # only in check mode: nothing to ask yet
        return [f"make bucket {bucket}" for bucket in settings.buckets]
    absent = s3.absent_buckets(kept, settings.buckets)
    if not check:
        for bucket in absent:
            s3.make_bucket(kept, bucket)
    return [f"make bucket {bucket}" for bucket in absent]


def _environment_file(folder: Path, state: State, check: bool) -> list[str]:
    """The file to source; it holds the credentials."""
    values: dict[str, str] = {}
    for name in SERVICES:
        if "spec" in state.get(name, {}):
            values.update(PARTS[name].environment(state[name]))
    text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
    target = folder / "env"
    if target.exists() and target.read_text() == text:
        return []
    if not check:
        _write(target, text)
        _write(folder / "env.json", json.dumps(values, indent=1) + "\n")
    return [f"write {target}"]


def _report(folder: Path, state: State, actions: list[str]) -> dict[str, Any]:
    """What the caller may show: no secret is in it."""
    services = {
        name: {
            "running": alive(kept.get("process")),
            "address": f"{LOOPBACK}:{kept['port']}",
            "server": kept["spec"]["server"],
            "data": kept["data"],
        }
        for name, kept in state.items()
        if "spec" in kept
    }
    env_file = str(folder / "env")
    rows = [
        f"{name:<9} {entry['address']:<17} {entry['server']}" for name, entry in services.items() if entry["running"]
    ]
    summary = [*rows, f"For your shell:  . {env_file}"] if rows else ["Nothing runs."]
    return {
        "changed": bool(actions),
        "actions": actions,
        "services": services,
        "env_file": env_file,
        "summary": summary,
    }


def _remove(folder: Path, state: State) -> None:
    for name, kept in state.items():
        for path in PARTS[name].folders(kept):
            shutil.rmtree(path)
    shutil.rmtree(folder / "venv", ignore_errors=True)
    for name in ("env", "env.json", "stack.json", ".lock"):
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:
        pass  # somebody else keeps something there


def _load(folder: Path) -> State:
    try:
        state: State = json.loads((folder / "stack.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StackError(
            f"{folder / 'stack.json'} cannot be read ({error}). Remove it and end its processes by hand."
        ) from None
    return state


def _save(folder: Path, state: State) -> None:
    _write(folder / "stack.json", json.dumps(state, indent=1) + "\n")


def _write(target: Path, text: str) -> None:
    """Replace `target` in one step; only its owner can read it, from the first byte on."""
    draft = target.with_name(target.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(target)


@contextmanager
def _locked(folder: Path, check: bool) -> Iterator[None]:
    """One command at a time in a state folder."""
    if check:
        yield
        return
    if not folder.exists():
        folder.mkdir(mode=0o711, parents=True)  # Postgres' user must be able to pass through
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
