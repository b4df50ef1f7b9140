"""The engine's errors: each is an exception class with a stable code and an HTTP status.

::

    PatternEngineError                     500 internal_error
    ├── ConfigurationError                 500 configuration          (stops start-up)
    ├── InvalidRequest                     400 invalid_request
    │   ├── InvalidJson                    400 invalid_json
    │   ├── MethodNotAllowed               405 method_not_allowed
    │   ├── UnknownEndpoint                404 unknown_endpoint
    │   ├── UnsupportedMediaType           415 unsupported_media_type
    │   ├── BodyTooLarge                   413 body_too_large
    │   ├── MessageTooLarge                413 message_too_large
    │   ├── UnknownField                   422 unknown_field
    │   ├── InvalidField                   422 invalid_field
    │   ├── InvalidParameters              422 invalid_parameters     (PL013)
    │   ├── InvalidRule                    422 invalid_rule           (PL019)
    │   ├── InvalidChoice                  422 invalid_choice         (PL022)
    │   ├── FixRefused                     422 fix_refused
    │   └── FixTypeNotSupported            501 fix_type_not_supported
    ├── NotAuthenticated                   401 not_authenticated
    │   ├── PublishableKeyOnly             401 publishable_key_only
    │   ├── InvalidToken                   401 invalid_token
    │   ├── TokenExpired                   401 token_expired
    │   ├── SignInFailed                   401 sign_in_failed
    │   └── InvalidWebhookSecret           401 invalid_webhook_secret
    ├── Forbidden                          403 forbidden              (PL001, 42501)
    │   ├── CallerNotAllowed               403 caller_not_allowed
    │   ├── PersonRequired                 403 person_required        (PL011)
    │   ├── ForeignApprover                403 foreign_approver       (PL012)
    │   ├── ForeignForm                    403 foreign_form
    │   ├── OwnFix                         403 own_fix                (PL029)
    │   └── ForeignLogRow                  403 foreign_log_row        (PL005)
    ├── NotFound                           404 not_found
    │   ├── UnknownPattern                 404 unknown_pattern        (PL002)
    │   ├── UnknownLogRow                  404 unknown_log_row        (PL004)
    │   ├── UnknownApplication             404 unknown_application    (PL010)
    │   ├── UnknownSession                 404 unknown_session        (PL015)
    │   ├── UnknownMerge                   404 unknown_merge          (PL018)
    │   ├── UnknownProposal                404 unknown_proposal       (PL027)
    │   ├── UnknownTarget                  404 unknown_target         (PL041)
    │   └── UnknownRule                    404 unknown_rule           (PL023)
    ├── Conflict                           409 conflict
    │   ├── AnotherFixApproved             409 another_fix_approved   (PL003)
    │   ├── FixNotPinned                   409 fix_not_pinned         (PL006)
    │   ├── NoEnabledFix                   409 no_enabled_fix         (PL014)
    │   ├── FixesPaused                    409 fixes_paused           (PL024)
    │   ├── MissingSecret                  409 missing_secret         (PL026)
    │   ├── NotGranted                     409 not_granted            (PL031)
    │   ├── ProposalClosed                 409 proposal_closed        (PL028)
    │   ├── OnlySymptom                    409 only_symptom           (PL030)
    │   ├── TwoLiveFixes                   409 two_live_fixes         (PL016)
    │   ├── KeptSeparate                   409 kept_separate          (PL017)
    │   ├── PatternMerged                  409 pattern_merged         (PL020)
    │   ├── NotUndoable                    409 not_undoable           (PL021)
    │   └── PatternsChanged                409 patterns_changed       (PL044)
    ├── NotificationsNotInstalled          501 notifications_not_installed
    ├── TooManyRequests                    429 too_many_requests      (PL040, with Retry-After)
    ├── Unavailable                        503 unavailable            (with Retry-After)
    │   ├── DatabaseUnreachable            503 database_unreachable   (08xxx, 53xxx, 57P0x)
    │   ├── DatabaseBusy                   503 database_busy
    │   ├── LockNotAvailable               503 lock_not_available     (55P03)
    │   ├── StatementCancelled             503 statement_cancelled    (57014)
    │   ├── TransactionConflict            503 transaction_conflict   (40001, 40P01)
    │   ├── AuthUnreachable                503 auth_unreachable
    │   └── SigningKeysUnreachable         503 signing_keys_unreachable
    └── DatabaseError                      500 database_error         (any other SQLSTATE)
        └── DatabaseNotMigrated            500 database_not_migrated  (PGRST202, PGRST106, 42883)

The code of a class is its name in snake case, unless the class sets another. Its docstring is the
default message: what was wrong, and what to do. `serving` turns these exceptions into answers,
`{"error": {"code", "message", "details"}, "request_id"}`.
"""

# ruff: noqa: N818  the names are those of the codes, which do not end in "error"

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

Details = Mapping[str, object]


class PatternEngineError(Exception):
    """The engine failed unexpectedly; search the logs for the request_id."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retry_after_seconds: ClassVar[int | None] = None

    def __init_subclass__(cls) -> None:
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: str | None = None, *, details: Details | None = None) -> None:
        self.message = message or default_message(type(self))
        self.details: Details = details or {}
        super().__init__(self.message)


def default_message(kind: type[PatternEngineError]) -> str:
    """Return the docstring of an error class, on one line."""
    return " ".join((kind.__doc__ or "").split())


class ConfigurationError(PatternEngineError):
    """An environment variable is missing or has a wrong value."""

    code = "configuration"


class InvalidRequest(PatternEngineError):
    """The request is not valid."""

    status = 400


class InvalidJson(InvalidRequest):
    """The body is not valid JSON; send one JSON object in UTF-8."""


class MethodNotAllowed(InvalidRequest):
    """This endpoint does not accept the method; the Allow header lists those that it accepts."""

    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(
            f"This endpoint does not accept {method}; use {allowed[0]}.",
            details={"allowed": list(allowed)},
        )


class UnknownEndpoint(InvalidRequest):
    """There is no endpoint at this path."""

    status = 404


class UnsupportedMediaType(InvalidRequest):
    """Send the body as application/json, without a content encoding."""

    status = 415


class BodyTooLarge(InvalidRequest):
    """The body is larger than 1 MiB; split it over several requests."""

    status = 413


class MessageTooLarge(InvalidRequest):
    """The error message is larger than 64 KiB; cut off its end, which grouping does not need."""

    status = 413


class UnknownField(InvalidRequest):
    """The body has a field that this endpoint does not know; remove the field."""

    status = 422


class InvalidField(InvalidRequest):
    """A field is missing or has a wrong value."""

    status = 422


class InvalidParameters(InvalidRequest):
    """The parameters or limits of the fix are not valid."""

    status = 422


class InvalidRule(InvalidRequest):
    """The grouping rule is not valid."""

    status = 422


class InvalidChoice(InvalidRequest):
    """The request does not fit the present state of the patterns."""

    status = 422


class FixRefused(InvalidRequest):
    """The static analysis refuses the script; the details list the reasons."""

    status = 422


class FixTypeNotSupported(InvalidRequest):
    """This deployment does not run fixes of this type; write the fix as SQL."""

    status = 501


class NotAuthenticated(PatternEngineError):
    """Sign in and send your access token as Authorization: Bearer, or send a secret key."""

    status = 401


class PublishableKeyOnly(NotAuthenticated):
    """The publishable key identifies the project, not a user; send your access token as well."""


class InvalidToken(NotAuthenticated):
    """The access token is not valid for this project; sign in again."""


class TokenExpired(NotAuthenticated):
    """The access token has expired; refresh the session and try again."""


class InvalidWebhookSecret(NotAuthenticated):
    """The webhook secret is missing or wrong; send it in the x-webhook-secret header."""


class SignInFailed(NotAuthenticated):
    """The sign-in was refused; check the address and the password, or ask for a new code."""


class Forbidden(PatternEngineError):
    """Your role does not allow this; ask an administrator for the role that does."""

    status = 403


class ForeignForm(Forbidden):
    """The form is not from a page of this session; open the page again, and send it then."""


class CallerNotAllowed(Forbidden):
    """This kind of caller may not use this endpoint."""


class PersonRequired(Forbidden):
    """Only a signed-in person may do this; send your own access token, not the secret key."""


class ForeignApprover(Forbidden):
    """approved_by is another user's id; send your own user id."""


class OwnFix(Forbidden):
    """You proposed this fix; another administrator has to approve it."""


class ForeignLogRow(Forbidden):
    """Another user wrote the log row, or its message differs; send your own row, unchanged."""


class NotFound(PatternEngineError):
    """The request names something that does not exist."""

    status = 404


class UnknownPattern(NotFound):
    """There is no pattern with this id."""


class UnknownLogRow(NotFound):
    """There is no log row with this id; insert the error into ops.system_logs first."""


class UnknownApplication(NotFound):
    """There is no application with this id."""


class UnknownSession(NotFound):
    """There is no learning session with this id."""


class UnknownMerge(NotFound):
    """There is no merge or split with this id."""


class UnknownProposal(NotFound):
    """There is no proposal with this id; GET /proposals lists the open ones."""


class UnknownTarget(NotFound):
    """There is no notification target, or no message, with this id."""


class UnknownRule(NotFound):
    """There is no grouping rule with this id."""


class Conflict(PatternEngineError):
    """The state of the pattern does not allow this."""

    status = 409


class AnotherFixApproved(Conflict):
    """Another fix is approved for some of the same errors; disable it, or narrow the new one."""


class FixNotPinned(Conflict):
    """The stored fix differs from the approved one; disable it and approve it again."""


class NoEnabledFix(Conflict):
    """The pattern has no enabled fix; POST /approve enables one."""


class FixesPaused(Conflict):
    """All fixes are paused; POST /resume ends the pause."""


class MissingSecret(Conflict):
    """The fix uses a secret that Vault does not hold; create the secret there."""


class NotGranted(Conflict):
    """The database's owner has not granted the host or the secret; pattern-engine fixer does."""


class ProposalClosed(Conflict):
    """The proposal was decided, has expired or is out of date; POST /propose makes a new one."""


class OnlySymptom(Conflict):
    """The error is only a symptom of another one; propose the fix for the pattern of that one."""


class TwoLiveFixes(Conflict):
    """Both patterns have a live fix; disable one of the two with POST /disable first."""


class KeptSeparate(Conflict):
    """An operator separated these patterns; only POST /merge joins them again."""


class PatternMerged(Conflict):
    """The pattern was merged into another; use that pattern, or undo the merge with POST /undo."""


class NotUndoable(Conflict):
    """The run, merge or split can no longer be undone."""


class PatternsChanged(Conflict):
    """The patterns are no longer as they were shown; look at them again, and decide again."""


class NotificationsNotInstalled(PatternEngineError):
    """Apprise is not installed: install this package with its extra `notify`."""

    status = 501


class TooManyRequests(PatternEngineError):
    """You have reported as many errors as a user may in a minute; try again after Retry-After."""

    status = 429
    retry_after_seconds = 60


class Unavailable(PatternEngineError):
    """Not available right now; try again after the seconds in Retry-After."""

    status = 503
    retry_after_seconds = 5


class DatabaseUnreachable(Unavailable):
    """The database cannot be reached; try again. A log row that is sent twice is counted once."""


class DatabaseBusy(Unavailable):
    """As many calls of the database are open as PATTERN_ENGINE_DATABASE_CALLS allows; try again."""


class LockNotAvailable(Unavailable):
    """Another transaction holds a lock that the call needs; try again."""


class StatementCancelled(Unavailable):
    """The database stopped a statement that took too long; try again with less data."""


class TransactionConflict(Unavailable):
    """Another transaction changed the same rows at the same time; try again."""

    retry_after_seconds = 1


class AuthUnreachable(Unavailable):
    """Supabase Auth does not answer; try again in a moment."""


class SigningKeysUnreachable(Unavailable):
    """The keys that sign access tokens cannot be fetched; try again."""


class DatabaseError(PatternEngineError):
    """The database refused the call; search the logs for the request_id to see the reason."""

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Details | None = None,
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message, details=details)
        self.sqlstate = sqlstate


class DatabaseNotMigrated(DatabaseError):
    """The database lacks a function that the engine calls; apply supabase/migrations to it."""


BY_SQLSTATE: dict[str, type[PatternEngineError]] = {
    "PL001": Forbidden,
    "PL002": UnknownPattern,
    "PL003": AnotherFixApproved,
    "PL004": UnknownLogRow,
    "PL005": ForeignLogRow,
    "PL006": FixNotPinned,
    "PL010": UnknownApplication,
    "PL011": PersonRequired,
    "PL012": ForeignApprover,
    "PL013": InvalidParameters,
    "PL014": NoEnabledFix,
    "PL015": UnknownSession,
    "PL016": TwoLiveFixes,
    "PL017": KeptSeparate,
    "PL018": UnknownMerge,
    "PL019": InvalidRule,
    "PL020": PatternMerged,
    "PL021": NotUndoable,
    "PL022": InvalidChoice,
    "PL023": UnknownRule,
    "PL024": FixesPaused,
    "PL026": MissingSecret,
    "PL027": UnknownProposal,
    "PL028": ProposalClosed,
    "PL029": OwnFix,
    "PL030": OnlySymptom,
    "PL031": NotGranted,
    "PL040": TooManyRequests,
    "PL041": UnknownTarget,
    "PL044": PatternsChanged,
    "55P03": LockNotAvailable,
    "57014": StatementCancelled,
    "40001": TransactionConflict,
    "40P01": TransactionConflict,
    "42883": DatabaseNotMigrated,
    "PGRST202": DatabaseNotMigrated,
    "PGRST106": DatabaseNotMigrated,
    # Connection failures of PostgREST itself.
    "PGRST000": DatabaseUnreachable,
    "PGRST001": DatabaseUnreachable,
    "PGRST002": DatabaseUnreachable,
    "PGRST003": DatabaseUnreachable,
    # PostgREST refuses an access token that the engine accepted.
    "PGRST301": InvalidToken,
    "PGRST303": TokenExpired,
}

# SQLSTATE classes: connection exceptions, insufficient resources, operator intervention.
UNREACHABLE_PREFIXES = ("08", "53", "57P0")


def by_sqlstate(code: str) -> type[PatternEngineError]:
    """Return the exception for an error code of Postgres or PostgREST, or else `DatabaseError`."""
    if code in BY_SQLSTATE:
        return BY_SQLSTATE[code]
    return DatabaseUnreachable if code.startswith(UNREACHABLE_PREFIXES) else DatabaseError


def kinds(base: type[PatternEngineError] = PatternEngineError) -> list[type[PatternEngineError]]:
    """Return an error class and all its subclasses, depth first."""
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]
