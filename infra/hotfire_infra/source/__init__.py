"""The source stamp: what is under test, as a commit, a patch digest and one archive."""
