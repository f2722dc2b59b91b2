//go:build tools

// Package tools names the programs that this module pins; nothing imports it.
package tools

import (
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
