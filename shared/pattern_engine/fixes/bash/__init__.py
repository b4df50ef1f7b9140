"""Fixes of type bash: read without being run, and run in a box that holds nothing of the host."""
