"""Which literals of a script are credentials."""

import pytest

from pattern_engine.fixes.credentials import (
    credential_by_name,
    known_credential,
    literal_credential,
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
# Written in two pieces so that no scanner takes this file for a leak.
STRIPE = "sk_" + "live_51H8xkKAbCdEfGhIj"
SUPABASE = "sb_" + "secret_N7UND0UgjKTVK"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (JWT, "JSON Web Token"),
        (KEY, "private key"),
        (STRIPE, "API key"),
        (SUPABASE, "API key"),
        (AWS, "API key"),
        (f"key={GITHUB};", "API key"),
        ("Bearer 9f8c7d6e5f4a3b2c", "Authorization value"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization value"),
        ("Authorization: 9f8c7d6e5f4a", "Authorization value"),
        ("https://admin:hunter2@example.com/", "password in a URL"),
        ("postgres://app:s3cr3t@db.example.com:5432/app", "password in a URL"),
        ("password=hunter2", "password or secret"),
        ("--password hunter2", "password or secret"),
        ('{"api_key": "abc123def456"}', "password or secret"),
        ("Server=db;User=sa;Password=Zebra77;", "password or secret"),
    ],
)
def test_a_credential_is_recognised_by_its_form_or_the_word_beside_it(text: str, kind: str) -> None:
    """A credential is recognised by its form, or by the word beside it."""
    assert literal_credential(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        *("", "Bearer ", "Bearer $TOKEN", "Authorization: Bearer ${TOKEN}", "token=$(read_token)"),
        *("password must be longer", "invalid token: expired", "https://example.com/a:b@c"),
        *("https://$USER:$PASSWORD@example.com", "application/json", "basic authentication"),
        *("sb_publishable_abc123def456", "JWT expired", "ops@example.com", "4111 1111 1111 1111"),
        "0f3b6e5c-7a1d-4c5e-9b1a-2d3c4e5f6a7b",
    ],
)
def test_a_reference_to_a_secret_is_no_credential(text: str) -> None:
    """A reference to a secret, or a text about one, is no credential."""
    assert literal_credential(text) is None


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("password", "hunter2", "password or secret"),
        ("DB_PASSWORD", "hunter2", "password or secret"),
        ("pass", "hunter2", "password or secret"),
        ("apiKey", "abc123def456", "password or secret"),
        ("x-api-key", 'ab"c12', "password or secret"),
        ("authorization", "Bearer 9f8c7d6e5f4a", "Authorization value"),
        ("Authorization", "9f8c7d6e5f4a", "Authorization value"),
        ("note", AWS, "API key"),
        ("password", "$DB_PASSWORD", None),
        ("password", "", None),
        ("credentials", "same-origin", None),
        ("password", "[redacted]", None),
        ("token", "<your token>", None),
        ("password", "string", None),
        ("tokenType", "opaque-2", None),
        ("tokenUrl", "https://auth.example.com/token", None),
        ("passwordMessage", "it must be longer", None),
        ("Authorization", "Bearer ", None),
        ("status", "active", None),
    ],
)
def test_a_name_makes_a_literal_a_credential(name: str, value: str, kind: str | None) -> None:
    """Under a name such as password, any literal is a credential."""
    assert credential_by_name(name, value) == kind


def test_in_source_code_only_credentials_with_their_own_form_are_found() -> None:
    """In source code only credentials with a form of their own are found."""
    assert known_credential("const password = params.password; // token: x1y2z3w4") is None
    assert known_credential(f"// once it was {STRIPE}\nreturn 1") == "API key"
