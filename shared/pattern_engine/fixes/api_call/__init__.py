"""Fixes of type api_call: one HTTP request, described in JSON."""
