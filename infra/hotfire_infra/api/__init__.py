"""The HTTP API: the same answers as the CLI and the pages, for programs."""
