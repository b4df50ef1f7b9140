"""Serve every function of a project on one port, as Supabase serves edge functions.

`gunicorn "pattern_engine.local.functions:create_application('/project/functions')"`. Each folder's
`main.py` is loaded by functions-framework and mounted under the folder's name, with underscores
and with hyphens: `/pattern_analyzer` and `/pattern-analyzer`.
"""

import json
import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import functions_framework

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)
Body = Iterable[bytes]


def create_application(directory: str) -> "WSGIApplication":
    """Return one application for all functions in a directory.

    A function that cannot be loaded answers 503; the others work. The root path lists the
    functions, and those that failed with the reason.
    """
    mounts: dict[str, WSGIApplication] = {}
    failed: dict[str, str] = {}
    for source in sorted(Path(directory).glob("*/main.py")):
        name = source.parent.name
        try:
            application = _load(source)
        except (Exception, SystemExit) as error:  # noqa: BLE001  the code of a function may raise anything; it is logged
            logger.error("function %s cannot be loaded:\n%s", name, traceback.format_exc())  # noqa: TRY400
            failed[name] = f"{type(error).__name__}: {error}"
            application = _unavailable(name)
        mounts[name] = mounts[name.replace("_", "-")] = application
    return _Host(mounts, failed)


def _load(source: Path) -> "WSGIApplication":
    application: WSGIApplication = functions_framework.create_app("main", str(source), "http")  # type: ignore[no-untyped-call]
    return application


class _Host:
    """Passes each request to the function that its path names."""

    def __init__(self, mounts: "dict[str, WSGIApplication]", failed: dict[str, str]) -> None:
        self._mounts = mounts
        self._failed = failed

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Body:
        name, _, rest = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        mounted = self._mounts.get(name)
        if mounted:
            environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{name}"
            environ["PATH_INFO"] = f"/{rest}"
            return mounted(environ, start_response)
        if not name:
            shown = {"functions": sorted(self._mounts), "failed": self._failed}
            return _json(start_response, "200 OK", shown)
        shown = {"code": "NOT_FOUND", "message": f"Requested function was not found: {name}"}
        return _json(start_response, "404 Not Found", shown)


def _unavailable(name: str) -> Callable[["WSGIEnvironment", "StartResponse"], Body]:
    """Return an application that answers 503 for a function that cannot be loaded."""

    def answer(_: "WSGIEnvironment", start_response: "StartResponse") -> Body:
        message = f"Function {name} could not be loaded; the reason is in functions.log"
        shown = {"code": "BOOT_ERROR", "message": message}
        return _json(start_response, "503 Service Unavailable", shown)

    return answer


def _json(start_response: "StartResponse", status: str, shown: object) -> Body:
    body = json.dumps(shown).encode()
    length = str(len(body))
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", length)])
    return [body]
