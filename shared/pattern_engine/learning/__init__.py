"""Learning from errors: what is seen, what it is like, and counting it."""
