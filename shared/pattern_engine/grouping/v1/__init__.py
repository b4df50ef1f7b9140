"""Grouping algorithm "grouping/v1": the specification's normalisation, made exact."""
