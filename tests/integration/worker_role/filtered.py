# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command under the system call filter of a unit, which needs no systemd that runs: filtered.py UNIT COMMAND...

The sets of calls are systemd's own, as ``systemd-analyze syscall-filter`` lists them; what is not allowed fails with EPERM, as the unit says.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | 1


def calls(words: list[str]) -> set[str]:
    """Names of the system calls of sets and calls, as SystemCallFilter= has them."""
    found: set[str] = set()
    for word in words:
        if not word.startswith("@"):
            found.add(word)
            continue
        listed = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
        inner = [line.strip() for line in listed.stdout.splitlines()[1:] if re.match(r"\s+[@a-z_]", line)]
        found |= calls(inner)
    return found


def allowed(unit: str) -> set[str]:
    found: set[str] = set()
    for words in re.findall(r"^SystemCallFilter=(.+)$", unit, re.MULTILINE):
        if words.startswith("~"):
            found -= calls(words[1:].split())
        else:
            found |= calls(words.split())
    return found


def filter_this_process(names: set[str]) -> None:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_EPERM))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of other processors
            library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0)
    # It sets no_new_privs as well.
    if library.seccomp_load(context) != 0:
        raise OSError("the filter could not be set")


if __name__ == "__main__":
    names = allowed(Path(sys.argv[1]).read_text())
    assert len(names) > 100, names
    filter_this_process(names)
    os.execvp(sys.argv[2], sys.argv[2:])
