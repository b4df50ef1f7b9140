"""Errors that were printed as objects: JSON, and what other languages print in its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.core.reading.cases import Case, found, wanted

MESSAGE = 'duplicate key value violates unique constraint "orders_number_key"'
DETAIL = "Key (number)=(7) already exists."


def _case(text: str, **more: Any) -> Case:
    return Case(text, MESSAGE, code="23505", origin="postgres")._replace(**more)


_OBJECT = {"code": "23505", "details": DETAIL, "hint": None, "message": MESSAGE}
_DRIVER = {
    "severity": "ERROR",
    "code": "23505",
    "detail": DETAIL,
    "schema": "public",
    "table": "orders",
    "constraint": "orders_number_key",
    "routine": "_bt_check_unique",
    "message": MESSAGE,
}
_NAMED = {"constraint": "orders_number_key", "table": "orders", "schema": "public"}
_PYTHON = (
    "{'message': 'duplicate key value violates unique constraint \"orders_number_key\"', "
    "'code': '23505', 'hint': None, 'details': 'Key (number)=(7) already exists.'}"
)

OBJECTS = {
    "JSON": _case(json.dumps(_OBJECT), detail=DETAIL),
    "JSON, indented": _case(json.dumps(_OBJECT, indent=2), detail=DETAIL),
    "JSON of a driver's fields": _case(json.dumps(_DRIVER), detail=DETAIL, objects=_NAMED),
    "JSON within JSON": _case(json.dumps({"error": _OBJECT, "status": 409}), status="409"),
    "JSON escaped in JSON": _case(json.dumps({"msg": "sync failed", "err": json.dumps(_OBJECT)})),
    "JSON escaped twice": _case(
        json.dumps({"log": json.dumps({"level": "error", "error": json.dumps(_OBJECT)})})
    ),
    "JSON behind a sentence": _case(f"Could not save the order: {json.dumps(_OBJECT)}"),
    "JSON behind a prefix": _case(f"2026-11-29T09:24:17Z [api] {json.dumps(_OBJECT)}"),
    "JSON in a list of errors": _case(json.dumps({"errors": [_OBJECT]})),
    "Python's repr": _case(_PYTHON, detail=DETAIL),
    "Python's repr in an exception": _case(f"postgrest.exceptions.APIError: {_PYTHON}"),
    "Python's repr of an exception": _case(f"APIError({_PYTHON})"),
    "Python's repr within JSON": _case(json.dumps({"event": f"Save failed: {_PYTHON}"})),
    "Python's repr in bytes": _case(repr(json.dumps(_OBJECT).encode())),
    "Node's inspect": _case(
        f"{{\n  code: '23505',\n  details: '{DETAIL}',\n  hint: null,\n  message: '{MESSAGE}'\n}}",
        detail=DETAIL,
    ),
    "Node's inspect in one line": _case(
        f"Error saving order: {{ code: '23505', details: null, hint: null, message: '{MESSAGE}' }}"
    ),
    "Node's inspect, nested": _case(
        f"{{\n  error: {{\n    code: '23505',\n    details: '{DETAIL}',\n    hint: null,\n"
        f"    message: '{MESSAGE}'\n  }},\n  data: null,\n  count: null,\n  status: 409,\n"
        "  statusText: 'Conflict'\n}",
    ),
    "PHP's print_r": _case(
        f"Array\n(\n    [code] => 23505\n    [details] => {DETAIL}\n    [hint] => \n"
        f"    [message] => {MESSAGE}\n)"
    ),
    "PHP's var_dump": _case(
        'array(4) {\n  ["code"]=>\n  string(5) "23505"\n  ["details"]=>\n  string(32) '
        f'"{DETAIL}"\n  ["hint"]=>\n  NULL\n  ["message"]=>\n  string(66) "{MESSAGE}"\n}}'
    ),
    "PHP's var_export": _case(
        f"array (\n  'code' => '23505',\n  'details' => '{DETAIL}',\n  'hint' => NULL,\n"
        f"  'message' => '{MESSAGE}',\n)"
    ),
    "Ruby's inspect": _case(
        f'{{"code"=>"23505", "details"=>"{DETAIL}", "hint"=>nil, "message"=>'
        '"duplicate key value violates unique constraint \\"orders_number_key\\""}'
    ),
    "Ruby's inspect with symbols": _case(
        f'{{:code=>"23505", :details=>"{DETAIL}", :hint=>nil, :message=>'
        '"duplicate key value violates unique constraint \\"orders_number_key\\""}'
    ),
    "Ruby's inspect since 3.4": _case(
        f'{{code: "23505", details: "{DETAIL}", hint: nil, message: '
        '"duplicate key value violates unique constraint \\"orders_number_key\\""}'
    ),
    "an Elixir struct": _case(
        "%Postgrex.Error{message: nil, postgres: %{code: :unique_violation, detail: "
        f'"{DETAIL}", file: "nbtinsert.c", line: "664", message: "duplicate key value violates '
        'unique constraint \\"orders_number_key\\"", pg_code: "23505", routine: '
        '"_bt_check_unique", schema: "public", severity: "ERROR", table: "orders", constraint: '
        '"orders_number_key"}, connection_id: 77, query: nil}',
    ),
    "Go's %+v": _case(
        f"&{{Severity:ERROR Code:23505 Message:{MESSAGE} Detail:{DETAIL} Hint: Position: "
        "Where: Schema:public Table:orders Column: DataTypeName: Constraint:orders_number_key "
        "File:nbtinsert.c Line:664 Routine:_bt_check_unique}",
        detail=DETAIL,
        objects=_NAMED,
    ),
    "Go's %#v": _case(
        '&pgconn.PgError{Severity:"ERROR", Code:"23505", Message:"duplicate key value violates '
        f'unique constraint \\"orders_number_key\\"", Detail:"{DETAIL}", Hint:"", Position:0, '
        'SchemaName:"public", TableName:"orders", ConstraintName:"orders_number_key", Line:664}',
        detail=DETAIL,
        objects=_NAMED,
    ),
    "Rust's Debug": _case(
        'PgDatabaseError { severity: Error, code: "23505", message: "duplicate key value violates '
        f'unique constraint \\"orders_number_key\\"", detail: Some("{DETAIL}"), hint: None, '
        'table: Some("orders"), constraint: Some("orders_number_key") }',
        detail=DETAIL,
    ),
    "Prisma's engine": _case(
        "Error occurred during query execution: ConnectorError(ConnectorError { "
        'user_facing_error: None, kind: QueryError(PostgresError { code: "23505", message: '
        '"duplicate key value violates unique constraint \\"orders_number_key\\"", severity: '
        f'"ERROR", detail: Some("{DETAIL}"), column: None, hint: None }}), transient: false }})'
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OBJECTS.values(), ids=OBJECTS)
def test_an_error_is_read_out_of_its_printed_object(case: Case) -> None:
    """Whatever the notation, the message is the message and the other fields tell of it."""
    assert found(case) == wanted(case)


SERVICES = {
    "Auth": Case(
        '{"code":400,"error_code":"invalid_credentials","msg":"Invalid login credentials"}',
        "Invalid login credentials",
    ),
    "Storage": Case(
        '{"statusCode":"404","error":"not_found","message":"Object not found"}',
        "Object not found",
        status="404",
    ),
    "OAuth": Case(
        '{"error":"invalid_grant","error_description":"Invalid Refresh Token: Already Used"}',
        "Invalid Refresh Token: Already Used",
    ),
    "Stripe": Case(
        '{"error":{"code":"resource_missing","message":"No such price: \'price_1\'","param":'
        '"line_items[0][price]","type":"invalid_request_error"}}',
        "No such price: 'price_1'",
        code="resource_missing",
    ),
    "a problem of RFC 9457": Case(
        '{"type":"about:blank","title":"Conflict","status":409,"detail":"Order 7 was shipped"}',
        "Order 7 was shipped",
        status="409",
    ),
    "GraphQL": Case(
        '{"errors":[{"message":"Field \'total\' is not defined by type Order","locations":[{"line":'
        '2,"column":3}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}',
        "Field 'total' is not defined by type Order",
    ),
    "PostgREST": Case(
        '{"code":"PGRST204","details":null,"hint":null,"message":"Could not find the \'total\' '
        "column of 'orders' in the schema cache\"}",
        "Could not find the 'total' column of 'orders' in the schema cache",
        code="PGRST204",
    ),
    "a body behind a status": Case(
        'HTTP 409 from POST /rest/v1/orders: {"code":"23505","details":null,"hint":null,"message":'
        '"duplicate key value violates unique constraint \\"orders_number_key\\""}',
        MESSAGE,
        code="23505",
        status="409",
    ),
    "a body in an exception": Case(
        'HTTPError: 409 Client Error: Conflict for url: https://x.supabase.co/rest/v1/orders - '
        '{"code":"23505","details":null,"hint":null,"message":"duplicate key value violates unique '
        'constraint \\"orders_number_key\\""}',
        MESSAGE,
        code="23505",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SERVICES.values(), ids=SERVICES)
def test_a_service_names_its_error_in_its_own_fields(case: Case) -> None:
    """The text for people is the message; codes and statuses stand beside it."""
    assert found(case) == wanted(case)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"a": {"b": [1, 2, {"c": null}]}}',
        "{not closed",
        "Set {1, 2} is not a subset of {1, 3}",
        "cannot cast {1,2,3} to integer",
        "[1, 2, 3]",
    ],
)
def test_an_object_that_holds_no_error_stays_whole(text: str) -> None:
    """Braces and brackets alone do not make an envelope."""
    assert found(Case(text, text)) == {"message": text}


def test_objects_are_followed_to_a_bound() -> None:
    """A text nested deeper than anyone logs is still answered."""
    text = "nothing of item 7 is left"
    for _ in range(10):
        text = json.dumps({"error": text})
    assert found(Case(text, "nothing of item 7 is left")) == {
        "message": "nothing of item 7 is left"
    }
    deep = '{"error":' * 5000 + '"x"' + "}" * 5000
    assert found(Case(deep, deep[:9]))["message"]
