"""How Hotfire runs and records: store, ingest, executors, orchestrator, analysis, API and CLI."""
