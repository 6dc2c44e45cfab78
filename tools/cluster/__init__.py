"""A real Kubernetes with a real KServe on one Linux machine: built from Go modules, run in one network namespace."""
