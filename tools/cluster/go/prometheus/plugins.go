// Package plugins registers the discoveries that a cluster needs; upstream's own list brings in every cloud's client.
package plugins

import (
	_ "github.com/prometheus/prometheus/discovery/dns"
	_ "github.com/prometheus/prometheus/discovery/kubernetes"
)
