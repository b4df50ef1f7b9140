"""What every endpoint shares: kinds of fields, the entry of an endpoint, kinds of callers."""
