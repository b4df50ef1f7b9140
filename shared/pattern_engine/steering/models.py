"""Requests and responses of the endpoints with which operators steer the grouping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pattern_engine.api.fields import (
    Digest,
    Identifier,
    Message,
    ObjectName,
    Reason,
    Request,
    Response,
    SeenIdentifiers,
    Severity,
    Text,
    Version,
)
from pattern_engine.identifiers import GuardingName

MAX_PATTERNS = 50
MAX_SIGNATURES = 500
MAX_EXPRESSION_LENGTH = 1000


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("time_text", "Input should be a time in ISO 8601")
    return value


# Pydantic would read a number as seconds since 1970.
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text_only)]
Signature = Annotated[Text, Field(max_length=100)]
Signatures = Annotated[list[Signature], Field(min_length=1, max_length=MAX_SIGNATURES)]
Tuple = Annotated[dict[GuardingName, ObjectName], Field(min_length=1)]
Tuples = Annotated[list[Tuple], Field(min_length=1, max_length=MAX_PATTERNS)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class MergeRequest(Request):
    """The patterns to merge."""

    pattern_ids: Annotated[list[Identifier], Field(min_length=2, max_length=MAX_PATTERNS)] = Field(
        description="The first one is kept, unless another one has a live fix."
    )
    reason: Reason | None = Field(default=None, description="Stored with the merge.")


class SplitRequest(Request):
    """The signatures to move from a pattern to a new one."""

    pattern_id: Identifier
    signatures: Signatures = Field(
        description="Include those of older grouping algorithms, which take precedence."
    )
    reason: Reason | None = Field(default=None, description="Stored with the split.")


class UndoRequest(Request):
    """The merge or the split to undo: one of the two."""

    merge_id: Identifier | None = None
    split_id: Identifier | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> UndoRequest:
        if (self.merge_id is None) == (self.split_id is None):
            raise PydanticCustomError("one_of", "Give either merge_id or split_id")
        return self


class ConfirmRequest(Request):
    """Signatures or identifiers for which a live fix may run: one of the two."""

    pattern_id: Identifier
    signatures: Signatures | None = Field(
        default=None, description="Signatures that were added after the approval, or moved."
    )
    identifiers: Tuples | None = Field(
        default=None,
        description="Tuples of identifiers outside the guard of the fix, as in "
        '[{"constraint": "orders_pkey", "table": "orders"}].',
    )
    version: Version | None = Field(
        default=None, description="With identifiers: the fix, if the pattern has several."
    )
    sha256: Digest | None = Field(
        default=None, description="The digest of the fix, instead of its version."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ConfirmRequest:
        if (self.signatures is None) == (self.identifiers is None):
            raise PydanticCustomError("one_of", "Give either signatures or identifiers")
        if self.signatures is not None and (self.version, self.sha256) != (None, None):
            raise PydanticCustomError("one_of", "Signatures are confirmed for all fixes")
        return self


class ResolveRequest(Request):
    """A pattern whose cause is resolved."""

    pattern_id: Identifier
    release: Annotated[Text, Field(max_length=256)] | None = Field(
        default=None, description="The release that contains the solution."
    )
    reason: Reason | None = None


class IgnoreRequest(Request):
    """A pattern to ignore until a time or a number of occurrences; permanently without both."""

    pattern_id: Identifier
    until: Time | None = Field(
        default=None, description="An occurrence at or after this time reopens the pattern."
    )
    occurrences: Count | None = Field(
        default=None, description="After this many more occurrences the pattern is reopened."
    )
    reason: Reason | None = None


class ReopenRequest(Request):
    """The resolved, ignored or archived pattern to reopen."""

    pattern_id: Identifier
    reason: Reason | None = None


class SimilarRequest(Request):
    """The pattern whose similar patterns are requested."""

    pattern_id: Identifier
    limit: Annotated[int, Field(strict=False, ge=1, le=50)] = 10


class ExplainRequest(Request):
    """The error to explain: a pattern or a text, one of the two."""

    pattern_id: Identifier | None = Field(
        default=None,
        description="The latest error in the log of its newest signature is explained.",
    )
    text: Message | None = Field(
        default=None, description="An error as it was logged, in whatever wrapper or language."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ExplainRequest:
        if (self.pattern_id is None) == (self.text is None):
            raise PydanticCustomError("one_of", "Give either pattern_id or text")
        return self


class FacetsRequest(Request):
    """The pattern whose facets are requested."""

    pattern_id: Identifier
    limit: Annotated[int, Field(strict=False, ge=1, le=100)] = Field(
        default=10, description="How many values of each name, and how many sets of identifiers."
    )


class RuleConditions(Request):
    """Conditions on an error in addition to the expression; without any, all errors may match."""

    source: Annotated[Text, Field(max_length=256)] | None = None
    environment: Annotated[Text, Field(max_length=256)] | None = None
    min_severity: Severity | None = None


class GroupingRule(Request):
    """A grouping rule: all errors that match it form one pattern.

    It is identified by the fingerprint, or it is the existing pattern that the target names.
    """

    rule_id: Identifier | None = Field(
        default=None, description="The rule to change; absent for a new rule."
    )
    name: Annotated[Text, Field(max_length=100)]
    expression: Annotated[Text, Field(max_length=MAX_EXPRESSION_LENGTH)] = Field(
        description="An RE2 expression, searched for in the first 8,192 characters of the message."
    )
    conditions: RuleConditions = RuleConditions()
    fingerprint: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,98}$")] | None = (
        Field(default=None, description="This or target; it may not begin with pattern/.")
    )
    target: Identifier | None = Field(
        default=None, description="The id of the existing pattern that the errors go to."
    )
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=100,
        description="If several rules match, the one with the smallest priority applies.",
    )

    @model_validator(mode="after")
    def _one_goal(self) -> GroupingRule:
        if (self.fingerprint is None) == (self.target is None):
            raise PydanticCustomError("one_of", "Give either fingerprint or target")
        return self


class RulesRequest(Request):
    """An action on grouping rules."""

    action: Literal["list", "preview", "save", "disable"]
    rule: GroupingRule | None = Field(default=None, description="For preview and save.")
    rule_id: Identifier | None = Field(default=None, description="For disable.")
    reason: Reason | None = Field(default=None, description="For disable.")
    errors: Annotated[int, Field(ge=1, le=5000)] = Field(
        default=1000, description="For preview: the number of latest errors to test."
    )

    @model_validator(mode="after")
    def _complete(self) -> RulesRequest:
        if (self.rule is None) == (self.action in {"preview", "save"}):
            raise PydanticCustomError("rule", "Give a rule to preview or save, and only then")
        if (self.rule_id is None) == (self.action == "disable"):
            raise PydanticCustomError("rule_id", "Give a rule_id to disable, and only then")
        return self


class SteeredPattern(Response):
    """The present state of a pattern."""

    pattern_id: str
    pattern_signature: str
    status: Literal["open", "resolved", "ignored", "archived", "merged"]
    merged_into: str | None = None
    occurrence_count: int
    untrusted_occurrences: int | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Errors of writers who do not count, such as signed-in users.",
    )
    first_seen: str
    last_seen: str
    first_release: str | None = None
    first_environment: str | None = None
    last_release: str | None = None
    last_environment: str | None = None
    resolved_at: str | None = None
    resolved_by: str | None = None
    resolved_release: str | None = None
    ignored_until: str | None = None
    ignored_until_count: int | None = Field(
        default=None, description="The occurrence_count at which the pattern is reopened."
    )
    auto_fix_enabled: bool


class Merge(Response):
    """A pattern that was merged into another."""

    merge_id: str = Field(description="The id for POST /undo.")
    kept: str
    gone: str
    signature_count: int
    incident_count: int


class MergeResponse(Response):
    """The pattern that was kept, and the merges."""

    success: Literal[True] = True
    pattern: SteeredPattern
    merges: list[Merge]


class SplitResponse(Response):
    """The pattern that was split, and the new one."""

    success: Literal[True] = True
    split_id: str = Field(description="The id for POST /undo.")
    pattern: SteeredPattern
    other_pattern: SteeredPattern = Field(description="The new pattern.")
    signature_count: int
    incident_count: int


class UndoResponse(Response):
    """Both patterns after the merge or split was undone."""

    success: Literal[True] = True
    pattern: SteeredPattern
    other_pattern: SteeredPattern


class ConfirmResponse(Response):
    """What this request confirmed; what was approved or confirmed before is left out."""

    omitted_when_none = frozenset({"confirmed", "confirmed_identifiers"})

    success: Literal[True] = True
    pattern: SteeredPattern
    confirmed: list[str] | None = Field(default=None, description="Signatures.")
    confirmed_identifiers: list[dict[str, str]] | None = None


class LifeCycleResponse(Response):
    """The pattern with its new status."""

    success: Literal[True] = True
    pattern: SteeredPattern


class Difference(Response):
    """Words in which two templates differ."""

    this: str = Field(description="The words of the requested pattern; may be empty.")
    other: str


class FacetValue(Response):
    """A value that errors named."""

    value: str
    occurrences: int
    first_seen: str
    last_seen: str


class Facet(Response):
    """A name, such as constraint, with its most frequent values."""

    name: str = Field(
        description="constraint, table, column, schema, function, role, …; frame is the place in "
        "the application that threw the error."
    )
    different: int = Field(description="How many different values were seen.")
    values: list[FacetValue]


class LinkedPattern(Response):
    """A pattern that the same request, session or digest logged within a minute."""

    pattern_id: str
    template: str | None
    occurrences: int
    first_seen: str
    last_seen: str


class FacetsResponse(Response):
    """What the errors of a pattern named, and the patterns that it was logged with."""

    pattern_id: str
    pattern_signature: str
    template: str | None
    occurrence_count: int
    untrusted_occurrences: int | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Errors of writers who do not count, such as signed-in users.",
    )
    known: str | None = Field(description="The catalogue's entry for the error, if there is one.")
    symptom: str | None = Field(
        description="What to look for instead, if the error is only a symptom."
    )
    merged_into: str | None
    facets: list[Facet]
    identifiers: list[SeenIdentifiers] = Field(description="The most frequent sets.")
    causes: list[LinkedPattern] = Field(description="For a symptom: what was logged with it.")
    symptoms: list[LinkedPattern] = Field(description="The symptoms that were logged with it.")


class SimilarPattern(Response):
    """A similar pattern."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    status: str
    occurrence_count: int
    auto_fix_enabled: bool
    auto_fix_type: str | None = Field(
        default=None, description="The type of its fix; null if it never had one."
    )
    success_rate: float = Field(
        default=0, description="Of the decided runs of its fix, the percentage that helped."
    )
    confidence_lower_bound: float | None = Field(
        default=None,
        description="With 95 % certainty its fix helps at least this often; null before the "
        "first outcome.",
    )
    confidence_outcomes: float = Field(
        default=0, description="The number of outcomes that this rests on; older ones count less."
    )
    score: float = Field(description="The share of common trigrams, 0.300 to 1.000.")
    template: str
    own_template: str = Field(description="The most similar template of the requested pattern.")
    differences: list[Difference]
    facets: list[Facet] = Field(description="What its errors named.")


class SimilarResponse(Response):
    """Similar patterns, the most similar first."""

    patterns: list[SimilarPattern]
    facets: list[Facet] = Field(description="What the errors of the requested pattern named.")
    causes: list[LinkedPattern] = Field(description="For a symptom: what was logged with it.")
    symptoms: list[LinkedPattern] = Field(description="The symptoms that were logged with it.")


class _OfPage(Response):
    """A part of a page, which is read from the attributes of `catalogue.causes`."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True, from_attributes=True)


class SeeingQuery(_OfPage):
    """A read-only statement that shows the cause."""

    about: str
    sql: str


class ProposedMigration(_OfPage):
    """Statements for the owner of the database to review and run; no fix can do this."""

    about: str
    sql: str


class FixDraft(_OfPage):
    """A draft of a fix. It runs nothing: read it, change it, and propose it."""

    type: str
    about: str
    script: str
    undo: str = Field(description="The undo script; empty if there is none.")
    irreversible: str = Field(description="Why there is no undo script.")
    probe: str = Field(
        description="A read-only statement whose column `mended` tells whether the cause is gone."
    )
    parameters: dict[str, Any]
    needs: list[str] = Field(description="Statements by which the owner lets fixes do this.")


class CausePage(_OfPage):
    """The page about the cause of an error, with the names of the error in its statements."""

    name: str
    title: str
    meaning: str
    cure: str
    seeing: list[SeeingQuery]
    migration: ProposedMigration | None
    draft: FixDraft | None


class Explanation(Response):
    """What was read of an error, and the page about its cause."""

    origin: str | None = Field(description="The service or runtime that the error comes from.")
    code: str | None = Field(description="SQLSTATE or the code of another service.")
    message: str = Field(description="The root message, scrubbed.")
    template: str
    captured: dict[str, str] = Field(description="The values of the error by name.")
    known: str | None = Field(description="The key of the catalogue's entry.")
    symptom: str | None = Field(
        description="What to look for instead, if the error only says that something else failed."
    )
    documentation: str | None
    cause: CausePage | None = Field(description="Null if there is no page about this error.")
    logged_with: list[LinkedPattern] = Field(
        default=[],
        description="For a pattern: what the same request, session or digest logged within a "
        "minute. These are the causes of a symptom, or the symptoms of a cause.",
    )


class StoredRule(Response):
    """A grouping rule as it is stored."""

    rule_id: str
    name: str
    expression: str
    conditions: dict[str, Any]
    target: str | None = None
    fingerprint: str
    leads_to: str | None = Field(
        default=None,
        description="The pattern that the errors go to now; it changes by merges and splits.",
    )
    priority: int
    enabled: bool
    created_by: str
    created_at: str
    changed_by: str
    changed_at: str


class PreviewedMove(Response):
    """Errors of one pattern that a rule would move to its own pattern."""

    pattern_id: str
    pattern_signature: str
    template: str | None
    has_live_fix: bool = Field(description="If true, its fix would no longer run for these errors.")
    errors: int = Field(description="The number of errors that would move.")
    of: int = Field(description="The number of errors of this pattern among those examined.")
    examples: list[str] = Field(description="Up to three scrubbed messages.")


class RuleTarget(Response):
    """The existing pattern that a rule names."""

    pattern_id: str
    pattern_signature: str
    template: str | None
    occurrence_count: int


class Preview(Response):
    """The effect that a rule would have had on the latest errors; nothing is changed."""

    target: RuleTarget | None = Field(
        default=None, description="The existing pattern, if the rule names one."
    )
    examined: int
    matched: int
    unmoved: int = Field(description="Errors that match and are in the rule's pattern already.")
    released: int = Field(description="Errors in the rule's pattern that no longer match.")
    moves: list[PreviewedMove]


class RulesResponse(Response):
    """The result of the action."""

    omitted_when_none = frozenset({"rules", "rule", "preview"})

    success: Literal[True] = True
    rules: list[StoredRule] | None = None
    rule: StoredRule | None = None
    preview: Preview | None = None
