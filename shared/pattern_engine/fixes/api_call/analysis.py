"""Static analysis of an api_call: one HTTP request, as JSON.

    {"method": "POST", "url": "https://api.example.com/v1/orders",
     "query": {"source": {"error": "source"}},
     "headers": {"Authorization": {"secret": "orders_key", "prefix": "Bearer "}},
     "body": {"order": {"error": "captured.order_id"}, "queue": {"param": "queue"}},
     "expect_status": [200, 409]}

Only `method` and `url` are required. The values of the parameters are inserted first (see
`references`), so that the analysis reads the request that will be sent. `prepared_script` is that
request in a normal form.

Two parameters have a meaning of their own: `allowed_hosts` (required; see `urls.AllowedHosts`), and
`idempotent`, which is true if the server honours the header Idempotency-Key.

The addresses of a host are not known yet; the executor checks them when the fix runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from pattern_engine.fixes.analysis import MAX_BYTES, Analysis, Finding, unreadable
from pattern_engine.fixes.credentials import credential_by_name, literal_credential
from pattern_engine.fixes.headers import header_findings, is_form
from pattern_engine.fixes.references import (
    ERROR_NAME,
    ReferenceRefusedError,
    is_error,
    is_secret,
    references,
    with_parameters,
)
from pattern_engine.fixes.urls import AllowedHosts, Place, RefusedUrlError, read_url
from pattern_engine.text import strict_json

if TYPE_CHECKING:
    from pattern_engine.fixes.addresses import Network

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
    script: str, parameters: Mapping[str, object] | None = None, networks: Collection[Network] = ()
) -> Analysis:
    """Analyse a script with the parameters of its approval.

    `networks` are those that the settings of a deployment add to the public Internet. With any of
    them, the script may contain local names, whose addresses the executor checks.
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
        secrets=dict.fromkeys(sorted(_secrets(request.get("headers"))), reader.target),
    )


def _written(request: Mapping[str, object]) -> str:
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _secrets(headers: object) -> set[str]:
    """Return the names of the secrets in headers."""
    values = headers.values() if isinstance(headers, dict) else ()
    return {
        value["secret"] for value in values if is_secret(value) and isinstance(value["secret"], str)
    }


@dataclass
class _Reader:
    """Reads a request part by part, normalises each part, and collects the findings."""

    parameters: Mapping[str, object]
    networks: Collection[Network]
    findings: list[Finding] = field(default_factory=list)
    place: Place | None = None
    hosts: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    """The host of the URL, as the parameter allowed_hosts names it; secrets go there alone."""

    def read(self, script: str) -> dict[str, Any]:
        """Return the normalised request, which is valid only if there are no findings."""
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
        """Check the parameters; return whether the analysis can go on."""
        try:
            strict_json.parse(json.dumps(self.parameters))
        except (RecursionError, TypeError, ValueError) as problem:
            self._refuse("parameters", f"the parameters are not valid JSON: {problem}")
            return False
        if not isinstance(self.parameters.get("idempotent", False), bool):
            self._refuse("parameters", "the parameter idempotent must be true or false")
        self._literals(self.parameters, "a parameter")
        return True

    def _parsed(self, script: str) -> dict[str, Any] | None:
        """Return the JSON object of a script with its parameters inserted, or None."""
        if problem := unreadable(script):
            self.findings.append(problem)
            return None
        try:
            request = self._filled(strict_json.parse(script))
            # The parameters may have made the request too large or too deep.
            written = _written(request)
            strict_json.parse(written)
        except strict_json.StrictJsonError as refusal:
            self._refuse("syntax", f"the script is not valid JSON: {refusal}")
            return None
        except ReferenceRefusedError as refusal:
            self._refuse("reference", str(refusal))
            return None
        if grown := unreadable(written):
            self.findings.append(grown)
            return None
        if any("\0" in text for text in _texts(request)):
            self._refuse("encoding", "the script contains a NUL character; remove it")
        return request

    def _filled(self, given: object) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise strict_json.StrictJsonError("it must be an object in braces")
        self._keys(given)
        request = with_parameters(given, self.parameters, MAX_BYTES)
        return request if isinstance(request, dict) else {}

    def _keys(self, given: dict[str, object]) -> None:
        for key in sorted(given.keys() - _KEYS):
            self._refuse(
                "keys",
                f"{strict_json.shown(key)} is not a key of a request; the keys are "
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
            self._refuse("url", "the url must be a string; put values of the error into query")
            return
        try:
            place = read_url(given, self.networks)
        except RefusedUrlError as problem:
            self.findings.append(problem.finding)
            return
        entry = allowed.entry(place) if allowed is not None else None
        if allowed is not None and entry is None:
            self._refuse(
                "allowed_hosts", f"{place.authority} is not in the parameter allowed_hosts"
            )
        self.place, self.target = place, (entry or place.authority,)
        # Only a GET follows redirects, to any of the allowed hosts.
        follows = allowed is not None and request["method"] == BODILESS
        self.hosts = tuple(allowed) if allowed and follows else self.target
        request["url"] = place.url
        path, _, query = place.target.partition("?")
        for part in (place.url.partition("?")[0], *path.split("/")):
            self._credential("url", "", unquote(part))
        for name, value in parse_qsl(query, keep_blank_values=True):
            self._credential("url", name, value)

    def _query(self, given: object) -> object:
        if not isinstance(given, dict):
            self._refuse("query", "query must be an object")
            return {}
        for name, value in given.items():
            if is_error(value):
                continue
            is_plain = isinstance(value, str | int | float | bool)
            if not is_plain or not name or not f"{name}{value}".isprintable():
                self._refuse(
                    "query",
                    f"{strict_json.shown(name)} in query must be a printable string, a number, "
                    "true, false or a reference",
                )
        return given

    def _headers(self, given: object) -> object:
        if not isinstance(given, dict):
            self._refuse("headers", "headers must be an object")
            return {}
        self.findings += header_findings(given, case_is_unique=_names_one_case(self.parameters))
        for value in references(given):
            if is_error(value):
                self._error_name(value)
        return {
            name: str(value) if isinstance(value, int) else value for name, value in given.items()
        }

    def _body(self, request: Mapping[str, Any]) -> None:
        body = request["body"]
        if request["method"] == BODILESS:
            self._refuse("body", "a GET cannot have a body; put the values into query")
        if is_form(request.get("headers", {})) and isinstance(body, dict) and not is_error(body):
            for name, value in body.items():
                if not isinstance(value, str | int | float) and not is_error(value):
                    field = f"the form's field {strict_json.shown(name)}"
                    self._refuse("body", f"{field} must be text, a number or a reference")

    def _expect_status(self, given: object) -> object:
        listed = given if isinstance(given, list) and given else [given]
        if not all(type(status) is int and 200 <= status <= 599 for status in listed):
            self._refuse("expect_status", "expect_status must be one or more integers, 200 to 599")
            return []
        return sorted(set(listed))

    def _literals(self, value: object, where: str = "", name: str = "") -> None:
        """Check each literal and each reference of query and body, or of the parameters."""
        if not where and (is_secret(value) or is_error(value)):
            if is_secret(value):
                self._refuse("secret", "use secrets only in headers: servers log query and body")
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
                f"an error has no {strict_json.shown(name)}; use message, source, "
                "system_log_id or captured.NAME",
            )

    def _credential(self, where: str, name: str, value: str) -> None:
        kind = credential_by_name(name, value) if name else literal_credential(value)
        if not kind and value and _NOT_LETTERS.sub("", name.lower()) in _CREDENTIAL_KEYS:
            kind = name
        if kind:
            self._refuse(
                "credential", f"{where} contains a literal {kind}; put it into Vault and a header"
            )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(child)


def _names_one_case(parameters: Mapping[str, object]) -> bool:
    """Whether an approval tells one case from another, by its target or by a guard of one tuple."""
    when = parameters.get("when")
    return bool(parameters.get("target")) or (
        isinstance(when, dict)
        and bool(when)
        and all(isinstance(values, list) and len(values) == 1 for values in when.values())
    )
