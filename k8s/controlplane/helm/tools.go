//go:build tools

// Package tools names the programs that this module pins; nothing imports it.
package tools

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
