# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that lie in a model's folder by accident. What is found is named, never shown."""

from __future__ import annotations

import re
import typing as t
from fnmatch import translate

__all__ = ("LONGEST", "secret_file", "secret_lines")

# A bigger file is weights or data; of such a file only the name is looked at.
LONGEST = 4 * 1024 * 1024
_LOOKED_AT = 8192  # a null byte in as much from the start: not a text

_FILES = {
    "a file of environment variables": (".env", ".env.*"),
    "a file of passwords": (".netrc", "_netrc", ".pgpass", ".git-credentials", ".htpasswd", ".pypirc"),
    "a kubeconfig": ("kubeconfig", "*.kubeconfig", "kubeconfig.y*ml"),
    "a private key": ("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.ppk"),
    "credentials of a container registry": (".dockercfg", ".dockerconfigjson"),
}
_PATHS = {
    "credentials of AWS": ".aws/credentials",
    "a kubeconfig": ".kube/config",
    "credentials of a container registry": ".docker/config.json",
}
_NAMES = {kind: re.compile("|".join(map(translate, names))) for kind, names in _FILES.items()}
_ANY_NAME = re.compile("|".join(pattern.pattern for pattern in _NAMES.values()))
_HARMLESS = (".env.example", ".env.sample", ".env.template")

# Kind, a text without which the pattern cannot match (searching it is many times faster), pattern. That nothing that could
# belong to it stands before a match is looked at afterwards: a pattern that begins with letters is found faster.
_PATTERNS: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = tuple(
    (kind, hint, re.compile(pattern))
    for kind, hint, pattern in (
        ("a private key", b"PRIVATE KEY", rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----"),
        ("an AWS access key", b"AKIA", rb"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
        ("an AWS access key", b"ASIA", rb"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
        (
            "an AWS secret key",
            b"ecret",
            rb"(?i)aws.{0,3}secret.{0,12}key[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
        ),
        (
            "an AWS secret key",
            b"SECRET",
            rb"AWS_SECRET(_ACCESS)?_KEY[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
        ),
        *(("a token of GitHub", b"gh%c_" % kind, rb"gh%c_[A-Za-z0-9]{36,}" % kind) for kind in b"pousr"),
        ("a token of GitHub", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{60,}"),
        ("a token of GitLab", b"glpat-", rb"glpat-[A-Za-z0-9_-]{20,}"),
        ("a token of Hugging Face", b"hf_", rb"hf_[A-Za-z0-9]{34,}"),
        ("a key of NVIDIA's catalogue", b"nvapi-", rb"nvapi-[A-Za-z0-9_-]{60,}"),
        ("a token of Slack", b"xox", rb"xox[abeoprs]-[A-Za-z0-9-]{20,}"),
        ("a key of an AI service", b"sk-", rb"sk-(ant-|proj-)?[A-Za-z0-9_-]{40,}"),
        ("a key of Google", b"AIza", rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
        (
            "a signed token",
            b"eyJ",
            rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",
        ),
        ("a client key of a kubeconfig", b"client-key-data", rb"client-key-data:\s*[A-Za-z0-9+/=]{40,}"),
        (
            "a login of a container registry",
            b'"auths"',
            rb"\"auths\"\s*:\s*\{[^}]{0,400}\"auth\"\s*:\s*\"[A-Za-z0-9+/=]{8,}\"",
        ),
    )
)


def secret_file(path: str) -> str | None:
    """What a file of this path (with slashes) is by its name, such as ``a kubeconfig``; None for all others."""
    name = path.rsplit("/", 1)[-1]
    if name in _HARMLESS:
        return None
    for kind, ending in _PATHS.items():
        if f"/{path}".endswith(f"/{ending}"):
            return kind
    return next((kind for kind, names in _NAMES.items() if names.match(name)), None) if _ANY_NAME.match(name) else None


def secret_lines(content: bytes) -> list[tuple[int | None, str]]:
    """Line and kind of everything in a text that looks like a credential; nothing in what is no text."""
    if b"\0" in content[:_LOOKED_AT]:
        return []
    found: set[tuple[int, str]] = set()
    for kind, hint, pattern in _PATTERNS:
        if hint in content:
            found |= {
                (content.count(b"\n", 0, each.start()) + 1, kind)
                for each in pattern.finditer(content)
                if hint == b"PRIVATE KEY" or not content[each.start() - 1 : each.start()].isalnum()
            }
    return t.cast("list[tuple[int | None, str]]", sorted(found))
