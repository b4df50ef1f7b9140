"""What a log call becomes: a row by which the engine finds the error again."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from postgrest import APIError

from pattern_engine import grouping
from pattern_engine.grouping import evidence
from pattern_engine.handlers import PatternEngineHandler, PatternEngineProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.core.handlers.conftest import Server

    from pattern_engine.grouping import Group

NULL = 'null value in column "currency" of relation "invoices" violates not-null constraint'
DETAILS = "Failing row contains (3, 45.0, null)."


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


class Diagnosis:
    """What psycopg tells of an error of the server."""

    message_primary = NULL
    message_detail = DETAILS
    message_hint = None
    context = None
    constraint_name = None
    table_name = "invoices"
    column_name = "currency"
    schema_name = "public"


class NotNullViolation(Exception):  # noqa: N818  psycopg's own name
    """An error as psycopg raises it."""

    sqlstate = "23502"
    diag = Diagnosis()


class OrderError(Exception):
    """An error of the application."""


class UnprintableError(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    @property
    def code(self) -> str:
        """Fail as the text does."""
        raise ZeroDivisionError


def _by_api() -> None:
    raise APIError({"message": NULL, "code": "23502", "hint": None, "details": DETAILS})


def _by_driver() -> None:
    raise NotNullViolation(f"{NULL}\nDETAIL:  {DETAILS}")


def _from_cause() -> None:
    try:
        _by_driver()
    except NotNullViolation as error:
        raise OrderError("could not invoice order 17") from error


def _while_handling() -> None:
    try:
        _from_cause()
    except OrderError:
        raise RuntimeError("request 4711 failed")  # noqa: B904  what many programs do


def _in_a_group() -> None:
    try:
        _by_driver()
    except NotNullViolation as error:
        raise ExceptionGroup("two tasks failed", [error, OrderError("later")]) from None


def _nested(depth: int) -> None:
    if depth:
        _nested(depth - 1)
    _from_cause()


def _group(row: dict[str, Any]) -> Group:
    sent = evidence.read(row["error_data"], row["message"])
    return grouping.group(
        row["message"],
        fingerprint=sent.fingerprint,
        stack=sent.stack,
        exception=sent.exception,
        fields=sent.fields,
    )


@pytest.fixture
def logger() -> logging.Logger:
    """A logger of its own."""
    logger = logging.Logger("shop.invoices")  # noqa: LOG001  no other test has its handlers
    logger.propagate = False
    return logger


@pytest.fixture
def logged(server: Server, logger: logging.Logger) -> Callable[[], dict[str, Any]]:
    """Sends what was logged, and answers the one row."""
    handler = PatternEngineHandler(url=server.url, key="k", source="shop", level=logging.DEBUG)
    logger.addHandler(handler)

    def one() -> dict[str, Any]:
        assert handler.flush(10)
        assert handler.dropped == 0
        (row,) = server.written
        return row

    return one


@pytest.mark.parametrize(
    ("fail", "outer"),
    [
        (_by_api, []),
        (_by_driver, []),
        (_from_cause, ["OrderError: could not invoice order 17"]),
        (
            _while_handling,
            ["RuntimeError: request 4711 failed", "OrderError: could not invoice order 17"],
        ),
        (_in_a_group, ["ExceptionGroup: two tasks failed (2 sub-exceptions)"]),
        (lambda: _nested(300), ["OrderError: could not invoice order 17"]),
    ],
)
def test_an_exception_is_the_error_that_it_goes_back_to(
    logger: logging.Logger,
    logged: Callable[[], dict[str, Any]],
    fail: Callable[[], None],
    outer: list[str],
) -> None:
    """However it is wrapped, it is the pattern of the bare message, and names the same things."""
    try:
        fail()
    except Exception:
        logger.exception("could not invoice order %s", 17)
    row = logged()
    assert row["message"] == NULL
    assert (row["error_data"]["code"], row["error_data"]["details"]) == ("23502", DETAILS)
    raised = [
        each.rpartition("test_logged_rows.")[2] for each in row["metadata"].get("raised_as", [])
    ]
    assert raised == outer
    assert row["metadata"]["log_message"] == "could not invoice order 17"
    plain, group = grouping.group(NULL), _group(row)
    assert group.signature == plain.signature
    assert {name: group.captured[name] for name in ("table", "column", "code")} == plain.captured


def test_an_exception_of_the_application_has_its_class_and_place(
    logger: logging.Logger, logged: Callable[[], dict[str, Any]]
) -> None:
    """So does one of the language, and both are told apart by them."""
    try:
        raise OrderError("order 17 has no currency")  # noqa: TRY301  its place is looked at
    except OrderError:
        logger.exception("failed")
    row = logged()
    assert row["message"].endswith("OrderError: order 17 has no currency")
    assert row["error_data"]["exception"] == f"{__name__}.OrderError"
    group = _group(row)
    assert group.template.startswith("OrderError: order <*> has no currency\n  at ")
    assert group.captured["frame"].endswith(
        "test_an_exception_of_the_application_has_its_class_and_place"
    )


def test_a_missing_grant_and_a_policy_stay_apart(server: Server, logger: logging.Logger) -> None:
    """They have the same SQLSTATE."""
    handler = PatternEngineHandler(url=server.url, key="k")
    logger.addHandler(handler)
    for message in (
        "permission denied for table invoices",
        'new row violates row-level security policy for table "invoices"',
    ):
        logger.error("refused: %s", APIError({"message": message, "code": "42501"}))
    assert handler.flush(10)
    grant, policy = map(_group, server.written)
    assert grant.signature != policy.signature
    assert (grant.captured["table"], policy.captured["table"]) == ("invoices", "invoices")


@pytest.mark.parametrize(
    "log",
    [
        lambda logger, error: logger.error("could not invoice: %s", error),
        lambda logger, error: logger.error(error),
        lambda logger, error: logger.error("failed", exc_info=error),
        lambda logger, error: logger.error("failed", exc_info=(type(error), error, None)),
    ],
)
def test_an_exception_is_found_where_people_put_it(
    logger: logging.Logger,
    logged: Callable[[], dict[str, Any]],
    log: Callable[[logging.Logger, Exception], None],
) -> None:
    """Among the arguments, as the message, and in exc_info."""
    log(logger, NotNullViolation("x"))
    assert logged()["message"] == NULL


def test_a_message_without_an_exception_is_itself(
    logger: logging.Logger, logged: Callable[[], dict[str, Any]]
) -> None:
    """With its logger and the values of extra; True among the arguments means nothing."""
    try:
        _by_api()
    except APIError:
        logger.warning(
            "sold out: %s %s", "lamp", True, extra={"order": 17, "fingerprint": ["a", "b"]}
        )
    row = logged()
    assert (row["message"], row["log_level"]) == ("sold out: lamp True", "warning")
    assert row["error_data"] == {"fingerprint": ["a", "b"]}
    assert row["metadata"]["order"] == 17
    assert row["metadata"]["logger"] == "shop.invoices"


def test_a_row_says_where_it_comes_from(
    server: Server, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the options, else by the usual variables, else by the name of the logger."""
    for name in ("OTEL_SERVICE_NAME", "K_SERVICE", "RELEASE", "ENVIRONMENT", "VERCEL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SENTRY_RELEASE", "1.4.0")
    monkeypatch.setenv("APP_ENV", "staging")
    monkeypatch.setenv("SUPABASE_URL", server.url)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_1")
    by_variables = PatternEngineHandler()
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "eyJ.old")
    by_options = PatternEngineHandler(source="shop", release="2", environment="production")
    for handler in (by_variables, by_options):
        logger.addHandler(handler)
        logger.error("x")
        assert handler.flush(10)
        logger.removeHandler(handler)
    told = [(row["source"], row["release"], row["environment"]) for row in server.written]
    assert told == [("shop.invoices", "1.4.0", "staging"), ("shop", "2", "production")]
    (new, _), (old, _) = server.requests
    assert (new["Apikey"], new.get("Authorization")) == ("sb_secret_1", None)
    assert (old["Apikey"], old["Authorization"]) == ("eyJ.old", "Bearer eyJ.old")
    assert (new["path"], new["Content-Profile"]) == ("/rest/v1/system_logs", "ops")


@pytest.mark.parametrize(
    "value",
    [
        UnprintableError(),
        object(),
        float("inf"),
        {"a": {1, 2}, "b": "x" * 5_000},
        CIRCLE,
        "nul \0 and half \ud83d of a pair",
        ["\0"],
        "x" * 100_000,
        2**100,
    ],
)
def test_odd_values_are_written(
    logger: logging.Logger, logged: Callable[[], dict[str, Any]], value: object
) -> None:
    """Whatever is logged, PostgreSQL can store the row, and it is not large."""
    logger.error(
        "%s", value if not isinstance(value, UnprintableError) else "x", extra={"odd": value}
    )
    row = logged()
    assert "odd" in row["metadata"]
    written = json.dumps(row)
    assert not any(part in written for part in ("\\u0000", "\\ud83d", "Infinity"))
    assert len(written) < 60_000


def test_an_unprintable_exception_is_told_by_its_class(
    logger: logging.Logger, logged: Callable[[], dict[str, Any]]
) -> None:
    """A log call does not raise what the exception raises."""
    logger.error("failed", exc_info=UnprintableError())
    assert logged()["message"] == f"{__name__}.UnprintableError: <unprintable>"


def test_a_very_long_chain_keeps_its_root(
    logger: logging.Logger, logged: Callable[[], dict[str, Any]]
) -> None:
    """The engine reads 4,096 characters of a stack, and the root is among them."""

    def deep(depth: int) -> None:
        if depth:
            deep(depth - 1)
        _by_driver()

    try:
        try:
            deep(sys.getrecursionlimit() - 200)
        except NotNullViolation as error:
            raise OrderError("y" * 9_000) from error
    except OrderError:
        logger.exception("failed")
    row = logged()
    assert len(row["error_data"]["stack"]) <= 4_096
    assert NULL in row["error_data"]["stack"]
    assert _group(row).signature == grouping.group(NULL).signature


@pytest.mark.parametrize("given", ["exc_info", "value", "event"])
def test_structlog_hands_its_events_on(server: Server, given: str) -> None:
    """The processor takes what it needs and changes nothing; levels below its own are not sent."""
    processor = PatternEngineProcessor(url=server.url, key="k", source="shop")
    with structlog.testing.capture_logs(processors=[processor]) as events:
        log = structlog.get_logger().bind(order=17)
        log.info("started")
        try:
            _from_cause()
        except OrderError as error:
            if given == "exc_info":
                log.exception("could not invoice")
            elif given == "value":
                log.error("could not invoice", error=error)  # noqa: TRY400
            else:
                log.error(error)  # noqa: TRY400
    assert processor.flush(10)
    (row,) = server.written
    assert (row["message"], row["log_level"], row["source"]) == (NULL, "error", "shop")
    assert row["metadata"]["order"] == 17
    assert _group(row).signature == grouping.group(NULL).signature
    assert [event["order"] for event in events] == [17, 17]


def test_an_event_of_structlog_reaches_a_handler_of_logging(
    logger: logging.Logger, logged: Callable[[], dict[str, Any]]
) -> None:
    """Where structlog is wrapped for a ProcessorFormatter, the record's message is its event."""
    try:
        _by_api()
    except APIError as error:
        event = {"event": "could not invoice", "order": 17, "exc_info": error}
        logger.error(event)  # noqa: TRY400
    row = logged()
    assert row["message"] == NULL
    assert (row["metadata"]["order"], row["metadata"]["log_message"]) == (17, "could not invoice")
