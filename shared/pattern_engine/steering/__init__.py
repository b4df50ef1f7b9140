"""Steering the grouping: merging, splitting, confirming, rules and likely twins."""
