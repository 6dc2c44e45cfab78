module mlops.serving/tools/cluster/kyverno

go 1.26.0

require github.com/kyverno/kyverno v1.18.2
