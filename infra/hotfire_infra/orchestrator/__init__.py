"""The orchestrator: leases, folds, retries and the end of a run."""
