# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: release
author:
  - mlops.serving contributors (!UNKNOWN)
version_added: 1.0.0
short_description: Find the manifests of a component that KServe needs
description:
  - Knows which versions of KServe, Knative, cert-manager, KEDA and Kyverno belong together, which of them the tests of this
    collection have run, and where their manifests are. The roles take their defaults from here.
  - Nothing is fetched.
options:
  _terms:
    description:
      - Components, each one of V(cert_manager), V(knative_serving), V(kourier), V(istio), V(net_istio), V(kserve), V(keda)
        and V(kyverno).
    type: list
    elements: str
    required: true
  version:
    description: Its version, with or without a leading C(v). Without one, the version that goes with O(kserve).
    type: str
  kserve:
    description: Version of KServe that the component goes with. The newest that is known, where this is not given.
    type: str
  knative:
    description: Version of Knative that a networking layer goes with. The one that goes with O(kserve), where this is not given.
    type: str
  manifests:
    description:
      - Folder or base address that holds C(component/version/file), with the version without a leading C(v).
      - The project's own release, where this is not given or empty.
    type: str
    default: ""
  state:
    description: With V(present), a version that cannot be used is an error, such as KServe 0.19.0.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Say what would be installed
  ansible.builtin.debug:
    msg: "{{ lookup('mlops.serving.release', 'cert_manager', 'knative_serving', 'kserve', kserve='0.18.0', wantlist=true) }}"

- name: Fetch the manifests of KServe into a folder from which a cluster without a way out is installed
  ansible.builtin.get_url:
    url: "{{ item }}"
    dest: "/srv/manifests/kserve/{{ kserve.version }}/"
    checksum: "{{ 'sha256:' ~ kserve.checksum[item] if item in kserve.checksum else omit }}"
    mode: "0644"
  loop: "{{ kserve.src }}"
  vars:
    kserve: "{{ lookup('mlops.serving.release', 'kserve') }}"
"""

RETURN = r"""
_list:
  description: One entry a component.
  type: list
  elements: dict
  contains:
    component:
      description: Its name.
      type: str
    version:
      description: Its version, without a leading C(v).
      type: str
    src:
      description: Files or addresses, in the order in which they are applied. M(mlops.serving.manifest) takes them as they are.
      type: list
      elements: str
    checksum:
      description: SHA-256 by file or address, where it is known.
      type: dict
    run_here:
      description: Whether the tests of this collection have run this version.
      type: bool
"""

import dataclasses
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._domain.errors import ServingError
from ..module_utils._domain.releases import check_installable, release


class LookupModule(LookupBase):
    def run(self, terms: t.Any, variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return [self._one(str(component)) for component in terms]
        except ServingError as error:
            raise AnsibleLookupError(str(error)) from error

    def _one(self, component: str) -> dict[str, t.Any]:
        found = release(
            component,
            self.get_option("version"),
            manifests=self.get_option("manifests") or "",
            kserve=self.get_option("kserve"),
            knative=self.get_option("knative"),
        )
        if self.get_option("state") == "present":
            check_installable(component, found.version)
        return {**dataclasses.asdict(found), "src": list(found.src), "checksum": dict(found.checksum)}
