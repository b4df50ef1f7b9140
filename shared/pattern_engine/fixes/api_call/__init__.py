"""Fixes of type api_call: one HTTP request, written down as JSON."""
