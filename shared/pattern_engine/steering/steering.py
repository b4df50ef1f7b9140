"""Merging, splitting, confirming, resolving, ignoring and reopening patterns.

The database does each of these in one transaction and with the rights of the caller; see
docs/how-to/steer-grouping.md for what each does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.steering.models import (
    ConfirmResponse,
    LifeCycleResponse,
    MergeResponse,
    SplitResponse,
    UndoResponse,
)

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import SignatureRecord
    from pattern_engine.steering.models import (
        ConfirmRequest,
        IgnoreRequest,
        MergeRequest,
        ReopenRequest,
        ResolveRequest,
        SplitRequest,
        UndoRequest,
    )


def merge(request: MergeRequest, caller: Caller, database: Database) -> MergeResponse:
    """Merge patterns into the first one, or into the one with the live fix.

    Raises:
        TwoLiveFixes: if several of the patterns have a live fix.
        PatternMerged: if one of the patterns was merged before.
        UnknownPattern: if there is no such pattern.
    """
    ids = [str(pattern_id) for pattern_id in request.pattern_ids]
    return MergeResponse.model_validate(database.merge_patterns(ids, request.reason, caller))


def split(request: SplitRequest, caller: Caller, database: Database) -> SplitResponse:
    """Move some signatures of a pattern to a new pattern; the old pattern keeps its fix.

    Raises:
        InvalidChoice: if a signature is not one of the pattern's, or all of them would move.
        PatternMerged: if the pattern was merged into another before.
        UnknownPattern: if there is no such pattern.
    """
    pattern_id = str(request.pattern_id)
    known = database.pattern_signatures(pattern_id, caller)
    moving = [each for each in known if each["signature"] in set(request.signatures)]
    answer = database.split_pattern(
        {
            "pattern_id": pattern_id,
            "signatures": request.signatures,
            "expression": _expression(moving[0]) if moving else None,
            "reason": request.reason,
        },
        caller,
    )
    return SplitResponse.model_validate(answer)


def _expression(signature: SignatureRecord) -> str:
    """Return the regular expression of a new pattern: the messages of the signature match it.

    It is made from the signature's stored example. Without an example that still has the signature,
    it is an expression that matches nothing.
    """
    from pattern_engine import grouping  # noqa: PLC0415  loaded only for a split
    from pattern_engine.grouping.v1 import expression as v1  # noqa: PLC0415
    from pattern_engine.grouping.v1 import normalizing  # noqa: PLC0415
    from pattern_engine.grouping.v2 import expression as v2  # noqa: PLC0415

    message = signature["example"]
    if message is None:
        return v2.NOTHING
    group = grouping.group(grouping.clean(message))
    if group.signature == signature["signature"]:
        return v2.expression(group)
    template = grouping.normalize(grouping.clean(message))
    if grouping.signature_of(template, normalizing.NAME) == signature["signature"]:
        return v1.expression(template)
    return v2.NOTHING


def undo(request: UndoRequest, caller: Caller, database: Database) -> UndoResponse:
    """Undo a merge or a split.

    Raises:
        NotUndoable: if it was undone before, or if the patterns were changed in between.
        UnknownMerge: if there is no such merge or split.
    """
    if request.merge_id is not None:
        answer = database.undo_merge(str(request.merge_id), caller)
    else:
        answer = database.undo_split(str(request.split_id), caller)
    return UndoResponse.model_validate(answer)


def confirm(request: ConfirmRequest, caller: Caller, database: Database) -> ConfirmResponse:
    """Let a live fix run for signatures that were added since, or for other identifiers.

    Raises:
        NoEnabledFix: if there is no live fix.
        InvalidChoice: if a signature is not one of the pattern's, or if there are several fixes
            and the request does not say which.
        FixNotPinned: if no fix has the version or digest in the request.
        AnotherFixApproved: if another fix is approved for these identifiers.
    """
    pattern_id = str(request.pattern_id)
    if request.signatures is not None:
        answer = database.confirm_signatures(pattern_id, request.signatures, caller)
    else:
        answer = database.confirm_identifiers(
            {
                "pattern_id": pattern_id,
                "identifiers": request.identifiers or [],
                "version": request.version,
                "sha256": request.sha256,
            },
            caller,
        )
    return ConfirmResponse.model_validate(answer)


def resolve(request: ResolveRequest, caller: Caller, database: Database) -> LifeCycleResponse:
    """Mark a pattern as resolved, so that a later occurrence is a regression.

    Raises:
        PatternMerged: if it was merged into another.
    """
    pattern = database.resolve_pattern(
        str(request.pattern_id), request.release, request.reason, caller
    )
    return LifeCycleResponse.model_validate({"pattern": pattern})


def ignore(request: IgnoreRequest, caller: Caller, database: Database) -> LifeCycleResponse:
    """Ignore a pattern until a time, for a number of occurrences, or permanently.

    Raises:
        InvalidChoice: if the time has passed.
        PatternMerged: if it was merged into another.
    """
    pattern = database.ignore_pattern(
        {
            "pattern_id": str(request.pattern_id),
            "until": request.until.isoformat() if request.until else None,
            "occurrences": request.occurrences,
            "reason": request.reason,
        },
        caller,
    )
    return LifeCycleResponse.model_validate({"pattern": pattern})


def reopen(request: ReopenRequest, caller: Caller, database: Database) -> LifeCycleResponse:
    """Reopen a resolved, ignored or archived pattern.

    Raises:
        PatternMerged: if it was merged into another.
    """
    pattern = database.reopen_pattern(str(request.pattern_id), request.reason, caller)
    return LifeCycleResponse.model_validate({"pattern": pattern})
