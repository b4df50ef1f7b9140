"""Everything that can go wrong, as exceptions that know their HTTP status.

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
    │   └── InvalidWebhookSecret           401 invalid_webhook_secret
    ├── Forbidden                          403 forbidden              (PL001, 42501)
    │   ├── CallerNotAllowed               403 caller_not_allowed
    │   ├── PersonRequired                 403 person_required        (PL011)
    │   ├── ForeignApprover                403 foreign_approver       (PL012)
    │   ├── OwnFix                         403 own_fix                (PL029)
    │   └── ForeignLogRow                  403 foreign_log_row        (PL005)
    ├── NotFound                           404 not_found
    │   ├── UnknownPattern                 404 unknown_pattern        (PL002)
    │   ├── UnknownLogRow                  404 unknown_log_row        (PL004)
    │   ├── UnknownApplication             404 unknown_application    (PL010)
    │   ├── UnknownSession                 404 unknown_session        (PL015)
    │   ├── UnknownMerge                   404 unknown_merge          (PL018)
    │   ├── UnknownProposal                404 unknown_proposal       (PL027)
    │   └── UnknownRule                    404 unknown_rule           (PL023)
    ├── Conflict                           409 conflict
    │   ├── AnotherFixApproved             409 another_fix_approved   (PL003)
    │   ├── FixNotPinned                   409 fix_not_pinned         (PL006)
    │   ├── NoEnabledFix                   409 no_enabled_fix         (PL014)
    │   ├── FixesPaused                    409 fixes_paused           (PL024)
    │   ├── MissingSecret                  409 missing_secret         (PL026)
    │   ├── ProposalClosed                 409 proposal_closed        (PL028)
    │   ├── TwoLiveFixes                   409 two_live_fixes         (PL016)
    │   ├── KeptSeparate                   409 kept_separate          (PL017)
    │   ├── PatternMerged                  409 pattern_merged         (PL020)
    │   └── NotUndoable                    409 not_undoable           (PL021)
    ├── Unavailable                        503 unavailable            (with Retry-After)
    │   ├── DatabaseUnreachable            503 database_unreachable   (08xxx, 53xxx, 57P0x)
    │   ├── StatementCancelled             503 statement_cancelled    (57014)
    │   ├── TransactionConflict            503 transaction_conflict   (40001, 40P01)
    │   └── SigningKeysUnreachable         503 signing_keys_unreachable
    └── DatabaseError                      500 database_error         (any other SQLSTATE)
        └── DatabaseNotMigrated            500 database_not_migrated  (PGRST202, PGRST106, 42883)

The docstring of a class is its default message: it tells a caller what was wrong and what to do.
`http` alone turns these into answers, `{"error": {"code", "message", "details"}, "request_id"}`.
"""

# ruff: noqa: N818  their names are the answers' codes; "Error" at the end of each says nothing

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

Details = Mapping[str, object]


class PatternEngineError(Exception):
    """Something went wrong inside; the request id leads to the log line."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, message: str | None = None, *, details: Details | None = None) -> None:
        self.message = message or default_message(type(self))
        self.details: Details = details or {}
        super().__init__(self.message)


def default_message(kind: type[PatternEngineError]) -> str:
    """The docstring of an error class, on one line."""
    return " ".join((kind.__doc__ or "").split())


class ConfigurationError(PatternEngineError):
    """The environment is not complete."""

    code = "configuration"


class InvalidRequest(PatternEngineError):
    """The request cannot be understood."""

    code = "invalid_request"
    status = 400


class InvalidJson(InvalidRequest):
    """The body is not valid JSON; send one JSON object in UTF-8."""

    code = "invalid_json"


class MethodNotAllowed(InvalidRequest):
    """This endpoint does not answer that method; the Allow header lists those that it does."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(
            f"{method} is not answered here; use {allowed[0]}.", details={"allowed": list(allowed)}
        )


class UnknownEndpoint(InvalidRequest):
    """There is no such endpoint."""

    code = "unknown_endpoint"
    status = 404


class UnsupportedMediaType(InvalidRequest):
    """Send the body as application/json, without a content encoding."""

    code = "unsupported_media_type"
    status = 415


class BodyTooLarge(InvalidRequest):
    """The body is larger than 1 MiB; send less at a time."""

    code = "body_too_large"
    status = 413


class MessageTooLarge(InvalidRequest):
    """The error message is larger than 64 KiB; cut it, its beginning is what identifies it."""

    code = "message_too_large"
    status = 413


class UnknownField(InvalidRequest):
    """The body has a field that this endpoint does not know; leave it out."""

    code = "unknown_field"
    status = 422


class InvalidField(InvalidRequest):
    """A field is missing or has a wrong value."""

    code = "invalid_field"
    status = 422


class InvalidParameters(InvalidRequest):
    """The parameters or limits of the fix are not acceptable."""

    code = "invalid_parameters"
    status = 422


class InvalidRule(InvalidRequest):
    """The grouping rule is not acceptable."""

    code = "invalid_rule"
    status = 422


class InvalidChoice(InvalidRequest):
    """What was chosen does not fit the patterns as they are."""

    code = "invalid_choice"
    status = 422


class FixRefused(InvalidRequest):
    """The script is refused by its static analysis; the reasons are in the details."""

    code = "fix_refused"
    status = 422


class FixTypeNotSupported(InvalidRequest):
    """Fixes of this type cannot run yet; write the fix as SQL."""

    code = "fix_type_not_supported"
    status = 501


class NotAuthenticated(PatternEngineError):
    """Sign in and send your access token as Authorization: Bearer, or send a secret key."""

    code = "not_authenticated"
    status = 401


class PublishableKeyOnly(NotAuthenticated):
    """The publishable key names the project, not you: send your access token beside it."""

    code = "publishable_key_only"


class InvalidToken(NotAuthenticated):
    """The access token is not valid for this project; sign in again."""

    code = "invalid_token"


class TokenExpired(NotAuthenticated):
    """The access token has expired; refresh the session and try again."""

    code = "token_expired"


class InvalidWebhookSecret(NotAuthenticated):
    """Send the right webhook secret in the x-webhook-secret header."""

    code = "invalid_webhook_secret"


class Forbidden(PatternEngineError):
    """Your role does not allow this; ask an administrator for the role that does."""

    code = "forbidden"
    status = 403


class CallerNotAllowed(Forbidden):
    """This endpoint is not for this kind of caller."""

    code = "caller_not_allowed"


class PersonRequired(Forbidden):
    """Only a signed-in person may do this; send your own access token, not the secret key."""

    code = "person_required"


class ForeignApprover(Forbidden):
    """approved_by is someone else; send your own user id."""

    code = "foreign_approver"


class OwnFix(Forbidden):
    """You proposed this fix; another administrator has to approve it."""

    code = "own_fix"


class ForeignLogRow(Forbidden):
    """The log row is not yours or carries another message; send your row with its exact message."""

    code = "foreign_log_row"


class NotFound(PatternEngineError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class UnknownPattern(NotFound):
    """There is no pattern with this id."""

    code = "unknown_pattern"


class UnknownLogRow(NotFound):
    """There is no log row with this id; insert the error into ops.system_logs first."""

    code = "unknown_log_row"


class UnknownApplication(NotFound):
    """There is no application with this id."""

    code = "unknown_application"


class UnknownSession(NotFound):
    """There is no learning session with this id."""

    code = "unknown_session"


class UnknownMerge(NotFound):
    """There is no merge or split with this id."""

    code = "unknown_merge"


class UnknownProposal(NotFound):
    """There is no such proposal; GET /proposals lists them."""

    code = "unknown_proposal"


class UnknownRule(NotFound):
    """There is no grouping rule with this id."""

    code = "unknown_rule"


class Conflict(PatternEngineError):
    """The state of the pattern does not allow this."""

    code = "conflict"
    status = 409


class AnotherFixApproved(Conflict):
    """Another fix is approved for this pattern; POST /disable first, then approve the new one."""

    code = "another_fix_approved"


class FixNotPinned(Conflict):
    """The stored fix is not the one that was approved; disable it and approve it again."""

    code = "fix_not_pinned"


class NoEnabledFix(Conflict):
    """The pattern has no enabled fix."""

    code = "no_enabled_fix"


class FixesPaused(Conflict):
    """All fixes are paused; POST /resume ends the pause."""

    code = "fixes_paused"


class MissingSecret(Conflict):
    """Vault has no secret of the name that the fix uses; create it there."""

    code = "missing_secret"


class ProposalClosed(Conflict):
    """The proposal was decided, expired, or is stale; POST /propose makes a new one."""

    code = "proposal_closed"


class TwoLiveFixes(Conflict):
    """Both patterns have a live fix; POST /disable one of them first, one pattern has one fix."""

    code = "two_live_fixes"


class KeptSeparate(Conflict):
    """An operator separated these patterns; only POST /merge joins them again."""

    code = "kept_separate"


class PatternMerged(Conflict):
    """The pattern was merged into another; use that one, or POST /undo the merge."""

    code = "pattern_merged"


class NotUndoable(Conflict):
    """This can no longer be undone."""

    code = "not_undoable"


class Unavailable(PatternEngineError):
    """Not available right now; try again after the seconds in Retry-After."""

    code = "unavailable"
    status = 503
    retry_after_seconds = 5


class DatabaseUnreachable(Unavailable):
    """The database cannot be reached; try again, a log row counts once however often it is sent."""

    code = "database_unreachable"


class StatementCancelled(Unavailable):
    """The database took too long and stopped the statement; try again with less at a time."""

    code = "statement_cancelled"


class TransactionConflict(Unavailable):
    """Two transactions stood in each other's way; try again."""

    code = "transaction_conflict"
    retry_after_seconds = 1


class SigningKeysUnreachable(Unavailable):
    """The keys that sign access tokens cannot be fetched; try again."""

    code = "signing_keys_unreachable"


class DatabaseError(PatternEngineError):
    """The database refused the call; the request id leads to the log line that says why."""

    code = "database_error"

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
    """The database does not know this function; apply supabase/migrations to it."""

    code = "database_not_migrated"


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
    # The caller's token, judged by PostgREST after we accepted it.
    "PGRST301": InvalidToken,
    "PGRST303": TokenExpired,
}

# SQLSTATE classes: connection exceptions, insufficient resources, operator intervention.
UNREACHABLE_PREFIXES = ("08", "53", "57P0")


def by_sqlstate(code: str) -> type[PatternEngineError]:
    """The exception for an error code of Postgres or PostgREST; `DatabaseError` where none fits."""
    if code in BY_SQLSTATE:
        return BY_SQLSTATE[code]
    return DatabaseUnreachable if code.startswith(UNREACHABLE_PREFIXES) else DatabaseError


def kinds(
    base: type[PatternEngineError] = PatternEngineError,
) -> list[type[PatternEngineError]]:
    """Every kind of error, the base first."""
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]
