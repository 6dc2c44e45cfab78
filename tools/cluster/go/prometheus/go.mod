module mlops.serving/tools/cluster/prometheus

go 1.26.0

require github.com/prometheus/prometheus v0.309.1
