"""Steering the grouping: merge, split, confirm, life cycle, rules, similar patterns; explaining."""
