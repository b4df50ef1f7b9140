"""Running approved fixes for errors that the webhook or a caller reports, and undoing runs."""
