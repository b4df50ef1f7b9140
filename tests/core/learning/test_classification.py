"""Which type an error is."""

import pytest

from pattern_engine.learning.classification import classify, severity

BY_TYPE = {
    "rls": [
        'new row violates row-level security policy for table "users"',
        "permission denied for table orders",
        "Access denied",
        "policy check failed on SELECT",
        "payment refused: permission missing",
    ],
    "stripe": [
        "Stripe charge ch_3abc123 failed: card declined",
        "Payment failed",
        "subscription has expired",
        "payment deploy failed",
    ],
    "deployment": [
        "Deployment failed",
        "build error in step 3",
        "migration 0042 could not be applied: SELECT failed",
        "npm ERR! code ERESOLVE",
    ],
    "database": [
        "Connection failed to database postgres://db-prod-1:5432",
        "supabase returned nothing",
        "SELECT * FROM users failed",
        'relation "users" does not exist',
        'duplicate key value violates unique constraint "users_pkey"',
        'subscription "s" of a publication does not exist in postgres',
    ],
    "api": [
        "Request returned 404",
        "connect ECONNREFUSED 10.0.0.1:443",
        "failed to update the user from cache",
        "",
    ],
}


@pytest.mark.parametrize(
    ("message", "kind"), [(message, kind) for kind in BY_TYPE for message in BY_TYPE[kind]]
)
def test_an_error_has_this_type(message: str, kind: str) -> None:
    """By the specification's words, in its precedence: rls, stripe, deployment, database, api."""
    assert classify(message) == kind


def test_the_order_of_types_is_the_precedence() -> None:
    """Where words of all types occur, the first type wins, and so on down."""
    assert classify("postgres deploy stripe policy") == "rls"
    assert classify("postgres deploy stripe") == "stripe"
    assert classify("postgres deploy") == "deployment"
    assert classify("postgres") == "database"


@pytest.mark.parametrize(
    ("message", "given", "text"),
    [
        ("FATAL: gone", None, "critical"),
        ("it failed", None, "error"),
        ("warn: x", None, "warning"),
        ("hello", None, "debug"),
        ("FATAL: gone", "info", "info"),
    ],
)
def test_severity_is_the_given_one_or_by_words(message: str, given: str | None, text: str) -> None:
    """An explicit severity wins over keywords."""
    assert severity(message, given) == text
