"""The shared floor of all rooms: identifiers, stream, tasks, exit codes, metrics; standard library only, Python ≥ 3.10."""
