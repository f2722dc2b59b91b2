"""Command trees of their own: a word, then a verb."""
