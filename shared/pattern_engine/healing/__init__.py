"""Healing errors: from the webhook or a call to the run of an approved fix, and back."""
