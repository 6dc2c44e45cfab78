# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that was made is trusted by its authority, for its names, until shortly before its end."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.certificates import Issued, issue, usable

NAMES = ("hook.n.svc", "hook.n.svc.cluster.local")


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue(NAMES, 30)


def shake_hands(issued: Issued, name: str, folder: Path) -> None:
    """TLS between a server with the certificate and a client that trusts the authority alone, in memory."""
    for file, text in (("cert", issued.certificate), ("key", issued.key)):
        (folder / file).write_text(text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert", folder / "key")
    client = ssl.create_default_context(cadata=issued.ca)
    # As Python 3.13 does by itself.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=name)
    theirs = server.wrap_bio(there, back, server_side=True)
    done = False
    while not done:
        done = True
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                done = False


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_takes_it(issued: Issued, tmp_path: Path, name: str) -> None:
    shake_hands(issued, name, tmp_path)


def test_another_name_and_another_authority_are_not_taken(issued: Issued, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(issued, "other.n.svc", tmp_path)
    stranger = issued._replace(ca=issue(NAMES, 30).ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(stranger, NAMES[0], tmp_path)


def test_a_long_service_name_is_no_hindrance(tmp_path: Path) -> None:
    name = f"{'s' * 63}.{'n' * 63}.svc"
    shake_hands(issue([name], 30), name, tmp_path)


@pytest.mark.parametrize(
    ("names", "days_left", "why"),
    [
        (NAMES, 20, ""),
        (NAMES[:1], 29, ""),
        (NAMES, 30, "ends in 29 days"),
        (("other.n.svc",), 0, "is not for other.n.svc"),
    ],
)
def test_it_is_usable_for_its_names_until_shortly_before_its_end(
    issued: Issued, names: tuple[str, ...], days_left: int, why: str
) -> None:
    assert usable(issued, names, days_left) == why


def test_what_is_no_certificate_is_not_usable(issued: Issued) -> None:
    assert usable(issued._replace(certificate="text"), NAMES, 0).startswith("cannot be read")
    assert usable(issued._replace(ca=""), NAMES, 0).startswith("cannot be read")
