"""Fixes of type sql: Postgres' own parser reads them, and Postgres itself runs them."""
