"""What the recorded results mean: gate, comparison, coverage, headline and the report of a run."""
