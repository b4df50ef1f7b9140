"""Static analysis of an api_call: one HTTP request, as JSON.

    {"method": "POST", "url": "https://api.example.com/v1/orders",
     "query": {"source": {"error": "source"}},
     "headers": {"Authorization": {"secret": "orders_key", "prefix": "Bearer "}},
     "body": {"order": {"error": "captured.order_id"}, "queue": {"param": "queue"}},
     "expect_status": [200, 409]}

Only `method` and `url` are required. The parameters are put in first (`references`), and the whole
is then looked at as it will run; `prepared_script` is that in its one form.

Two parameters are read beside those that the request names: `allowed_hosts` (required; see
`urls.AllowedHosts`), and `idempotent`, true where the server honours the header Idempotency-Key.

The check is one of several brakes: what a host's name resolves to is checked when it runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from pattern_engine.fixes.analysis import MAX_BYTES, Analysis, Finding, unreadable
from pattern_engine.fixes.api_call.headers import header_findings, is_form
from pattern_engine.fixes.api_call.references import (
    ERROR_NAME,
    ReferenceRefusedError,
    is_error,
    is_secret,
    references,
    with_parameters,
)
from pattern_engine.fixes.credentials import credential_by_name, literal_credential
from pattern_engine.fixes.urls import AllowedHosts, Place, RefusedUrlError, read_url
from pattern_engine.text import strict_json

if TYPE_CHECKING:
    from pattern_engine.fixes.addresses import Network

__all__ = ["BODILESS", "analyse"]

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
BODILESS: Final = "GET"
_KEYS: Final = frozenset({"method", "url", "query", "headers", "body", "expect_status"})
_CREDENTIAL_KEYS: Final = frozenset(
    {
        *("password", "passwd", "pwd", "passphrase", "secret", "clientsecret", "token", "jwt"),
        *("apikey", "accesstoken", "authtoken", "bearertoken", "refreshtoken", "idtoken"),
        *("privatekey", "accesskey", "secretkey", "secretaccesskey", "authorization"),
        *("sig", "signature", "xamzsignature", "xamzsecuritytoken"),
    }
)
_NOT_LETTERS: Final = re.compile(r"[^a-z]")


def analyse(
    script: str,
    parameters: Mapping[str, object] | None = None,
    networks: Collection[Network] = (),
) -> Analysis:
    """Analyse a script under an approval's parameters.

    `networks` are those that the settings of a deployment open beside the public Internet. With
    any of them, local names may stand in the script too; the executor looks at their addresses.
    """
    reader = _Reader(parameters or {}, networks)
    request = reader.read(script)
    place, hosts = reader.place, reader.hosts
    method = request.get("method")
    operations = (f"{method} {place.url.partition('?')[0]}",) if method and place else ()
    return Analysis(
        prepared_script="" if reader.findings else _written(request),
        findings=tuple(dict.fromkeys(reader.findings)),
        operations=operations,
        destructive=tuple(line for line in operations if line.startswith("DELETE ")),
        hosts=hosts,
        secrets=tuple(sorted({value["secret"] for value in _secrets(request.get("headers"))})),
    )


def _written(request: Mapping[str, object]) -> str:
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _secrets(headers: object) -> Iterator[Mapping[str, str]]:
    if isinstance(headers, dict):
        for value in headers.values():
            if is_secret(value) and isinstance(value["secret"], str):
                yield value


@dataclass
class _Reader:
    """Reads a request part by part, brings each into its one form, and notes what is wrong."""

    parameters: Mapping[str, object]
    networks: Collection[Network]
    findings: list[Finding] = field(default_factory=list)
    place: Place | None = None
    hosts: tuple[str, ...] = ()

    def read(self, script: str) -> dict[str, Any]:
        """Return the request in its one form; of no use if there are findings."""
        given = self._parsed(script) if self._parameters() else None
        if given is None:
            return {}
        request: dict[str, Any] = {"method": self._method(given.get("method"))}
        self._url(given.get("url"), request)
        for key, form in (
            ("query", self._query),
            ("headers", self._headers),
            ("expect_status", self._expect_status),
        ):
            if given.get(key) not in (None, {}):
                request[key] = form(given[key])
        if given.get("body") is not None:
            request["body"] = given["body"]
            self._body(request)
        self._literals({key: request.get(key) for key in ("query", "body")})
        return request

    def _refuse(self, rule: str, message: str) -> None:
        self.findings.append(Finding(rule, message))

    def _parameters(self) -> bool:
        """Look at the parameters; return whether they can be read at all."""
        try:
            strict_json.parse(json.dumps(self.parameters))
        except (RecursionError, TypeError, ValueError) as problem:
            self._refuse("parameters", f"the parameters are not the JSON expected: {problem}")
            return False
        if not isinstance(self.parameters.get("idempotent", False), bool):
            self._refuse("parameters", "the parameter idempotent is neither true nor false")
        self._literals(self.parameters, "a parameter")
        return True

    def _parsed(self, script: str) -> dict[str, Any] | None:
        """Return the JSON object that a script is, with its parameters; None if it is none."""
        if problem := unreadable(script):
            self.findings.append(problem)
            return None
        try:
            request = self._filled(strict_json.parse(script))
            # Once more, with the parameters in it: they may have made it large or deep.
            written = _written(request)
            strict_json.parse(written)
        except strict_json.StrictJsonError as refusal:
            self._refuse("syntax", f"the script is not the JSON that is expected: {refusal}")
            return None
        except ReferenceRefusedError as refusal:
            self._refuse("reference", str(refusal))
            return None
        if grown := unreadable(written):
            self.findings.append(grown)
            return None
        if any("\0" in text for text in _texts(request)):
            self._refuse("encoding", "the script holds a NUL character")
        return request

    def _filled(self, given: object) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise strict_json.StrictJsonError("it is no object in braces")
        self._keys(given)
        request = with_parameters(given, self.parameters, MAX_BYTES)
        return request if isinstance(request, dict) else {}

    def _keys(self, given: dict[str, object]) -> None:
        for key in sorted(given.keys() - _KEYS):
            self._refuse(
                "keys",
                f"{strict_json.shown(key)} is no part of a request, which has "
                + ", ".join(sorted(_KEYS)),
            )

    def _method(self, given: object) -> str:
        method = given.upper() if isinstance(given, str) and given.isascii() else ""
        if method not in METHODS:
            self._refuse("method", f"the method must be one of {', '.join(METHODS)}")
        return method

    def _url(self, given: object, request: dict[str, Any]) -> None:
        try:
            allowed = AllowedHosts(self.parameters.get("allowed_hosts"), self.networks)
        except RefusedUrlError as problem:
            self.findings.append(problem.finding)
            allowed = None
        if not isinstance(given, str):
            self._refuse("url", "the url must be a text; values of the error go into query")
            return
        try:
            place = read_url(given, self.networks)
        except RefusedUrlError as problem:
            self.findings.append(problem.finding)
            return
        if allowed is not None and place not in allowed:
            self._refuse("allowed_hosts", f"the host {place.authority} is not in allowed_hosts")
        self.place = place
        # Only a GET follows a redirect, to any host of the list.
        follows = allowed is not None and request["method"] == BODILESS
        self.hosts = tuple(allowed) if allowed and follows else (place.authority,)
        request["url"] = place.url
        path, _, query = place.target.partition("?")
        for part in (place.url.partition("?")[0], *path.split("/")):
            self._credential("url", "", unquote(part))
        for name, value in parse_qsl(query, keep_blank_values=True):
            self._credential("url", name, value)

    def _query(self, given: object) -> object:
        if not isinstance(given, dict):
            self._refuse("query", "query must be an object of names and values")
            return {}
        for name, value in given.items():
            if is_error(value):
                continue
            is_plain = isinstance(value, str | int | float | bool)
            if not is_plain or not name or not f"{name}{value}".isprintable():
                self._refuse(
                    "query",
                    f"{strict_json.shown(name)} in query is neither a printable text, a number, "
                    "true or false, nor a reference",
                )
        return given

    def _headers(self, given: object) -> object:
        if not isinstance(given, dict):
            self._refuse("headers", "headers must be an object of names and values")
            return {}
        self.findings += header_findings(given)
        for value in references(given):
            if is_error(value):
                self._error_name(value)
        return {
            name: str(value) if isinstance(value, int) else value for name, value in given.items()
        }

    def _body(self, request: Mapping[str, Any]) -> None:
        body = request["body"]
        if request["method"] == BODILESS:
            self._refuse("body", "a GET has no body; put values into query")
        if is_form(request.get("headers", {})) and isinstance(body, dict) and not is_error(body):
            for name, value in body.items():
                if not isinstance(value, str | int | float) and not is_error(value):
                    self._refuse("body", f"{strict_json.shown(name)} is no field of a form")

    def _expect_status(self, given: object) -> object:
        listed = given if isinstance(given, list) and given else [given]
        if not all(type(status) is int and 200 <= status <= 599 for status in listed):
            self._refuse("expect_status", "expect_status must be one or more numbers, 200 to 599")
            return []
        return sorted(set(listed))

    def _literals(self, value: object, where: str = "", name: str = "") -> None:
        """Look at each literal of query and body, or of the parameters, and at each reference."""
        if not where and (is_secret(value) or is_error(value)):
            if is_secret(value):
                self._refuse("secret", "a secret may stand in a header alone: others log the rest")
            else:
                self._error_name(value)
        elif isinstance(value, Mapping):
            for key, child in value.items():
                self._credential(where or "a name", "", str(key))
                self._literals(child, where, str(key))
        elif isinstance(value, list | tuple):
            for child in value:
                self._literals(child, where, name)
        elif isinstance(value, str):
            self._credential(where or f"{name or 'the body'}", name, value)

    def _error_name(self, value: Mapping[str, object]) -> None:
        name = value["error"]
        if not isinstance(name, str) or not ERROR_NAME.fullmatch(name):
            self._refuse(
                "reference",
                f"an error has no {strict_json.shown(name)}; it has message, source, "
                "system_log_id and captured.NAME",
            )

    def _credential(self, where: str, name: str, value: str) -> None:
        kind = credential_by_name(name, value) if name else literal_credential(value)
        if not kind and value and _NOT_LETTERS.sub("", name.lower()) in _CREDENTIAL_KEYS:
            kind = name
        if kind:
            self._refuse(
                "credential", f"{where} holds a literal {kind}; put it into the Vault and a header"
            )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(child)
