"""How learning goes: clusters of patterns, and figures."""
