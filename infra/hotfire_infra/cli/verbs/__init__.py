"""One file per verb; each returns its exit code."""
