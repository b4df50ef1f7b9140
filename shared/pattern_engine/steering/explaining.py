"""Explaining an error: what was read of it, and the page about its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.catalogue import RAISED, causes
from pattern_engine.exceptions import UnknownPattern
from pattern_engine.grouping import group, identity
from pattern_engine.identifiers import IDENTIFIERS
from pattern_engine.reading import reading
from pattern_engine.steering.models import Explanation, LinkedPattern
from pattern_engine.text.scrubbing import scrub

if TYPE_CHECKING:
    from pattern_engine.api.callers import Caller
    from pattern_engine.database.database import Database
    from pattern_engine.database.records import SignatureRecord
    from pattern_engine.steering.models import ExplainRequest


def explain(request: ExplainRequest, caller: Caller, database: Database) -> Explanation:
    """Explain a text, or the latest error in the log of a pattern's newest signature.

    Raises:
        Forbidden: if a person is not an operator.
        UnknownPattern: if there is no such pattern.
    """
    if request.text is not None:
        database.grouping_rules(caller)  # It refuses a person who is not an operator.
        return explained(request.text)
    pattern_id = str(request.pattern_id)
    signatures = database.pattern_signatures(pattern_id, caller)
    if not signatures:
        raise UnknownPattern(details={"pattern_id": pattern_id})
    (facets,) = database.pattern_facets([pattern_id], 1, caller)
    linked = [*facets["causes"], *facets["symptoms"]]
    return explained(latest(signatures)).model_copy(
        update={"logged_with": [LinkedPattern.model_validate(each) for each in linked]}
    )


def latest(signatures: list[SignatureRecord]) -> str:
    """Return the message of a pattern's newest signature that is still in the log.

    Where the log holds none any more it is the template.
    """
    examples = [each["example"] for each in signatures if each["example"]]
    return examples[-1] if examples else signatures[-1]["template"]


def explained(text: str) -> Explanation:
    """Explain a text as it was logged, in whatever wrapper, without a database."""
    found = group(text)
    error = reading.read(text)
    known, message = identity.known_of(error)
    origin = known.origin if known else error.origin
    code = found.captured.get("code")
    captured = _shown(found.captured)
    cause = None
    if code != RAISED:  # The wording of `raise exception` is the application's own.
        template = known.template if known else None
        cause = causes.explaining(causes.Error(message, origin, code, template, captured))
    return Explanation.model_validate(
        {
            "origin": origin,
            "code": code,
            "message": scrub(message),
            "template": found.template,
            "captured": captured,
            "known": found.known,
            "symptom": found.symptom,
            "documentation": cause.documentation if cause else known and known.documentation,
            "cause": cause,
        }
    )


def _shown(captured: dict[str, str]) -> dict[str, str]:
    """The values of an error by name; those that identify no object are scrubbed."""
    return {
        name: value if name in IDENTIFIERS else scrub(value) for name, value in captured.items()
    }
