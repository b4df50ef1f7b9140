"""Learning from errors (specification, "Learn from error"): compute in Python, count in one call.

One error and ten thousand take the same path, and the same log row counts once however often it is
learned.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pattern_engine import grouping
from pattern_engine.grouping.v2 import expression
from pattern_engine.learning import classification, features
from pattern_engine.learning.models import LearnedPattern, LearnResponse
from pattern_engine.learning.sightings import Sighting, by_rules
from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import (
        AnyErrorRecord,
        ErrorRecord,
        KnownErrorRecord,
        LearnedRecord,
    )
    from pattern_engine.grouping import Group
from pattern_engine.learning.models import LearnRequest

MOST_OF_SAMPLE = 1024
"""Characters of its first message that a pattern keeps as a sample."""
_SCRUBBED = re.compile(r"\[[a-z0-9_ ]+\]")


def learn(request: LearnRequest, caller: Caller, database: Database) -> LearnResponse:
    """Learn from one error that an application reports.

    Raises:
        UnknownLogRow: if it names a log row that does not exist.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    (sighting,) = by_rules([Sighting.reported(request, caller, database)], database)
    message, group = grouping.clean(sighting.message), sighting.group()
    keys = _keys(sighting, message, group)
    learned = database.learn_error(keys, lambda: _complete(keys, sighting, message, group))
    return LearnResponse(pattern=LearnedPattern.model_validate(learned), action=learned["action"])


def learn_many(
    requests: list[LearnRequest], caller: Caller, database: Database
) -> list[LearnedRecord]:
    """Learn from any number of errors in one call, and answer what became of each, in order.

    Raises:
        UnknownLogRow: if one names a log row that does not exist; then none is learned.
        ForeignLogRow: if a person names one that is not his, or has another message.
    """
    explained: set[str] = set()
    sightings = [Sighting.reported(request, caller, database) for request in requests]
    return database.learn_errors(
        [record(sighting, explained) for sighting in by_rules(sightings, database)]
    )


def record(sighting: Sighting, explained: set[str] | None = None) -> AnyErrorRecord:
    """Everything that the database needs to count an error, or to make its pattern.

    What makes a pattern is left out where its signature is among those that another error of the
    batch has `explained`; else it is added to them.
    """
    message = grouping.clean(sighting.message)
    group = sighting.group()
    keys = _keys(sighting, message, group)
    if explained is not None and group.signature in explained:
        return keys
    complete = _complete(keys, sighting, message, group)
    if explained is not None:
        explained.add(group.signature)
    return complete


def _keys(sighting: Sighting, message: str, group: Group) -> KnownErrorRecord:
    """What counts an error whose signature the database has."""
    return {
        "signature": group.signature,
        "older": [older.signature for older in grouping.older_signatures(message, group)],
        "system_log_id": sighting.system_log_id,
        "claimed_by": sighting.claimed_by,
        # Only a person's word is compared with the row; the engine need not send it again.
        "error_message": message if sighting.claimed_by else None,
    }


def _complete(
    keys: KnownErrorRecord, sighting: Sighting, message: str, group: Group
) -> ErrorRecord:
    """Add what makes a pattern; nothing secret is stored in one.

    Signatures are digests of the template as it is, so they agree with those of other messages.
    """
    wider = list(grouping.wider_signatures(group.template)) if group.leaf else []
    template = scrubbing.scrub(group.template)
    if template != group.template:
        # What was taken out may be anything.
        group = group._replace(template=_SCRUBBED.sub("<*>", template))
    found = features.extract(message, sighting.source, sighting.severity)
    return {
        **keys,
        "algorithm": group.algorithm,
        "template": template,
        "leaf": group.leaf or None,
        "wider": wider,
        "pattern_type": classification.classify(message),
        "error_message_pattern": expression.expression(group),
        "error_source": sighting.source,
        "severity": classification.severity(message, sighting.severity),
        "features": found.as_dict(),
        "sample": scrubbing.scrub(message[: 2 * MOST_OF_SAMPLE])[:MOST_OF_SAMPLE],
    }
