"""The way to the database: the only package that speaks PostgREST."""
