"""Fixes of type sql: Postgres' own parser analyses them, and Postgres runs them."""
