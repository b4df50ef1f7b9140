"""Loads that take minutes, on a local stack whose parts are killed meanwhile."""
