# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module reaches the object store (S3)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  endpoint_url:
    description:
      - URL of the object store, where it is not AWS itself.
      - Also read from E(AWS_ENDPOINT_URL_S3), E(AWS_ENDPOINT_URL), E(AWS_URL) and E(S3_URL).
    type: str
    aliases: [aws_endpoint_url, s3_url]
  access_key:
    description: Access key of the object store. Also read from E(AWS_ACCESS_KEY_ID) and E(AWS_ACCESS_KEY).
    type: str
    aliases: [aws_access_key_id, aws_access_key]
  secret_key:
    description: Secret of O(access_key). Also read from E(AWS_SECRET_ACCESS_KEY) and E(AWS_SECRET_KEY).
    type: str
    aliases: [aws_secret_access_key, aws_secret_key]
  session_token:
    description: Session token of temporary credentials. Also read from E(AWS_SESSION_TOKEN).
    type: str
    aliases: [aws_session_token]
  profile:
    description: Profile of the AWS configuration to use. Also read from E(AWS_PROFILE) and E(AWS_DEFAULT_PROFILE).
    type: str
    aliases: [aws_profile]
  region:
    description: Region of the bucket. Also read from E(AWS_REGION) and E(AWS_DEFAULT_REGION).
    type: str
    aliases: [aws_region]
  aws_ca_bundle:
    description: Certificate authorities that may sign the object store's certificate. Also read from E(AWS_CA_BUNDLE).
    type: path
  addressing_style:
    description:
      - Whether the bucket is named in the path of an address (V(path)) or in its host (V(virtual)), or as boto3 thinks
        (V(auto)).
      - V(path) where O(endpoint_url) is given and this is not, as a server of one's own seldom has a host name for each
        bucket. Without either, what the AWS configuration says.
    type: str
    choices: [auto, path, virtual]
  validate_certs:
    description:
      - Whether the certificates of the API server and of the object store are verified. They are unless this is V(false).
      - For the API server, E(K8S_AUTH_VERIFY_SSL) is read when this is not set. It has no effect on the object store.
    type: bool
    aliases: [verify_ssl]
notes:
  - Every module takes the connection options of the store, of the cluster and of the object store, so that one
    C(module_defaults) entry for C(group/mlops.serving.serving) serves all. A module ignores those that it does not need.
"""
