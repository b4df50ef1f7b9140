"""Requests and responses of the endpoints by which people steer the grouping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from pattern_engine.api.fields import Identifier, Reason, Request, Response, Severity, Text

MOST_PATTERNS = 50
MOST_SIGNATURES = 500
MOST_EXPRESSION_LENGTH = 1000


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("time_text", "Input should be a time in ISO 8601")
    return value


# A number would be read as seconds since 1970, which nobody means.
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text_only)]
Signature = Annotated[Text, Field(max_length=100)]
Signatures = Annotated[list[Signature], Field(min_length=1, max_length=MOST_SIGNATURES)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class MergeRequest(Request):
    """Patterns that are one."""

    pattern_ids: Annotated[list[Identifier], Field(min_length=2, max_length=MOST_PATTERNS)] = Field(
        description="The first one is kept, unless another has the live fix."
    )
    reason: Reason | None = Field(default=None, description="For those who look at it later.")


class SplitRequest(Request):
    """Signatures of a pattern that are a pattern of their own."""

    pattern_id: Identifier
    signatures: Signatures = Field(
        description="Those that move. Under an older algorithm, too: an older one decides."
    )
    reason: Reason | None = Field(default=None, description="For those who look at it later.")


class UndoRequest(Request):
    """A merge or a split to be undone: one of the two."""

    merge_id: Identifier | None = None
    split_id: Identifier | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> UndoRequest:
        if (self.merge_id is None) == (self.split_id is None):
            raise PydanticCustomError("one_of", "Give either merge_id or split_id")
        return self


class ConfirmRequest(Request):
    """Signatures for which a pattern's live fix shall fire, too."""

    pattern_id: Identifier
    signatures: Signatures = Field(description="They came after the approval, or were moved.")


class ResolveRequest(Request):
    """A pattern that should not come back."""

    pattern_id: Identifier
    release: Annotated[Text, Field(max_length=256)] | None = Field(
        default=None, description="The release that resolves it."
    )
    reason: Reason | None = None


class IgnoreRequest(Request):
    """A pattern that nobody needs to look at, until a time or a count; for good without both."""

    pattern_id: Identifier
    until: Time | None = Field(
        default=None, description="Seen at or after this time it is open again."
    )
    occurrences: Count | None = Field(
        default=None, description="Seen so many more times it is open again."
    )
    reason: Reason | None = None


class ReopenRequest(Request):
    """A resolved, ignored or archived pattern that is to be open."""

    pattern_id: Identifier
    reason: Reason | None = None


class SimilarRequest(Request):
    """A pattern, whose likely twins are asked for."""

    pattern_id: Identifier
    limit: Annotated[int, Field(strict=False, ge=1, le=50)] = 10


class RuleConditions(Request):
    """Which errors a rule is for, beside its expression; all of them without any."""

    source: Annotated[Text, Field(max_length=256)] | None = None
    environment: Annotated[Text, Field(max_length=256)] | None = None
    min_severity: Severity | None = None


class GroupingRule(Request):
    """A rule: errors that match are one pattern, that of the fingerprint."""

    rule_id: Identifier | None = Field(default=None, description="Of the rule to be changed.")
    name: Annotated[Text, Field(max_length=100)]
    expression: Annotated[Text, Field(max_length=MOST_EXPRESSION_LENGTH)] = Field(
        description="RE2; looked for in the first 8,192 characters of the message."
    )
    conditions: RuleConditions = RuleConditions()
    fingerprint: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,98}$")]
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=100, description="Of several that match, the smallest counts."
    )


class RulesRequest(Request):
    """What to do with grouping rules."""

    action: Literal["list", "preview", "save", "disable"]
    rule: GroupingRule | None = Field(default=None, description="For preview and save.")
    rule_id: Identifier | None = Field(default=None, description="For disable.")
    reason: Reason | None = Field(default=None, description="For disable.")
    errors: Annotated[int, Field(ge=1, le=5000)] = Field(
        default=1000, description="For preview: on how many of the latest errors it is tried."
    )

    @model_validator(mode="after")
    def _complete(self) -> RulesRequest:
        if (self.rule is None) == (self.action in {"preview", "save"}):
            raise PydanticCustomError("rule", "Give a rule to preview or save, and only then")
        if (self.rule_id is None) == (self.action == "disable"):
            raise PydanticCustomError("rule_id", "Give a rule_id to disable, and only then")
        return self


class SteeredPattern(Response):
    """A pattern as it is now."""

    pattern_id: str
    pattern_signature: str
    status: Literal["open", "resolved", "ignored", "archived", "merged"]
    merged_into: str | None = None
    occurrence_count: int
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
        default=None, description="The occurrence_count at which it is open again."
    )
    auto_fix_enabled: bool


class Merge(Response):
    """One pattern that was merged into another."""

    merge_id: str = Field(description="By which POST /undo undoes it.")
    kept: str
    gone: str
    signature_count: int
    incident_count: int


class MergeResponse(Response):
    """The pattern that was kept, and what was merged into it."""

    success: Literal[True] = True
    pattern: SteeredPattern
    merges: list[Merge]


class SplitResponse(Response):
    """The pattern that was split, and the new one."""

    success: Literal[True] = True
    split_id: str = Field(description="By which POST /undo undoes it.")
    pattern: SteeredPattern
    other_pattern: SteeredPattern = Field(description="The new one.")
    signature_count: int
    incident_count: int


class UndoResponse(Response):
    """Both patterns after undoing."""

    success: Literal[True] = True
    pattern: SteeredPattern
    other_pattern: SteeredPattern


class ConfirmResponse(Response):
    """The signatures that were confirmed now."""

    success: Literal[True] = True
    pattern: SteeredPattern
    confirmed: list[str]


class LifeCycleResponse(Response):
    """The pattern with its new status."""

    success: Literal[True] = True
    pattern: SteeredPattern


class Difference(Response):
    """Words in which two templates differ."""

    this: str = Field(description="Of the pattern that was asked for; may be empty.")
    other: str


class SimilarPattern(Response):
    """A likely twin."""

    pattern_id: str
    pattern_signature: str
    pattern_type: str
    status: str
    occurrence_count: int
    auto_fix_enabled: bool
    score: float = Field(description="Share of trigrams in common, 0.300 to 1.000.")
    template: str
    own_template: str = Field(description="The template of the pattern itself that is nearest.")
    differences: list[Difference]


class SimilarResponse(Response):
    """Likely twins, best first. Nothing is joined."""

    patterns: list[SimilarPattern]


class StoredRule(Response):
    """A grouping rule as it is stored."""

    rule_id: str
    name: str
    expression: str
    conditions: dict[str, Any]
    fingerprint: str
    priority: int
    enabled: bool
    created_by: str
    created_at: str
    changed_by: str
    changed_at: str


class PreviewedMove(Response):
    """Errors of one pattern that a rule would have taken."""

    pattern_id: str
    pattern_signature: str
    template: str | None
    has_live_fix: bool = Field(description="Its fix would no longer fire for these errors.")
    errors: int = Field(description="How many would move.")
    of: int = Field(description="Of so many of its errors among those examined.")
    examples: list[str] = Field(description="At most three messages, scrubbed.")


class Preview(Response):
    """What a rule would have done with the latest errors; those stay where they are."""

    examined: int
    matched: int
    unmoved: int = Field(description="Matched, and in the rule's pattern already.")
    released: int = Field(description="In the rule's pattern, and no longer matched.")
    moves: list[PreviewedMove]


class RulesResponse(Response):
    """What was asked for."""

    omitted_when_none = frozenset({"rules", "rule", "preview"})

    success: Literal[True] = True
    rules: list[StoredRule] | None = None
    rule: StoredRule | None = None
    preview: Preview | None = None
