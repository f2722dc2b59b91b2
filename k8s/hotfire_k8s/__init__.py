"""Kubernetes around Hotfire: a control plane on this machine, its simulated and real nodes, images."""
