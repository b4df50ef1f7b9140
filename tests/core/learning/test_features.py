"""What is noted about an error."""

from collections.abc import Iterator, Mapping

import pytest

from pattern_engine.learning import features
from pattern_engine.learning.features import Extractor, Feature, extract, extractor

MESSAGE = "ERROR: relation missing (PGRST116) at https://example.com"


def test_the_specifications_features_are_there() -> None:
    """The specification's features, under its names, and nothing else."""
    assert extract(MESSAGE, "auth-service").as_dict() == {
        "message_length": 57,
        "word_count": 6,
        "has_stack_trace": False,
        "has_sql": False,
        "has_url": True,
        "has_uuid": False,
        "error_code": "PGRST116",
        "source_component": "auth-service",
        "severity_score": 3,
    }


FLAGS = [
    ("has_stack_trace", "TypeError: x\n    at f (/app/a.js:1:2)", True),
    ("has_stack_trace", "Error: x", True),
    ("has_stack_trace", "Traceback (most recent call last):\n", True),
    ("has_stack_trace", "see the Stack Trace below", True),
    ("has_stack_trace", "thrown at handler (index.ts:10:5)", True),
    ("has_stack_trace", "failed at 10:30", False),
    ("has_stack_trace", "what a day", False),
    ("has_sql", "SELECT * FROM users", True),
    ("has_sql", "select * from users", True),
    ("has_sql", "delete from users", True),
    ("has_sql", "insert into users values (1)", True),
    ("has_sql", "update users set name = 'x'", True),
    ("has_sql", "syntax error at or near WHERE", True),
    ("has_sql", "failed to update the user from cache, where possible", False),
    ("has_sql", "FROMAGE and PREDELETED", False),
    ("has_url", "GET HTTPS://EXAMPLE.COM failed", True),
    ("has_url", "httpx failed", False),
    ("has_uuid", "user D290F1EE-6C54-4B01-90E6-D701748F0851", True),
    ("has_uuid", "user d290f1ee-6c54", False),
]


@pytest.mark.parametrize(("name", "message", "value"), FLAGS)
def test_a_flag_tells_what_a_message_contains(name: str, message: str, value: bool) -> None:
    """Each flag by what makes it true, and by what looks like it."""
    assert getattr(extract(message), name) is value


CODES = [
    ("JSON object requested (PGRST116)", "PGRST116"),
    ("failed with ERR_404", "ERR_404"),
    ("ERR_MODULE_NOT_FOUND: x", "ERR_MODULE_NOT_FOUND"),
    ("ERROR: x (SQLSTATE 42501)", "42501"),
    ("ERROR: 42P01: x", "42P01"),
    ("connect ECONNREFUSED", "ECONNREFUSED"),
    ("error TS2322: x", "TS2322"),
    ("ORA-00942: x", "ORA-00942"),
    ("SHA256 of UTF8 differs", None),
    ("number 42501 is high", None),
    ("nothing", None),
]


@pytest.mark.parametrize(("message", "code"), CODES)
def test_the_first_error_code_is_extracted(message: str, code: str | None) -> None:
    """Codes with a known shape are found, numbers and names of algorithms are none."""
    assert extract(message).error_code == code


SCORES = [
    ("a catastrophic failure", 5),
    ("FATAL: x", 5),
    ("critical error", 5),
    ("it failed", 3),
    ("TypeError", 3),
    ("unhandled Exception", 3),
    ("warn: low disk", 2),
    ("Warning", 2),
    ("all is well", 1),
]


@pytest.mark.parametrize(("message", "score"), SCORES)
def test_the_gravest_word_decides(message: str, score: int) -> None:
    """Critical words before error words before warnings; 1 without any."""
    assert extract(message).severity_score == score


@pytest.mark.parametrize(
    ("severity", "score"),
    [("debug", 1), ("info", 2), ("warning", 2), ("error", 3), ("critical", 5)],
)
def test_an_explicit_severity_wins(severity: str, score: int) -> None:
    """What the application says counts, whatever the words."""
    assert extract("FATAL exception", severity=severity).severity_score == score


def test_each_severity_number_has_a_name() -> None:
    """Of info and warning, which share a number, the graver one names it."""
    assert [features.severity_from_score(score) for score in (1, 2, 3, 5)] == [
        "debug",
        "warning",
        "error",
        "critical",
    ]


def test_a_missing_source_is_called_unknown() -> None:
    """`source_component` is always a string."""
    assert extract("x").source_component == "unknown"


@pytest.fixture
def registry() -> Iterator[None]:
    """A registry that is as before when the test ends."""
    before = list(features._REGISTERED)  # noqa: SLF001 - there is no way to unregister, on purpose
    yield
    features._REGISTERED[:] = before  # noqa: SLF001


def _of_customers(message: str, source: str) -> Mapping[str, Feature]:
    return {"has_customer_id": "customer_id" in message, "origin": source}


@pytest.mark.usefixtures("registry")
def test_a_registered_extractor_adds_its_features() -> None:
    """Its features stand beside the built-in ones."""
    extractor("has_customer_id", "origin")(_of_customers)
    found = extract("no customer_id", "billing").as_dict()
    assert found["has_customer_id"] is True
    assert found["origin"] == "billing"


def test_an_extractor_that_is_passed_counts_for_this_error_alone() -> None:
    """Passing one registers nothing."""
    mine = Extractor(frozenset({"has_customer_id", "origin"}), _of_customers)
    assert extract("x", extractors=[mine]).custom == {"has_customer_id": False, "origin": "unknown"}
    assert extract("x").custom == {}


@pytest.mark.parametrize("name", ["has_sql", "severity_score", "custom", "failed_extractors"])
def test_a_built_in_name_is_refused(name: str) -> None:
    """A clash is told when the extractor is registered, not when an error arrives."""
    with pytest.raises(ValueError, match=name):
        extractor(name)


@pytest.mark.usefixtures("registry")
def test_two_extractors_cannot_share_a_name() -> None:
    """The second one is refused, and the message names the first."""
    extractor("origin", "has_customer_id")(_of_customers)
    with pytest.raises(ValueError, match="_of_customers"):
        extractor("origin")(_of_customers)


def test_an_extractor_declares_its_names() -> None:
    """One without names is refused."""
    with pytest.raises(ValueError, match="declares"):
        extractor()


def _fails(_message: str, _source: str) -> Mapping[str, Feature]:
    raise KeyError("broken")


def _surprises(_message: str, _source: str) -> Mapping[str, Feature]:
    return {"other": 1}


def _nests(_message: str, _source: str) -> Mapping[str, Feature]:
    return {"mine": [1]}  # type: ignore[dict-item]  # what a careless extractor does


@pytest.mark.parametrize(
    ("function", "reason"),
    [(_fails, "KeyError"), (_surprises, "'other' was not declared"), (_nests, "list")],
)
def test_a_failing_extractor_stops_nothing(function: features.ExtractFunction, reason: str) -> None:
    """Its failure is noted in the features, the others are there."""
    mine = Extractor(frozenset({"mine"}), function)
    good = Extractor(frozenset({"has_customer_id", "origin"}), _of_customers)
    found = extract("customer_id", "s", extractors=[mine, good])
    assert reason in found.failed_extractors[function.__name__]
    assert found.custom == {"has_customer_id": True, "origin": "s"}
    assert found.as_dict()["failed_extractors"] == found.failed_extractors


def test_features_cannot_be_changed() -> None:
    """They are values."""
    with pytest.raises(AttributeError):
        extract("x").word_count = 2  # type: ignore[misc]  # what the test is about
