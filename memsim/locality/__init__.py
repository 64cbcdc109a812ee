"""Cost models of scalar programs, in which what a word costs is how far away it lies."""
