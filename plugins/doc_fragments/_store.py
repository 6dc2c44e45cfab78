# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module reaches the store (Postgres)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - Address of the store, the Postgres database of the platform, as a URL such as C(postgresql://user:secret@host:5432/mlops).
      - A driver in the scheme, as in C(postgresql+asyncpg), is ignored.
      - The other options of the store take the place of the parts of this URL.
      - If neither this option nor O(login_host) nor O(login_unix_socket) is set, the environment variable E(DATABASE_URL) is used.
      - What is still missing is taken from libpq's own variables such as E(PGHOST), E(PGPORT), E(PGUSER), E(PGPASSWORD) and E(PGDATABASE),
        and from its password file.
    type: str
  login_host:
    description: Host of the store. See O(database_url) for what is used when it is not set.
    type: str
  login_port:
    description: Port of the store.
    type: int
  login_user:
    description: Role to log in to the store with.
    type: str
    aliases: [login]
  login_password:
    description: Password of O(login_user).
    type: str
  login_db:
    description: Name of the database that holds the platform's tables.
    type: str
    aliases: [db]
  login_unix_socket:
    description: Folder of the store's Unix socket, for a server on the same machine.
    type: path
  login_ca_cert:
    description:
      - Certificate authorities that may sign the store's certificate.
      - The name differs from C(community.postgresql), because O(ca_cert) is the cluster's.
    type: path
    aliases: [ssl_rootcert]
  ssl_mode:
    description: How the connection to the store is encrypted and verified, in libpq's words.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
  ssl_cert:
    description: Client certificate for the store.
    type: path
  ssl_key:
    description: Private key of O(ssl_cert).
    type: path
  connect_params:
    description:
      - Further libpq connection parameters by name, such as C(target_session_attrs).
      - A password does not belong here. Use O(login_password), which is never logged.
    type: dict
requirements:
  - psycopg2-binary >= 2.9.9
"""
