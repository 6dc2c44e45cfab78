"""What `reconcile` and the modules cost: `python -m tools.bench` prints the tables of docs/benchmarks.md."""
