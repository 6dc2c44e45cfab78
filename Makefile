# `make help` names the targets. Each tier of the tests is a target of its own and makes what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(abspath $(VENV))/bin
REQUIREMENTS := requirements.txt requirements-events.txt requirements-dev.txt meta/ee-requirements.txt
VENV_STAMP := $(VENV)/complete-$(shell cat $(REQUIREMENTS) | cksum | cut -d' ' -f1)
LINK := .build/ansible_collections/mlops/serving
TREE = .build/tree/ansible_collections/mlops/serving

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV_STAMP) $(LINK) ## the virtual environment .venv with everything that tests and tools need

$(VENV_STAMP): | $(LINK)
	@tools/dev/make-venv $(VENV) $@ requirements-dev.txt

$(LINK):
	@tools/dev/link-collection

.PHONY: unit
unit: venv ## pure logic, modules and tools, without any server
	$(BIN)/pytest tests/unit $(wildcard tools/cluster/tests)

.PHONY: integration
integration: venv ## real Postgres, NATS JetStream, S3 and Triton
	$(BIN)/pytest tests/integration

-include tools/cluster/cluster.mk
