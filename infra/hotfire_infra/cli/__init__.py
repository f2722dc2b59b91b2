"""The command line `hotfire`: one file per verb, one place for errors, one for output."""
