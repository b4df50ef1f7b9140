"""Cannot be imported."""

raise RuntimeError("a variable is missing")
