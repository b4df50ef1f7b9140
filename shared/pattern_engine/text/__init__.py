"""Text as it is taken, scrubbed and stored."""
