"""Settings: complete or not at all, older names accepted, secrets kept out of sight."""

from __future__ import annotations

import dataclasses

import pytest

from pattern_engine import settings
from pattern_engine.errors import ConfigurationError

COMPLETE = {
    "SUPABASE_URL": "https://project.supabase.co/",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x",
    "SUPABASE_SECRET_KEY": "sb_secret_hidden",
    "SUPABASE_JWT_SECRET": "a-secret-with-at-least-thirty-two-bytes",
    "PATTERN_ENGINE_WEBHOOK_SECRET": "webhook-hidden",
}


def test_a_complete_environment_is_enough() -> None:
    """Everything else has a default."""
    found = settings.from_environment(COMPLETE)
    assert found.supabase_url == "https://project.supabase.co"
    assert (found.apply_max_age_seconds, found.database_timeout_seconds) == (900, 10)
    assert (found.jwt_audience, found.jwt_issuer, found.jwks_url) == ("authenticated", None, None)
    assert found.allowed_origins == frozenset()


def test_all_missing_names_are_in_one_message() -> None:
    """Nobody starts six times to find six missing names."""
    with pytest.raises(ConfigurationError) as raised:
        settings.from_environment({"SUPABASE_URL": "  "})
    for name in (*COMPLETE, "SUPABASE_JWKS_URL", "SUPABASE_ANON_KEY"):
        assert name in raised.value.message


def test_older_names_of_the_keys_are_accepted() -> None:
    """Projects with legacy keys need not rename them."""
    legacy = {
        **{name: value for name, value in COMPLETE.items() if not name.endswith("_KEY")},
        "SUPABASE_ANON_KEY": "anon",
        "SUPABASE_SERVICE_ROLE_KEY": "service",
    }
    found = settings.from_environment(legacy)
    assert (found.publishable_key, found.secret_key) == ("anon", "service")


def test_published_keys_do_instead_of_a_secret() -> None:
    """A project that signs asymmetrically has no secret to give."""
    asymmetric = {**COMPLETE, "SUPABASE_JWT_SECRET": "", "SUPABASE_JWKS_URL": "https://x.test/jwks"}
    found = settings.from_environment(asymmetric)
    assert (found.jwt_secret, found.jwks_url) == (None, "https://x.test/jwks")


WRONG = {
    "SUPABASE_URL": "project.supabase.co",
    "SUPABASE_JWKS_URL": "file:///etc/passwd",
    "SUPABASE_JWT_SECRET": "too short",
    "PATTERN_ENGINE_APPLY_MAX_AGE_SECONDS": "soon",
    "PATTERN_ENGINE_DATABASE_TIMEOUT_SECONDS": "0",
    "PATTERN_ENGINE_LOG_LEVEL": "loud",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG.keys())
def test_wrong_values_are_named(name: str, value: str) -> None:
    """A wrong value stops start-up as a missing one does."""
    with pytest.raises(ConfigurationError, match=name):
        settings.from_environment({**COMPLETE, name: value})


def test_a_secret_is_never_shown() -> None:
    """Neither the repr nor a message of the settings holds one."""
    found = settings.from_environment(COMPLETE)
    assert "hidden" not in repr(found)
    with pytest.raises(ConfigurationError) as raised:
        settings.from_environment({**COMPLETE, "SUPABASE_JWT_SECRET": "hidden"})
    assert "hidden" not in raised.value.message


def test_settings_do_not_change() -> None:
    """They are read once; whoever wants others starts another process."""
    found = settings.from_environment(COMPLETE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.secret_key = "other"  # type: ignore[misc]  # that is the point


def test_origins_are_a_comma_list() -> None:
    """Spaces and trailing slashes are forgiven: browsers send neither."""
    listed = {**COMPLETE, "PATTERN_ENGINE_ALLOWED_ORIGINS": "https://a.test/, http://b.test:3000,"}
    found = settings.from_environment(listed)
    assert found.allowed_origins == {"https://a.test", "http://b.test:3000"}
