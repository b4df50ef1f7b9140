"""Whether a condition holds for every row: what a script touches without naming it."""
