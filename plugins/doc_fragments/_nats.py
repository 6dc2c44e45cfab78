# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How to reach NATS; the same words as those of the event source."""

    DOCUMENTATION = r"""
options:
  nats_servers:
    description: URLs of NATS servers. E(NATS_URL) where this is not given. Nothing is published without either.
    type: list
    elements: str
  nats_user:
    description: User, with O(nats_password), where the URL has none.
    type: str
  nats_password:
    description: Password of O(nats_user).
    type: str
  nats_token:
    description: Token, in the place of user and password.
    type: str
  nats_credentials_file:
    description: File of credentials (C(.creds)) with a user's JWT and seed.
    type: path
  nats_nkey_seed_file:
    description: File with the seed of an NKey.
    type: path
  nats_tls_ca_file:
    description: Certificate authorities that may sign the server's certificate.
    type: path
  nats_tls_cert_file:
    description: Certificate of this client.
    type: path
  nats_tls_key_file:
    description: Its key.
    type: path
"""
