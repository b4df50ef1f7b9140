"""Overviews of the learned patterns: clusters and statistics."""
