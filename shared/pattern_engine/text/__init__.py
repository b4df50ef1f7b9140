"""Scrubbing texts, parsing strict JSON, and what Postgres can store."""
