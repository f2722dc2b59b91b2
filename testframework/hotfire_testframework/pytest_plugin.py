"""Stream pytest outcomes as Hotfire events."""
