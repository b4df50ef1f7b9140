"""Building the record of an error that the database counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pattern_engine import grouping
from pattern_engine.grouping.v2.expression import expression
from pattern_engine.learning import classification, features
from pattern_engine.learning.sightings import harmless
from pattern_engine.text import scrubbing

if TYPE_CHECKING:
    from pattern_engine.database.records import ErrorRecord
    from pattern_engine.learning.sightings import Sighting

MAX_SAMPLE = 1024
"""Characters of a pattern's first message that are stored as a sample."""
_SCRUBBED = re.compile(r"\[[a-z0-9_ ]+\]")


def record(sighting: Sighting, explained: set[str] | None = None) -> ErrorRecord:
    """Return the record of an error in a batch; the first of each signature is complete.

    `explained` holds the signatures of the errors before this one; this error's is added.
    """
    signature = sighting.group.signature
    if explained is None or signature not in explained:
        complete_record = complete(sighting)
        if explained is not None:
            explained.add(signature)
        return complete_record
    return keys(sighting)


def keys(sighting: Sighting) -> ErrorRecord:
    """Return the record of an error whose signature the database has."""
    record: ErrorRecord = {
        "signature": sighting.group.signature,
        "older": list(sighting.older),
        "system_log_id": sighting.system_log_id,
        "claimed_by": sighting.claimed_by,
        # The database compares the message with the log row only if a person reported the error.
        "error_message": sighting.message if sighting.claimed_by else None,
    }
    if identifiers := sighting.identifiers:
        record["identifiers"] = identifiers
    captured = sighting.group.captured
    if frame := harmless({"frame": captured.get("frame", "")}).get("frame"):
        record["frame"] = frame
    return record


def complete(sighting: Sighting) -> ErrorRecord:
    """Return the record that counts an error or makes its pattern, with all texts scrubbed.

    The signature is made from the template before scrubbing, so that it stays the same if the rules
    of scrubbing change.
    """
    group, message = sighting.group, sighting.message
    is_chosen = group.basis in {"rule", "fingerprint"}
    wider = list(grouping.wider_signatures(group.template)) if group.leaf else []
    template = scrubbing.scrub(group.template)
    sample = scrubbing.scrub(message[: 2 * MAX_SAMPLE])
    if template != group.template:
        # A scrubbed value varies, so it becomes a variable of the template.
        group = group._replace(template=_SCRUBBED.sub("<*>", template))
    return {
        **keys(sighting),
        "algorithm": group.algorithm,
        "template": template,
        "leaf": group.leaf or None,
        "wider": wider,
        "pattern_type": group.type or classification.classify(message),
        "error_message_pattern": expression(group),
        "error_source": sighting.source,
        "severity": classification.severity(message, sighting.severity or group.severity),
        "features": features.extract(message, sighting.source, sighting.severity).as_dict(),
        "sample": sample[:MAX_SAMPLE],
        # A value may be personal data by the words around it, so it has to be in the scrubbed text.
        "captured": harmless({n: value for n, value in group.captured.items() if value in sample}),
        # A rule or a fingerprint may join errors of several kinds.
        "known": None if is_chosen else group.known,
        "symptom": None if is_chosen else group.symptom,
    }
