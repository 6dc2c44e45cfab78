# A real Kubernetes with a real KServe on this machine; see docs/cluster.md.
CLUSTER_PYTHON ?= python3
CLUSTER_NAME ?= main
CLUSTER_GROUPS ?= base,knative,kserve,triton

.PHONY: cluster cluster-down cluster-status cluster-build

cluster: ## bring up a real cluster with KServe (builds what is missing first)
	@$(CLUSTER_PYTHON) -m tools.cluster up --name $(CLUSTER_NAME) --groups $(CLUSTER_GROUPS)

cluster-down: ## stop it and leave nothing of it running
	@$(CLUSTER_PYTHON) -m tools.cluster down --name $(CLUSTER_NAME)

cluster-status: ## say what runs
	@$(CLUSTER_PYTHON) -m tools.cluster status --name $(CLUSTER_NAME)

cluster-build: ## build everything the cluster needs, start nothing
	@$(CLUSTER_PYTHON) -m tools.cluster build --groups $(CLUSTER_GROUPS)
