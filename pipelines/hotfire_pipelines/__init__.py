"""What Hotfire tests: pipelines, matrices and the frozen plan."""
