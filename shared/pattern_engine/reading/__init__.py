"""Reading an error as it was logged: `reading.read` returns the root error of a text."""
