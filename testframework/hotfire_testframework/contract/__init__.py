"""The shared floor of all rooms: identifiers, stream, tasks, exit codes; standard library only."""
