# `make help` names the targets. Each tier of the tests is a target of its own and makes what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(abspath $(VENV))/bin
REQUIREMENTS := requirements.txt requirements-events.txt requirements-dev.txt meta/ee-requirements.txt
DIGEST := $(shell cat $(REQUIREMENTS) | cksum | cut -d' ' -f1)
VENV_STAMP := $(VENV)/complete-$(DIGEST)
RUN_STAMP := .build/run/complete-$(DIGEST)
LINK := .build/ansible_collections/mlops/serving
TREE := .build/tree-build/ansible_collections/mlops/serving
# What people run needs no linters: the small environment, unless the big one is there.
PLAYBOOK = $(if $(wildcard $(VENV_STAMP)),$(VENV),.build/run)/bin/ansible-playbook
# The cluster's tool needs nothing but the standard library: a fresh clone starts a cluster without a virtual environment.
CLUSTER_PYTHON = $(if $(wildcard $(VENV_STAMP)),$(BIN)/python,python3)
# What tests/cluster asks for by its marks.
export CLUSTER_TEST_GROUPS ?= all
# Three tiers, so that no lane waits for one that is much longer.
WORKER_TESTS := $(addprefix tests/integration/,events faults playbooks reconcile worker_role)
DOOR_TESTS := $(addprefix tests/integration/,awx ci docs doors kubeflow)
export PATH := $(BIN):$(PATH)

.PHONY: help venv
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(VENV_STAMP) $(LINK) ## the virtual environment .venv with everything that tests and tools need

$(VENV_STAMP): | $(LINK)
	@tools/dev/make-venv $(VENV) $@ -r requirements-dev.txt

$(RUN_STAMP): | $(LINK)
	@tools/dev/make-venv .build/run $@ -r requirements.txt 'ansible-core>=2.16' 'python-dateutil<3'

$(LINK):
	@tools/dev/link-collection

.PHONY: run-venv
run-venv: $(if $(wildcard $(VENV_STAMP)),,$(RUN_STAMP)) $(LINK)

# For people

.PHONY: demo demo-down dev-stack dev-stack-down
demo: run-venv ## publish, deploy and change a model on this machine, in simulate: no cluster, no Docker
	@$(PLAYBOOK) examples/demo/demo.yml -e dev_stack_folder=$(CURDIR)/.build/demo

demo-down: run-venv ## remove what the demo keeps for its next run
	@$(PLAYBOOK) playbooks/dev_stack.yml -e dev_stack_folder=$(CURDIR)/.build/demo -e dev_stack_state=absent -e dev_stack_remove_data=true

dev-stack: run-venv ## start Postgres, S3 and NATS JetStream on loopback ports
	@$(PLAYBOOK) playbooks/dev_stack.yml

dev-stack-down: run-venv ## stop them; their data stay
	@$(PLAYBOOK) playbooks/dev_stack.yml -e dev_stack_state=absent

# Tests

.PHONY: test test-cluster cluster-test-build lint sanity importer unit integration integration-worker integration-doors molecule molecule-cluster bench judge-table soak soak-faults scale soak-install pictures test-upgrade demo-twice oldest resolve kubeflow-test environments images test-matrix
test: venv ## every tier, several at a time, with a table at the end; TIERS="unit lint" for some
	@$(BIN)/python tools/dev/run_tiers.py $(TIERS)

test-cluster: cluster-test-build ## the tests on a real Kubernetes with a real KServe; builds what is missing first
	@tools/dev/cluster-tests

cluster-test-build: venv ## build what the cluster's tests need, start nothing
	@mkdir -p .build && flock .build/cluster-build.lock $(BIN)/python -m tools.cluster build --groups $(CLUSTER_TEST_GROUPS)

lint: venv ## ruff, mypy, yamllint, ansible-lint, documentation and changelog
	@tools/dev/lint

sanity: venv ## ansible-test sanity without ignore files (its shellcheck test where that program is installed)
	@tools/dev/sanity

importer: venv ## build the collection and let Galaxy's importer judge it
	@tools/dev/importer

unit: venv ## pure logic, modules and tools, without any server
	@$(BIN)/pytest tests/unit $(wildcard tools/cluster/tests)

integration: venv ## real Postgres, S3 and Triton
	@$(BIN)/pytest tests/integration $(patsubst %,--ignore %,$(WORKER_TESTS) $(DOOR_TESTS)) --durations 15 --durations-min 5

integration-worker: venv ## real Postgres, NATS JetStream and ansible-rulebook: events, faults, the worker and its playbooks
	@$(BIN)/pytest $(WORKER_TESTS) --durations 15 --durations-min 5

integration-doors: venv ## what people run it from: AWX's jobs, pipelines of CI and of Kubeflow, and the documentation's commands
	@$(BIN)/pytest $(DOOR_TESTS) --durations 15 --durations-min 5

molecule: venv ## each role: converge, idempotence, verify, cleanup
	@tools/dev/molecule

molecule-cluster: cluster-test-build ## the same for the roles that write to a cluster, on one of Kubernetes alone (about 10 minutes; not part of test)
	@tools/dev/molecule-cluster

bench: venv ## the figures of docs/benchmarks.md
	@$(BIN)/python -m tools.bench

judge-table: venv ## the judges' table of docs/judge.md, by simulation (about 6 minutes)
	@$(BIN)/python -m tools.judge

soak: venv cluster-test-build ## roll-outs on the real cluster under constant load, measured (about 45 minutes)
	@$(BIN)/python -m tools.soak

soak-faults: venv cluster-test-build ## the tests of faults 20 times, locally and on the real cluster, counted (about an hour)
	@$(BIN)/python -m tools.soak.faults

scale: venv ## 1,000 and 10,000 endpoints on a real API server, others beside it (a cluster of its own; about 15 minutes)
	@CLUSTER_TEST_GROUPS=kserve $(MAKE) --no-print-directory cluster-test-build
	@$(BIN)/python -m tools.scale

soak-install: cluster-test-build ## install each mode on a bare cluster, killed once in each role
	@MLOPS_INSTALL_SOAK=true $(BIN)/pytest tests/cluster/test_install.py tests/cluster/test_guardrails.py -rA

pictures: venv ## docs/images: the console and the report of a canary that is played in simulate (needs Debian's chromium)
	@$(BIN)/python -m tools.pictures

test-upgrade: export CLUSTER_TEST_GROUPS := all,kserve-previous
test-upgrade: cluster-test-build ## KServe upgraded from an older release while endpoints serve, on a bare cluster (not part of test; builds that release first)
	@$(BIN)/pytest tests/cluster/test_upgrade.py -rA

demo-twice: ## the demo, run twice as a newcomer would
	@tools/dev/demo-twice

environments: venv ## the definitions of both environments read by ansible-builder, their packages installed and imported, no image built
	@$(BIN)/python tools/dev/environments.py .build/environments

images: venv ## both environments as images, mlops-serving-ee and mlops-serving-de, where Docker or Podman is there
	@$(BIN)/python tools/dev/environments.py .build/environments images

resolve: venv ## what pip makes of the floors, without limits from here
	@tools/dev/resolve

oldest: $(LINK) ## modules, store and bucket with the oldest ansible-core and the oldest clients
	@MATRIX_TESTS="tests/unit/ansible tests/unit/adapters tests/integration/store tests/integration/artifacts" tools/dev/matrix 3.10,3.11,3.12:2.16:oldest

test-matrix: $(LINK) ## plugins, store, bucket and a playbook on ansible-core 2.16, 2.19, 2.20 and 2.21, with the oldest and the newest clients
	@tools/dev/matrix

.PHONY: test-awx
test-awx: venv ## the definitions for AWX against awx.awx itself (fetches a wheel of 53 MB; not part of test, which reads a table of its options)
	@$(BIN)/python -m tools.awx.options --check
	@$(BIN)/pytest tests/unit/awx tests/integration/awx

.PHONY: test-install-oldest
test-install-oldest: $(LINK) cluster-test-build ## both modes installed by the oldest ansible-core that is supported, on a bare cluster (not part of test)
	@MATRIX_CLUSTER="tests/cluster/test_install.py -rA" tools/dev/matrix 3.10:2.16

.PHONY: kubeflow-test
kubeflow-test: ## the SDK of Kubeflow Pipelines reads kubeflow/pipelines, in an environment of its own
	@tools/dev/make-venv .build/kubeflow .build/kubeflow/complete-$(shell cksum < requirements-kubeflow.txt | cut -d' ' -f1) -r requirements-kubeflow.txt
	@.build/kubeflow/bin/pytest tests/kubeflow

.PHONY: build clean
build: venv ## the collection as a tarball, in .build
	@tools/dev/copy-tree build
	@$(BIN)/ansible-galaxy collection build --force --output-path .build $(TREE)

clean: ## remove .build and .venv
	@tools/dev/clean

-include tools/cluster/cluster.mk
