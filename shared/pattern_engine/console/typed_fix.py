"""A fix as the form to propose one holds it: fields of texts, out of a draft and into a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pattern_engine.console import differences
from pattern_engine.console.visits import whole_number
from pattern_engine.exceptions import InvalidField
from pattern_engine.identifiers import IDENTIFIERS
from pattern_engine.text import strict_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.console.visits import Json, Visit

LIMITS: Final = ("timeout_ms", "max_rows", "max_retries")
"""The parameters that have a field of their own, as numbers."""
ANY: Final = "*"
_OF_FORM: Final = frozenset({*LIMITS, "target", "when"})


def empty() -> Json:
    """Return the fields of a form into which nothing was typed."""
    return drawn({"type": "sql", "script": "", "undo_script": "", "parameters": {}})


def drawn(draft: Mapping[str, Any]) -> Json:
    """Return the fields for a draft: another version, a suggestion, or a page of the catalogue."""
    parameters: Json = dict(draft["parameters"])
    rest = {name: value for name, value in parameters.items() if name not in _OF_FORM}
    return {
        "type": draft["type"],
        "script": draft["script"],
        "undo_script": draft["undo_script"] or "",
        "parameters": differences.pretty(rest) if rest else "",
        "target": ", ".join(parameters.get("target", [])),
        "when": {
            name: [ANY] if values == ANY else list(values)
            for name, values in parameters.get("when", {}).items()
        },
        "others": "",
        **{name: str(parameters.get(name, "")) for name in LIMITS},
    }


def typed(visit: Visit) -> Json:
    """Return the fields as the form was sent."""
    names = ("type", "script", "undo_script", "parameters", "target", "others", *LIMITS)
    when = {name: visit.chosen(f"when:{name}") for name in visit.chosen("named")}
    return {name: visit.entered(name) for name in names} | {"when": when}


def choices(seen: list[dict[str, str]], fields: Json) -> dict[str, list[str]]:
    """Return what a guard can be made of: the values that errors named, and those of the draft."""
    found: dict[str, list[str]] = {}
    for name in sorted(IDENTIFIERS):
        values = [each[name] for each in seen if name in each]
        values += [value for value in fields["when"].get(name, ()) if value != ANY]
        if values:
            found[name] = list(dict.fromkeys(values))
    return found


def body(pattern_id: str, fields: Json, seen: list[dict[str, str]]) -> Json:
    """Return the request that proposes what the fields hold.

    Raises:
        InvalidField: if a field cannot be read.
    """
    fix = {
        "pattern_id": pattern_id,
        "auto_fix_type": fields["type"],
        "auto_fix_script": fields["script"],
        "auto_fix_parameters": parameters(fields, seen),
    }
    return fix | ({"undo_script": fields["undo_script"]} if fields["undo_script"] else {})


def parameters(fields: Json, seen: list[dict[str, str]]) -> Json:
    """Return the parameters that the fields hold.

    Raises:
        InvalidField: if they cannot be read.
    """
    given = _json(fields["parameters"])
    twice = sorted(_OF_FORM & given.keys())
    if twice:
        raise InvalidField(
            f"The parameters name {', '.join(twice)}, for which the form has fields; use those."
        )
    for name in LIMITS:
        text = fields[name]
        if text:
            given[name] = whole_number(text)
    target = [each.strip() for each in fields["target"].split(",") if each.strip()]
    when = _when(fields, seen)
    return given | ({"target": target} if target else {}) | ({"when": when} if when else {})


def _json(text: str) -> Json:
    if not text:
        return {}
    try:
        found = strict_json.parse(text)
    except strict_json.StrictJsonError as problem:
        raise InvalidField(f"The parameters are not valid JSON: {problem}.") from None
    if not isinstance(found, dict):
        raise InvalidField('The parameters have to be a JSON object, as in {"currency": "EUR"}.')
    return found


def _when(fields: Json, seen: list[dict[str, str]]) -> Json:
    """The guard; a name of which all seen values are chosen stays as it was seen."""
    when: Json = {}
    more = _others(fields["others"])
    for name in dict.fromkeys([*fields["when"], *more]):
        chosen = list(dict.fromkeys([*fields["when"].get(name, ()), *more.get(name, ())]))
        if not chosen:
            raise InvalidField(f"Choose for which {name} the fix runs, or any {name}.")
        if ANY in chosen:
            when[name] = ANY
        elif set(chosen) != {each[name] for each in seen if name in each}:
            when[name] = chosen
    return when


def _others(text: str) -> dict[str, list[str]]:
    """Further identifiers, one `name=value` a line."""
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not value or name not in IDENTIFIERS:
            raise InvalidField(
                f"{line[:100]!r} is no identifier; write one a line, as in table=orders; the names"
                f" are: {', '.join(sorted(IDENTIFIERS))}."
            )
        found.setdefault(name, []).append(value)
    return found
