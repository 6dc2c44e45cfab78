#!/usr/bin/env bash
# upload-to-minio.sh: publishes the example add_sub to the MinIO of a development setup. Arguments go to ansible-playbook.
# Another address or key: set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ -x tools/dev/link-collection ]]; then tools/dev/link-collection; fi
export PATH="$PWD/.venv/bin:$PATH"
export AWS_ENDPOINT_URL="${AWS_ENDPOINT_URL:-http://127.0.0.1:9000}"
export AWS_ACCESS_KEY_ID="${AWS_ACCESS_KEY_ID:-${MINIO_ROOT_USER:-minioadmin}}"
export AWS_SECRET_ACCESS_KEY="${AWS_SECRET_ACCESS_KEY:-${MINIO_ROOT_PASSWORD:-minioadmin}}"
export AWS_REGION="${AWS_REGION:-us-east-1}"
exec ansible-playbook playbooks/upload_triton.yml \
  -e '{"triton_repository_alias": "triton/add_sub", "triton_repository_create_bucket": true}' "$@"
