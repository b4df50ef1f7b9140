"""Sending the notifications of the outbox: composing messages, and handing them to Apprise."""
