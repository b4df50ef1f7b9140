"""Listing, previewing, saving and disabling grouping rules, in an administrator's name."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from pattern_engine import grouping
from pattern_engine.exceptions import InvalidRule, PatternMerged
from pattern_engine.grouping import rules
from pattern_engine.steering.models import (
    Preview,
    PreviewedMove,
    RulesResponse,
    RuleTarget,
    StoredRule,
)
from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import RuleRecord, StoredErrorRecord
    from pattern_engine.steering.models import GroupingRule, RulesRequest

MAX_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 300
_NEW = "(this rule)"


def act(request: RulesRequest, caller: Caller, database: Database) -> RulesResponse:
    """List, preview, save or disable grouping rules, as the request says.

    Raises:
        InvalidRule: if RE2 cannot compile the expression, or another field is not valid.
        UnknownRule: if there is no rule with this id.
        Forbidden: or a subclass, if the caller's role does not allow it.
    """
    # The model requires a rule exactly for the actions preview and save.
    if request.rule is not None:
        _require_sound(request.rule)
        if request.action == "preview":
            return RulesResponse(preview=preview(request.rule, request.errors, caller, database))
        saved = database.save_grouping_rule(_given(request.rule), caller)
        return RulesResponse(rule=StoredRule.model_validate(saved))
    if request.action == "disable":
        disabled = database.disable_grouping_rule(str(request.rule_id), request.reason, caller)
        return RulesResponse(rule=StoredRule.model_validate(disabled))
    listed = database.grouping_rules(caller, disabled_too=True)
    return RulesResponse(rules=[StoredRule.model_validate(rule) for rule in listed])


def _require_sound(rule: GroupingRule) -> None:
    rules.require_expression(rule.expression)
    if rule.fingerprint and scrubbing.scrub(rule.fingerprint) != rule.fingerprint:
        raise InvalidRule(
            "The fingerprint looks like a secret or like personal data; choose another one."
        )


def _given(rule: GroupingRule) -> dict[str, object]:
    return rule.model_dump(mode="json", exclude_none=True)


def preview(rule: GroupingRule, most: int, caller: Caller, database: Database) -> Preview:
    """What a rule would have done with the latest errors, together with the existing rules.

    Raises:
        UnknownPattern: if the rule names a pattern that does not exist.
        PatternMerged: if that pattern was merged into another.
    """
    target = _target(rule, caller, database)
    errors = database.stored_errors(most, caller)
    rule_set = rules.RuleSet(_with(rule, database.grouping_rules(caller)))
    taken = [error for error in errors if _takes(rule_set, error)]
    own = grouping.group("", rule=_fingerprint(rule)).signature
    moving = [error for error in taken if not _is_there(error, own, target)]
    matched = {error["system_log_id"] for error in taken}
    return Preview(
        target=target,
        examined=len(errors),
        matched=len(taken),
        unmoved=len(taken) - len(moving),
        released=sum(
            error["signature"] == own and error["system_log_id"] not in matched for error in errors
        ),
        moves=_moves(moving, Counter(error["pattern_id"] for error in errors)),
    )


def _fingerprint(rule: GroupingRule) -> str:
    """The fingerprint of a rule; the database makes the same one for a rule with a target."""
    return rule.fingerprint or f"pattern/{rule.target}"


def _target(rule: GroupingRule, caller: Caller, database: Database) -> RuleTarget | None:
    """The existing pattern that a rule names, if it names one."""
    if rule.target is None:
        return None
    (pattern,) = database.pattern_facets([str(rule.target)], 1, caller)
    if pattern["merged_into"]:
        raise PatternMerged(
            f"Pattern {rule.target} was merged into {pattern['merged_into']}; name that one."
        )
    return RuleTarget.model_validate(pattern)


def _is_there(error: StoredErrorRecord, own: str, target: RuleTarget | None) -> bool:
    """Whether an error is in the pattern already that the rule would put it into."""
    if target is not None:
        return error["pattern_id"] == target.pattern_id
    return error["signature"] == own


def _with(rule: GroupingRule, others: list[RuleRecord]) -> list[RuleRecord]:
    """The rules after the change, in order; a new rule follows those of the same priority."""
    new: RuleRecord = {
        "rule_id": _NEW,
        "expression": rule.expression,
        "conditions": rule.conditions.model_dump(exclude_none=True),
        "fingerprint": _fingerprint(rule),
        "priority": rule.priority,
    }
    former = str(rule.rule_id)
    places = [each["rule_id"] for each in others]
    place = places.index(former) if former in places else len(others)
    together = [*others[:place], new, *others[place + (former in places) :]]
    return sorted(together, key=lambda each: each["priority"])


def _takes(rule_set: rules.RuleSet, error: StoredErrorRecord) -> bool:
    rule = rule_set.first(
        error["message"],
        source=error["source"],
        environment=error["environment"],
        severity=error["severity"],
    )
    return rule is not None and rule["rule_id"] == _NEW


def _moves(moving: list[StoredErrorRecord], of: Counter[str]) -> list[PreviewedMove]:
    """The errors that would move, by the pattern that they leave; the largest group first."""
    by_pattern: dict[str, list[StoredErrorRecord]] = defaultdict(list)
    for error in moving:
        by_pattern[error["pattern_id"]].append(error)
    return [
        PreviewedMove(
            pattern_id=pattern_id,
            pattern_signature=errors[0]["pattern_signature"],
            template=errors[0]["template"],
            has_live_fix=errors[0]["has_live_fix"],
            errors=len(errors),
            of=of[pattern_id],
            examples=_examples(errors),
        )
        for pattern_id, errors in sorted(by_pattern.items(), key=lambda item: -len(item[1]))
    ]


def _examples(errors: list[StoredErrorRecord]) -> list[str]:
    """A few different messages, shortened and scrubbed."""
    messages = dict.fromkeys(error["message"] for error in errors)
    shown = (scrubbing.scrub(message)[:MAX_EXAMPLE_LENGTH] for message in messages)
    return list(dict.fromkeys(shown))[:MAX_EXAMPLES]
