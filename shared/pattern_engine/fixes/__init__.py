"""The four types of fixes: how each is analysed, and how each is run.

Every type has a package. Its module `analysis` reads a script without running it, and says what it
does and why it is refused. Its module `executor` runs an approved script; SQL has none, because the
database runs it. The modules `analysis` and `execution` of this package hold what all types share.
A type's parser is loaded with its first script.
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

from pattern_engine.fixes import legible
from pattern_engine.fixes.analysis import Analysis, Finding
from pattern_engine.fixes.credentials import in_parameters
from pattern_engine.limits import FIX_TYPES
from pattern_engine.text import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from pattern_engine.fixes.execution import Executor
    from pattern_engine.settings import Facilities

WITHOUT_TARGET: Final = (
    "the script reads values of the error, and the approval names no target: each next error of the"
    " pattern would count as a recurrence, though it is about something else; name in the parameter"
    ' target the captured values that tell one case from another, as in "target": ["uuid"]'
)
"""The warning for a script that works on one case of many and does not say which."""
#: By what the script of a type reads values of the error.
_READS_ERROR: Final = {
    "sql": re.compile(r"\$2\b"),
    "typescript": re.compile(r"\bcaptured\b"),
    "bash": re.compile(r"\berror\.json\b|\bcaptured\b"),
    "api_call": re.compile(r'"error"\s*:'),
}
_TOO_DEEP: Final = Analysis("", (Finding("parameters", "the parameters are nested too deep"),))
_EXECUTORS: Final = {"typescript": "Typescript", "bash": "Bash", "api_call": "ApiCall"}


def analyse(
    fix_type: str,
    script: str,
    parameters: Mapping[str, object],
    facilities: Facilities | None = None,
) -> Analysis:
    """Analyse a script of one type with the parameters of its approval.

    Raises:
        ValueError: if there is no such type.
    """
    if fix_type not in FIX_TYPES:
        raise ValueError(f"There is no fix type {fix_type!r}; use one of: {', '.join(FIX_TYPES)}.")
    networks = facilities.api_networks if facilities is not None else None
    granted = frozenset(facilities.bash_directories) if facilities is not None else None
    try:
        frozen = _frozen(parameters)
    except RecursionError:
        return _TOO_DEEP
    return analysed_once(fix_type, script, frozen, networks, granted)


def _objections(fix_type: str, script: str, parameters: Mapping[str, object]) -> Iterator[Finding]:
    yield from legible.hidden(script, "the script")
    yield from legible.hidden_in_json(parameters, "parameters")
    if fix_type == "api_call":
        yield from _hidden_in_request(script)
    for where, kind in in_parameters(parameters):
        yield Finding(
            "credential",
            f"the parameter {where} contains a literal {kind}; put it into Vault and name it",
        )


def _hidden_in_request(script: str) -> Iterator[Finding]:
    try:
        request = strict_json.parse(script)
    except strict_json.StrictJsonError:
        return  # The analysis of the type tells.
    # An escape in JSON is seen by whoever reads the script, so that only numbers are looked at.
    found = legible.hidden_in_json(request, "the request")
    yield from (each for each in found if each.rule == "number")


@dataclass(frozen=True)
class _Parameters:
    """Parameters as a key of the cache; equal texts are equal parameters."""

    text: str
    given: Mapping[str, object] = field(compare=False, hash=False)


def _frozen(parameters: Mapping[str, object]) -> _Parameters:
    text = json.dumps(parameters, sort_keys=True, default=repr)
    return _Parameters(text, parameters)


@lru_cache(maxsize=256)
def analysed_once(
    fix_type: str,
    script: str,
    parameters: _Parameters,
    networks: tuple[IPv4Network | IPv6Network, ...] | None,
    granted: frozenset[str] | None,
) -> Analysis:
    """Analyse a script once in a process, since its analysis is repeated before each run."""
    given = parameters.given
    try:
        objections = tuple(_objections(fix_type, script, given))
    except RecursionError:
        return _TOO_DEEP
    facts = _facts(fix_type, script, given, networks, granted)
    warnings = [*legible.confusing(script)]
    for text in legible.texts_of(given):
        warnings += legible.confusing(text)
    if not given.get("target") and _READS_ERROR[fix_type].search(script):
        warnings.append(WITHOUT_TARGET)
    return replace(
        facts,
        findings=(*facts.findings, *objections),
        prepared_script="" if objections else facts.prepared_script,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _facts(
    fix_type: str,
    script: str,
    parameters: Mapping[str, object],
    networks: tuple[IPv4Network | IPv6Network, ...] | None,
    granted: frozenset[str] | None,
) -> Analysis:
    """Return what the analysis of the type says."""
    module: Any = importlib.import_module(f"pattern_engine.fixes.{fix_type}.analysis")
    if fix_type in ("api_call", "typescript") and networks is not None:
        return cast("Analysis", module.analyse(script, parameters, networks))
    if fix_type == "bash" and granted is not None:
        return cast("Analysis", module.analyse(script, parameters, granted))
    return cast("Analysis", module.analyse(script, parameters))


class Reach(TypedDict):
    """What the scripts of a fix touch, reach and send, as it is stored and digested."""

    tables: list[str]
    hosts: list[str]
    secrets: dict[str, list[str]]


def reach(analyses: list[Analysis]) -> Reach:
    """Return what several scripts reach together; each secret has all hosts that it is sent to."""
    secrets: dict[str, set[str]] = {}
    for found in analyses:
        for name, hosts in found.secrets.items():
            secrets.setdefault(name, set()).update(hosts)
    return {
        "tables": sorted({table for found in analyses for table in found.tables}),
        "hosts": sorted({host for found in analyses for host in found.hosts}),
        "secrets": {name: sorted(secrets[name]) for name in sorted(secrets)},
    }


def executor(fix_type: str, facilities: Facilities) -> Executor:
    """Return the executor of a type whose scripts run outside the database (SQL runs inside it).

    Raises:
        ValueError: for sql, or if there is no such type.
    """
    if fix_type not in _EXECUTORS:
        raise ValueError(f"There is no executor for fixes of type {fix_type!r}.")
    module: Any = importlib.import_module(f"pattern_engine.fixes.{fix_type}.executor")
    return cast("Executor", getattr(module, _EXECUTORS[fix_type])(facilities))


def unavailable(fix_type: str, facilities: Facilities) -> str | None:
    """Return why no fix of a type can run in this process, in a sentence; None if they can."""
    return None if fix_type == "sql" else executor(fix_type, facilities).unavailable()
