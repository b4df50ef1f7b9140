"""Takes a second."""

import time

import flask


def main(_request: flask.Request) -> str:
    """Answer late."""
    time.sleep(1)
    return "at last"
