"""Which hosts a TypeScript fix may reach, and which secrets the proxy sends there for it.

{"allowed_hosts": ["api.example.com"],
"headers": {"api.example.com": {"Authorization": {"secret": "token", "prefix": "Bearer "}}}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.analysis import Finding
from pattern_engine.fixes.headers import header_findings
from pattern_engine.fixes.references import is_secret
from pattern_engine.fixes.urls import AllowedHosts, RefusedUrlError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pattern_engine.fixes.addresses import Network

_MAX_HOSTS: Final = 50
_FORM: Final = (
    'the parameter headers must have the form {"host": {"Authorization": {"secret": "vault_name"}}}'
)


def allowed_hosts(
    parameters: Mapping[str, object], networks: Collection[Network] = ()
) -> AllowedHosts | None:
    """Return the hosts; None where the parameter names none.

    Raises:
        ValueError: they are no list of hosts that are public, or in `networks`; it says why.
    """
    given = parameters.get("allowed_hosts", [])
    if given == []:
        return None
    if isinstance(given, list | tuple) and len(given) > _MAX_HOSTS:
        raise ValueError(f"allowed_hosts has {len(given)} names, {_MAX_HOSTS} are allowed")
    try:
        return AllowedHosts(given, networks)
    except RefusedUrlError as problem:
        raise ValueError(str(problem)) from None


def header_problems(
    parameters: Mapping[str, object], allowed: AllowedHosts | None
) -> Iterator[Finding]:
    """Yield the findings about the parameter `headers`."""
    given = parameters.get("headers", {})
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.values()):
        yield Finding("headers", _FORM)
        return
    for host, headers in given.items():
        if allowed is None or host not in tuple(allowed):
            yield Finding("headers", f"headers names {host!r}, which is not in allowed_hosts")
        if not all(isinstance(name, str) and is_secret(one) for name, one in headers.items()):
            yield Finding("headers", f"{_FORM}; a script sets its other headers itself")
        else:
            yield from header_findings(headers, case_is_unique=False)


def secret_headers(
    parameters: Mapping[str, object], allowed: AllowedHosts | None
) -> dict[str, dict[str, dict[str, str]]]:
    """Return the headers with secrets of each host, as the parameters name them.

    Raises:
        ValueError: if `header_problems` has a finding.
    """
    for problem in header_problems(parameters, allowed):
        raise ValueError(problem.message)
    given = parameters.get("headers", {})
    return dict(given) if isinstance(given, dict) else {}


def secrets(
    parameters: Mapping[str, object], allowed: AllowedHosts | None
) -> dict[str, tuple[str, ...]]:
    """Return the secrets by name, each with the hosts that it is sent to."""
    found: dict[str, set[str]] = {}
    for host, headers in secret_headers(parameters, allowed).items():
        for header in headers.values():
            found.setdefault(header["secret"], set()).add(host)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}
