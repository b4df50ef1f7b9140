"""Printed objects: JSON, and what other languages print in its place, and the error within them.

JSON is parsed. What Python, Node, PHP, Ruby, Go, Rust and Elixir print differs in little but its
punctuation, so its fields are found by their names wherever they stand: `'code': '23505'`,
`code: '23505'`, `[code] => 23505`, `:code=>"23505"`, `Code:"23505"`, `code: Some("23505")`.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.reading import dumps
from pattern_engine.reading.error import MAX_DEPTH
from pattern_engine.reading.frames import frames_of, with_stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pattern_engine.reading.error import ReadError

__all__ = [
    "csvlog",
    "fields_of",
    "from_document",
    "from_fields",
    "from_text",
    "is_sqlstate",
    "logfmt",
    "note",
    "unescape",
]

#: What a record says of its sender and not of its error.
_BESIDE: Final = frozenset(
    {"resource", "scope", "tags", "headers", "request", "user", "host", "breadcrumbs", "attributes"}
)
#: Objects of a document of unknown form that are looked into.
MAX_OBJECTS: Final = 64
_DECODER: Final = json.JSONDecoder(strict=False)
#: Fields, in the order in which they are believed, that hold the error itself.
_HOLDERS: Final = (
    "cause", "inner", "innerException", "InnerException", "original", "driverError", "parent",
    "previous", "exception", "Exception", "record", "exc_info", "exc_text", "err", "error", "Error", "thrown",
    "throwable", "@x", "exception.stacktrace", "error.stack", "error.stack_trace", "stack_trace",
    "stackTrace", "stacktrace", "stack", "traceback", "trace", "errorMessage", "error.message", "panic.payload",
    "exception.message", "errors", "errs", "values", "reason", "fields", "extra", "context", "jsonPayload",
    "attributes", "payload", "data", "response", "body", "details",
)  # fmt: skip
#: Fields that hold a text: an error's message or a log line, which is read on.
_TEXTS: Final = (
    "exc_value", "sqlErrorMsg", "message", "msg", "Message", "MESSAGE", "M", "log", "@message", "textPayload", "event_message",
    "error_description", "errorMessage", "error_message", "value", "@m", "@mt",
    "RenderedMessage", "full_message", "short_message", "body", "stringValue", "event", "text",
    "detail", "title", "description", "reason", "content",
)  # fmt: skip
_CODES: Final = (
    "sqlState", "SqlState", "sqlstate", "SQLSTATE", "sql_state_code", "state_code", "pgcode",
    "pg_code", "sql_state", "code", "Code", "C", "error_code", "errorCode", "decline_code", "errno",
)  # fmt: skip
_SECTIONS: Final = {
    "detail": ("detail", "details", "Detail", "D", "sqlErrorDetail"),
    "hint": ("hint", "Hint", "H"),
    "context": ("context", "where", "Where", "W"),
    "statement": ("statement", "query", "sql"),
}
_KINDS: Final = (
    "type", "exc_type", "error_type", "errorType", "name", "class", "Name", "exception.type",
    "error.type", "error.kind", "kind", "exceptionType",
)  # fmt: skip
_OBJECTS: Final = {
    "constraint": "constraint", "Constraint": "constraint", "ConstraintName": "constraint",
    "constraint_name": "constraint", "n": "constraint", "table": "table", "Table": "table",
    "TableName": "table", "table_name": "table", "t": "table", "column": "column",
    "Column": "column", "ColumnName": "column", "column_name": "column", "c": "column",
    "schema": "schema", "Schema": "schema", "SchemaName": "schema", "schema_name": "schema",
    "s": "schema", "DataTypeName": "type", "datatype_name": "type", "dataType": "type",
}  # fmt: skip
#: What Node's errors have beside their code.
_OF_FACILITIES: Final = {"port": "port", "address": "address", "input": "value"}
#: Only an error of PostgreSQL has these fields.
_OF_POSTGRES: Final = frozenset(
    [
        "routine",
        "Routine",
        "sql_state_code",
        "state_code",
        "error_severity",
        "sqlState",
        "SqlState",
        "sqlstate",
        "pgcode",
        "sql_state",
        "internalQuery",
        "InternalQuery",
        "R",
        "V",
    ]
)
#: What HTTP calls statuses of failures: beside a message they are its code.
_REASONS: Final = frozenset({
    "bad request", "unauthorized", "payment required", "forbidden", "not found", "conflict", "gone",
    "method not allowed", "not acceptable", "unprocessable entity", "too many requests",
    "internal server error", "not implemented", "bad gateway", "service unavailable",
    "gateway timeout", "payload too large", "validation error", "invalid request",
})  # fmt: skip
_SQLSTATE: Final = re.compile(r"(?:[0-9]{2}|0[0-9A-Z]|[2-5][0-9BDFJ]|HV|P0|XX)[0-9A-Z]{3}\Z").match
#: In other notations: the name of a field, what joins it to its value, a value.
_FIELD: Final = re.compile(
    r"(?:(?<=[{\[(, \n\t:])|^)[\"':\[]?(?P<name>[A-Za-z_@][\w.@]{0,40})[\"'\]]?\s{0,4}(?::|=>|=)\s{0,40}"
    r"(?:Some\(|Ok\(|SqlState\(E?|b(?=[\"'])|~s|\\)?"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.){0,4000})\"|'(?P<single>(?:[^'\\]|\\.){0,4000})'"
    r"|`(?P<back>[^`]{0,4000})`|(?P<bare>[^\s,{}\[\]()\"'`<&%#](?:[^,\n{}\])]|,(?!\s{0,20}[\"':]?[A-Za-z_][\w.]{0,40}[\"']?\s{0,4}[:=])){0,400}))"
)
_ESCAPES: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_MEANT: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "", "b": "", "f": ""}
_OF_GO: Final = re.compile(r"([A-Z]\w*):(.*?)(?= [A-Z]\w*:|\}|\Z)", re.DOTALL)
_EMPTY: Final = frozenset({"undefined", "null", "None", "nil", "NULL", "none", "<nil>", ""})


def is_sqlstate(code: object) -> bool:
    """Return whether a code has the form of a SQLSTATE that PostgreSQL raises."""
    return isinstance(code, str) and len(code) == 5 and _SQLSTATE(code) is not None


def parsed(text: str) -> Any:  # noqa: ANN401  a JSON value
    """Return the JSON document that a text starts with; None where there is none."""
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def from_text(text: str, error: ReadError) -> str | None:
    """Return the message in a printed object; None where the text is none."""
    if text[0] == "[" and text[1:40].lstrip()[:1] != "{":
        return None
    document = parsed(text)
    if isinstance(document, list):
        document = _error_of(document)
    if isinstance(document, dict):
        return from_document(document, error)
    fields = fields_of(text.partition('"locals": {')[0])  # a frame's variables, of a cut document
    return from_fields(fields, error) if fields else None


def from_document(document: dict[str, Any], error: ReadError) -> str | None:
    """Return the message in a JSON document; None where it has none."""
    return from_fields(document, error) or _anywhere(document, error)


def _anywhere(document: dict[str, Any], error: ReadError) -> str | None:
    """Return the message of the first object, the outermost first, that has one."""
    waiting = [value for name, value in document.items() if name not in _BESIDE]
    for _ in range(MAX_OBJECTS):
        if not waiting:
            break
        value = waiting.pop(0)
        if isinstance(value, dict):
            # What the objects within it hold is looked at when it is their turn.
            message = None if "key" in value else from_fields(value, error, MAX_DEPTH - 2)
            if message:
                return message
            waiting += (inner for name, inner in value.items() if name not in _BESIDE)
        elif isinstance(value, list):
            waiting += value[:MAX_DEPTH]
    return None


def fields_of(text: str) -> dict[str, Any]:
    """Return the fields of a printed object of any notation; the first of each name counts."""
    if text.startswith(dumps.STARTS):
        return dumps.fields_of(text)
    if re.search(r"\bSeverity:\S", text[:200]) and '"' not in text[:40]:
        return {name: value for name, value in _OF_GO.findall(text) if value.strip()}
    fields: dict[str, Any] = {}
    for found in _FIELD.finditer(text):
        name = found["name"]
        if name not in fields:
            value = _value(found)
            if value not in _EMPTY:
                fields[name] = value
    return fields


def _value(found: re.Match[str]) -> str:
    if found["bare"] is not None:
        return found["bare"].strip()
    value = next(v for v in (found["double"], found["single"], found["back"]) if v is not None)
    return unescape(value)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "ux" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _MEANT.get(code, code)


def from_fields(fields: Mapping[str, Any], error: ReadError, depth: int = 0) -> str | None:
    """Return the text of the error that fields hold, and note what else they tell."""
    if depth >= MAX_DEPTH:
        return None
    if isinstance(fields.get("attributes"), list):
        fields = dict(fields) | _named_values(fields["attributes"])
    own = _own_message(fields)
    inner = _inner(fields, error, depth, own)
    note(fields, error)
    if inner is None:
        return with_stack(own, fields) if own else _only_code(fields) if depth == 0 else None
    if own and own != inner:
        error.note(own)
    return with_stack(inner, fields)


def _error_of(errors: list[Any]) -> dict[str, Any] | None:
    """Return the root of a list of errors: structlog lists it last, others first."""
    objects = [part for part in errors if isinstance(part, dict)]
    return (objects[-1] if "exc_type" in objects[-1] else objects[0]) if objects else None


def _named_values(attributes: list[Any]) -> dict[str, Any]:
    """Return the attributes of a log record of OpenTelemetry as fields."""
    return {
        str(each["key"]): next(iter(each["value"].values()), None)
        for each in attributes
        if isinstance(each, dict) and "key" in each and isinstance(each.get("value"), dict)
    }


def _own_message(fields: Mapping[str, Any]) -> str | None:
    for name in _TEXTS:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, dict) and isinstance(value.get("stringValue"), str):
            return str(value["stringValue"])
    return None


def _inner(fields: Mapping[str, Any], error: ReadError, depth: int, own: str | None) -> str | None:
    """Return the message of the error that one of the fields holds."""
    is_error = own is not None and ("hint" in fields or is_sqlstate(fields.get("code")))
    for name in sorted(_RANKS.keys() & fields.keys(), key=_RANKS.__getitem__):
        value = fields[name]
        if not value or (is_error and name in _OF_AN_ERROR):
            continue
        if isinstance(value, str):
            if name in _PLAIN or not _is_error_text(value, name, own):
                continue
            return value
        if isinstance(value, list):
            value = _error_of(value)
        if isinstance(value, dict):
            inner = from_fields(value, error, depth + 1)
            if inner is not None and (
                name not in _VAGUE or own is None or not _STRONG.isdisjoint(value)
            ):
                return inner
    _note_metadata(fields, error)
    return next((code for name in _COARSE if (code := _only_code(fields.get(name)))), None)


#: An error that its logger could not print has a code at least.
_COARSE: Final = ("err", "error", "cause")
_RANKS: Final = {name: rank for rank, name in enumerate(_HOLDERS)}
#: In an object that is an error of PostgreSQL or PostgREST itself, these are its sections.
_OF_AN_ERROR: Final = frozenset(
    {"details", "context", "data", "body", "reason", "fields", "extra", "attributes", "payload"}
)
#: Objects that hold an error only where the object around them has no message.
_VAGUE: Final = frozenset(
    {"details", "context", "data", "fields", "extra", "attributes", "payload", "response", "body"}
)
_STRONG: Final = frozenset({"exception", "error", "err", "cause", "exc_info", "throwable", "stack"})
#: As texts these are no errors.
_PLAIN: Final = frozenset(
    {"details", "context", "data", "fields", "extra", "attributes", "payload", "reason", "trace"}
)


def _is_error_text(value: str, name: str, own: str | None) -> bool:
    """Tell an error's text from its code: `"error": "not_found", "message": "Object not found"`."""
    if "stack" in name or "trace" in name:
        return True
    if " " not in value.strip():
        return False  # a class or a code
    if own is None:
        return True
    if name in {"error", "Error", "err"}:
        return value.strip().lower() not in _REASONS
    return True


def _note_metadata(fields: Mapping[str, Any], error: ReadError) -> None:
    """Note what Logflare has parsed of a log line beside it."""
    metadata = fields.get("metadata")
    if isinstance(metadata, list) and metadata and isinstance(metadata[0], dict):
        inside = metadata[0].get("parsed")
        if isinstance(inside, list) and inside and isinstance(inside[0], dict):
            note(inside[0], error)


def _only_code(value: object) -> str | None:
    code = value.get("code") if isinstance(value, dict) and "message" not in value else None
    return code if isinstance(code, str) and code else None


def note(fields: Mapping[str, Any], error: ReadError) -> None:
    """Note code, sections, kind and objects; what an inner error told is kept."""
    if error.code is None:
        error.code = next(
            (
                str(fields[name])
                for name in _CODES
                if isinstance(fields.get(name), str | int) and str(fields[name]) not in _EMPTY
            ),
            None,
        )
    if not _OF_POSTGRES.isdisjoint(fields) or is_sqlstate(error.code):
        error.origin = error.origin or "postgres"
    _note_objects(fields, error)
    error.frames = error.frames or frames_of(fields)
    for section, names in _SECTIONS.items():
        if getattr(error, section) is None:
            value = next((fields[n] for n in names if isinstance(fields.get(n), str)), None)
            if value and value not in _EMPTY:
                setattr(error, section, value)
    if error.kind is None:
        kind = next((fields[n] for n in _KINDS if isinstance(fields.get(n), str)), None)
        error.kind = kind if kind and " " not in kind and kind[:1].isupper() else None
    for name in ("status", "statusCode", "status_code", "http_status"):
        value = fields.get(name)
        if error.status is None and isinstance(value, int | str) and str(value)[:1] in "45":
            error.status = str(value)[:3]


def _note_objects(fields: Mapping[str, Any], error: ReadError) -> None:
    for name, meaning in _OF_FACILITIES.items():
        if isinstance(value := fields.get(name), str | int):
            error.objects.setdefault(meaning, str(value))
    if error.origin != "postgres":
        return
    for name, meaning in _OBJECTS.items():
        value = fields.get(name)
        if isinstance(value, str) and value not in _EMPTY and meaning not in error.objects:
            error.objects[meaning] = value


def unescape(text: str) -> str:
    """Return a text without the escapes of a string literal."""
    return _ESCAPES.sub(_unescaped, text) if "\\" in text else text


_PAIR: Final = re.compile(
    r"(?P<name>[A-Za-z_@][\w.@/-]{0,60})=(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<bare>[^\s\"]*))(?:\s|\Z)"
)


def logfmt(text: str, error: ReadError) -> str | None:
    """Return the message of a line of `key=value` pairs; None where the text is none."""
    if "=" not in text[:60]:
        return None
    pairs: dict[str, Any] = {}
    position = 0
    while (found := _PAIR.match(text, position)) is not None:
        value = found["bare"] if found["quoted"] is None else unescape(found["quoted"])
        pairs.setdefault(found["name"], value)
        position = found.end()
        while text[position : position + 1] == " ":
            position += 1
    rest = text[position:].strip()
    if len(pairs) < 2 or (rest and len(pairs) < 3):
        return None
    return from_fields(pairs, error) or rest or None


def csvlog(text: str, error: ReadError) -> str | None:
    """Return the message of a line of PostgreSQL's csvlog, whose columns are fixed.

    Source: PostgreSQL's documentation, "Error Reporting and Logging", "Using CSV-Format Log Output".
    """
    if text.count(",", 0, 400) < 12:
        return None
    row = next(csv.reader([text.replace("\n", "\v")], strict=False), [])
    if len(row) < 14 or not is_sqlstate(row[12]):
        return None
    columns = [column.replace("\v", "\n") for column in row]
    error.origin, error.severity, error.code = "postgres", columns[11].lower(), columns[12]
    for name, place in (("detail", 14), ("hint", 15), ("context", 18), ("statement", 19)):
        if place < len(columns) and columns[place]:
            setattr(error, name, columns[place])
    return columns[13] or None
