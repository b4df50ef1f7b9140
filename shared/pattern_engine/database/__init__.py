"""The client of the database; no other package calls PostgREST."""
