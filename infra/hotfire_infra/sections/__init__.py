"""Sections of `service.yaml` for the doors: plain values that every layer may read."""
