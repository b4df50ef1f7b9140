"""Steering the grouping: merge, split, confirm, life cycle, grouping rules, similar patterns."""
