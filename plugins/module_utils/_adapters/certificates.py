# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates of webhooks, by the library ``cryptography``, which Ansible itself brings."""

from __future__ import annotations

import datetime
import typing as t

from .._domain.errors import Unavailable

__all__ = ("Issued", "issue", "usable")

_CLOCKS_DIFFER = datetime.timedelta(minutes=5)
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


class Issued(t.NamedTuple):
    """PEM. ``key`` is a secret."""

    ca: str
    certificate: str
    key: str


def issue(names: t.Sequence[str], days: int) -> Issued:
    """A certificate for DNS names of one server, signed by an authority whose key nobody keeps; with what RFC 5280 asks of both."""
    x509, hashes, serialization, ec = _library()
    now = datetime.datetime.now(datetime.timezone.utc)
    until = now + datetime.timedelta(days=days)

    def name(text: str) -> t.Any:
        # A common name has at most 64 characters; the DNS names are what counts.
        return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text[:64])])

    def begin(subject: str, issuer: str, key: t.Any) -> t.Any:
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key)
        return (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCKS_DIFFER)
            .not_valid_after(until)
        )

    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # Different from the server's within the first 64 characters too: a certificate whose issuer has its own name counts as self-signed.
    title = f"authority of {names[0]}"

    def usage(allowed: str) -> t.Any:
        return x509.KeyUsage(**{**dict.fromkeys(_USAGES, False), allowed: True})

    known_as = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_as)
    ca = (
        begin(title, title, authority.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage("key_cert_sign"), critical=True)
        .add_extension(known_as, critical=False)
        .sign(authority, hashes.SHA256())
    )
    certificate = (
        begin(names[0], title, server.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(usage("digital_signature"), critical=True)
        .add_extension(signed_by, critical=False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = server.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return Issued(ca.public_bytes(pem).decode(), certificate.public_bytes(pem).decode(), key.decode())


def usable(issued: Issued, names: t.Sequence[str], days_left: int) -> str:
    """Empty where the certificate serves these names and is good for longer than ``days_left``, else why not."""
    x509, _hashes, _serialization, _ec = _library()
    try:
        found = x509.load_pem_x509_certificate(issued.certificate.encode())
        x509.load_pem_x509_certificate(issued.ca.encode())
        covered = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        missing = set(names) - set(covered.get_values_for_type(x509.DNSName))
    except (ValueError, x509.ExtensionNotFound) as error:
        return f"cannot be read: {error}"
    if missing:
        return f"is not for {', '.join(sorted(missing))}"
    # Old releases of the library know only the naive form.
    end = getattr(found, "not_valid_after_utc", None) or found.not_valid_after.replace(tzinfo=datetime.timezone.utc)
    left = end - datetime.datetime.now(datetime.timezone.utc)
    return f"ends in {left.days} days" if left <= datetime.timedelta(days=days_left) else ""


def _library() -> tuple[t.Any, t.Any, t.Any, t.Any]:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise Unavailable(
            f"cannot make a certificate: {error}", cure="install it where the module runs: pip install cryptography"
        ) from error
    return x509, hashes, serialization, ec
