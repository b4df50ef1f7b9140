"""Grouping algorithm "grouping/v2": a template is a function of its message alone."""
