"""Fixes of type typescript: Deno reads them and runs them, with no permission but to fetch."""
