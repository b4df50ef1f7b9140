"""Deciding on fixes: proposals, previews, approval and suggestions."""
