"""Tells what it was asked."""

import os

import flask


def main(request: flask.Request) -> flask.Response:
    """Answer with the parts of the request, and with a header of its own."""
    answer = flask.jsonify(
        method=request.method,
        path=request.path,
        query=request.args,
        body=request.get_data(as_text=True),
        authorization=request.headers.get("authorization"),
        variables=sorted(name for name in os.environ if "SUPABASE" in name or "PATTERN" in name),
        url=os.environ["SUPABASE_URL"],
    )
    answer.headers["access-control-allow-origin"] = "https://app.example"
    return answer
