"""Settings: complete or not at all, older names accepted, secrets kept out of sight."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pattern_engine import settings
from pattern_engine.exceptions import ConfigurationError
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from pathlib import Path

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
    "PATTERN_ENGINE_BASH_FIXES": "yes",
    "PATTERN_ENGINE_ALLOW_DESTRUCTIVE": "false",
    "PATTERN_ENGINE_TWO_PEOPLE": "1",
    "PATTERN_ENGINE_MAX_ROWS": "1000001",
    "PATTERN_ENGINE_MAX_TABLES": "0",
    "PATTERN_ENGINE_RUNS_PER_HOUR": "60.5",
    "PATTERN_ENGINE_STORM_SHARE": "nan",
    "PATTERN_ENGINE_COOLDOWN_SECONDS": "-1",
    "PATTERN_ENGINE_LATE_SECONDS": "inf",
    "PATTERN_ENGINE_QUIET_HOURS": "at night",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG.keys())
def test_wrong_values_are_named(name: str, value: str) -> None:
    """A wrong value stops start-up as a missing one does."""
    with pytest.raises(ConfigurationError, match=name):
        settings.from_environment({**COMPLETE, name: value})


def test_all_wrong_values_are_in_one_message() -> None:
    """Nobody starts sixteen times either."""
    with pytest.raises(ConfigurationError) as raised:
        settings.from_environment({**COMPLETE, **WRONG})
    assert all(name in raised.value.message for name in WRONG)


def test_the_message_says_what_is_allowed() -> None:
    """With the bounds, and the value as it was written."""
    with pytest.raises(ConfigurationError) as raised:
        settings.from_environment({**COMPLETE, "PATTERN_ENGINE_MAX_ROWS": "1e9"})
    allowed = "PATTERN_ENGINE_MAX_ROWS must be a whole number from 1 to 1000000, it is '1e9'"
    assert allowed in raised.value.message


BOUNDS = [
    (each.name, bound)
    for each in dataclasses.fields(Thresholds)
    for bound in each.metadata.get("bounds", ())
]
CALM = {  # so that no bound contradicts another threshold
    "PATTERN_ENGINE_DISABLE_AFTER": "100",
    "PATTERN_ENGINE_DEMOTE_AFTER": "1",
    "PATTERN_ENGINE_SETTLE_SECONDS": "0",
    "PATTERN_ENGINE_MIN_WINDOW_SECONDS": "60.1",
    "PATTERN_ENGINE_MAX_WINDOW_SECONDS": "604800",
}


@pytest.mark.parametrize(("name", "bound"), BOUNDS)
def test_the_bounds_themselves_are_allowed(name: str, bound: float) -> None:
    """As they are documented, and nothing beyond them."""
    least, most = (each for each_name, each in BOUNDS if each_name == name)
    variable = settings.variable(name)
    calm = CALM | (
        {"PATTERN_ENGINE_MIN_WINDOW_SECONDS": "0.1"} if name == "max_window_seconds" else {}
    )
    given = {**COMPLETE, **calm, variable: f"{bound:.15g}"}
    assert getattr(settings.from_environment(given).thresholds, name) == bound
    beyond = bound - 1 if bound == least else most + 1
    with pytest.raises(ConfigurationError, match=f"{variable} must be"):
        settings.from_environment({**COMPLETE, **calm, variable: f"{beyond:.15g}"})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"DEMOTE_AFTER": "4"}, "DISABLE_AFTER"),
        ({"MIN_WINDOW_SECONDS": "20", "MAX_WINDOW_SECONDS": "10"}, "MAX_WINDOW_SECONDS"),
        ({"MIN_WINDOW_SECONDS": "1"}, "SETTLE_SECONDS"),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(
    first: dict[str, str], second: str
) -> None:
    """Each within its bounds, but not both at once."""
    given = {f"PATTERN_ENGINE_{name}": value for name, value in first.items()}
    with pytest.raises(ConfigurationError, match=f"PATTERN_ENGINE_{second}"):
        settings.from_environment({**COMPLETE, **given})


def test_without_any_the_thresholds_are_the_documented_ones() -> None:
    """An environment that names none gets the defaults of the dataclass."""
    assert settings.from_environment(COMPLETE).thresholds == Thresholds()


def test_switches_are_on_or_off_in_any_case() -> None:
    """And a number keeps its type."""
    given = {
        "PATTERN_ENGINE_TWO_PEOPLE": "On",
        "PATTERN_ENGINE_ALLOW_DESTRUCTIVE": "OFF",
        "PATTERN_ENGINE_COOLDOWN_SECONDS": "0",
        "PATTERN_ENGINE_MAX_ROWS": "7",
    }
    found = settings.from_environment({**COMPLETE, **given}).thresholds
    assert found == Thresholds(
        two_people=True, allow_destructive=False, cooldown_seconds=0.0, max_rows=7
    )
    assert (type(found.cooldown_seconds), type(found.max_rows)) == (float, int)


def test_the_time_zones_are_loaded_only_when_asked_for() -> None:
    """Every function starts with these modules; few have quiet hours."""
    program = (
        "import sys, pattern_engine.settings as s; s.from_environment("
        f"{COMPLETE!r}); print('zoneinfo' in sys.modules, 'ipaddress' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False False\n"


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


def test_directories_are_a_comma_list_of_names_and_paths(tmp_path: Path) -> None:
    """They reach the executor of bash fixes, with the limits of a copy."""
    environment = COMPLETE | {
        "PATTERN_ENGINE_BASH_DIRECTORIES": f"spool={tmp_path}, logs_2=/tmp",
        "PATTERN_ENGINE_BASH_COPY_FILES": "7",
    }
    facilities = settings.from_environment(environment).facilities()
    assert facilities.bash_directories == {"spool": str(tmp_path), "logs_2": "/tmp"}
    assert facilities.bash_copy_files == 7
    assert facilities.bash_state_directory == "~/.local/state/pattern-engine"


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("Spool=/tmp", "'Spool' must be a unique name"),
        ("spool=/tmp,spool=/var", "'spool' must be a unique name"),
        ("spool=tmp", "'tmp' is not a directory"),
        ("spool=/nowhere", "'/nowhere' is not a directory"),
        ("spool", "'' is not a directory"),
        ("root=/", "is the root directory"),
    ],
)
def test_a_directory_that_cannot_be_granted_is_named(listed: str, said: str) -> None:
    """At start-up, not when a fix needs it."""
    environment = COMPLETE | {"PATTERN_ENGINE_BASH_DIRECTORIES": listed}
    with pytest.raises(ConfigurationError, match=said):
        settings.from_environment(environment)
