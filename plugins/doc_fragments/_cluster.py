# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module reaches the Kubernetes cluster."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig of the cluster.
      - The order is argument, environment, kubeconfig, in-cluster service account.
      - Also read from E(K8S_AUTH_KUBECONFIG).
    type: path
  context:
    description: Context of O(kubeconfig) to use. Also read from E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description: URL of the API server. Also read from E(K8S_AUTH_HOST).
    type: str
  api_key:
    description: Token for the API server. Also read from E(K8S_AUTH_API_KEY).
    type: str
  username:
    description: User for basic authentication at the API server. Also read from E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password of O(username). Also read from E(K8S_AUTH_PASSWORD).
    type: str
  client_cert:
    description: Client certificate for the API server. Also read from E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: Private key of O(client_cert). Also read from E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Certificate authorities that may sign the API server's certificate. Also read from E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether the certificates of the API server and of the object store are verified. They are unless this is V(false).
      - For the API server, E(K8S_AUTH_VERIFY_SSL) is read when this is not set. It has no effect on the object store.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description: Proxy to reach the API server through. Also read from E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description: Comma separated hosts to reach without O(proxy). Also read from E(K8S_AUTH_NO_PROXY).
    type: str
  impersonate_user:
    description: User to act as at the API server. Also read from E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description: Groups to act as at the API server. Also read from E(K8S_AUTH_IMPERSONATE_GROUPS).
    type: list
    elements: str
"""
