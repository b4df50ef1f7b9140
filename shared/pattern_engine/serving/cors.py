"""Cross-origin requests: only scripts of the allowed origins can read the answers.

The engine reads no cookies, so it never sends `Access-Control-Allow-Credentials`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Request, Response

# The headers that supabase-js sends, and the request id.
ALLOWED_HEADERS = "authorization, apikey, content-type, x-client-info, x-region, x-request-id"
EXPOSED_HEADERS = "x-request-id, retry-after"
PREFLIGHT_SECONDS = 600


def add_headers(
    request: Request,
    response: Response,
    methods: tuple[str, ...],
    allowed_origins: frozenset[str],
) -> None:
    """Allow the origin of a request to read the answer if it is an allowed origin."""
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("origin")
    if origin is None or allowed_origins.isdisjoint({origin, "*"}):
        return
    response.headers["Access-Control-Allow-Origin"] = "*" if "*" in allowed_origins else origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
