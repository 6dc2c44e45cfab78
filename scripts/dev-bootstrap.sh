#!/usr/bin/env bash
# dev-bootstrap.sh [ANSIBLE-PLAYBOOK OPTION...]: Postgres, S3 and NATS JetStream on this machine, as playbooks/dev_stack.yml starts them.
# Stop them with: scripts/dev-bootstrap.sh -e dev_stack_state=absent
set -euo pipefail
cd "$(dirname "$0")/.."
make --no-print-directory run-venv
bin=.build/run/bin
if [ -x .venv/bin/ansible-playbook ]; then bin=.venv/bin; fi
exec "$bin/ansible-playbook" playbooks/dev_stack.yml "$@"
