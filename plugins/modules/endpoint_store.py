#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_store
short_description: Prepare the platform's database for this collection
version_added: 1.0.0
description:
  - Brings the schema C(serving) to what this version of the collection needs, all of it or nothing.
  - Creates the extensions C(citext) and C(pgcrypto) and the tables C(models), C(model_versions) and C(endpoints) only where they are
    missing. Tables of the platform are left as they are.
  - The role P(mlops.serving.endpoint_store#role) runs this module.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description:
      - V(absent) drops the schema C(serving) with all that the collection remembers. The platform's tables and their rows stay.
      - That is refused while endpoints are deployed on a cluster, because nobody would know of their InferenceServices any more.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
notes:
  - In check mode the migrations are run and taken back, so that a missing right shows up there too.
"""

EXAMPLES = r"""
- name: Prepare the database that DATABASE_URL names
  mlops.serving.endpoint_store:

- name: See what an upgrade of the collection would do
  mlops.serving.endpoint_store:
    database_url: postgresql://mlops@127.0.0.1:5432/mlops
  check_mode: true
"""

RETURN = r"""
migrations:
  description: Names of the migrations that were applied, in order.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [deployment, intent]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._adapters.migrations import migrate, remove
from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.connections import open_store
from ..module_utils._ansible.module import Result, diff, run

SPEC = serving_spec({"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}})


def work(module: AnsibleModule, result: Result) -> None:
    with open_store(module) as store:
        if module.params["state"] == "absent":
            result["changed"] = remove(store.database, dry_run=module.check_mode)
            before, after = {"schema": "serving"} if result["changed"] else {}, {}
        else:
            result["migrations"] = migrate(store.database, dry_run=module.check_mode)
            result["changed"] = bool(result["migrations"])
            before, after = {}, {"migrations": result["migrations"]} if result["changed"] else {}
    if module._diff:
        result["diff"] = diff(before, after, header="schema serving")


def main() -> t.NoReturn:
    run(SPEC, work)


if __name__ == "__main__":
    main()
