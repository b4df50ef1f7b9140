"""Serving the endpoints over HTTP."""
