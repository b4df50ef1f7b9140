"""The engine's own services beside a real database, called by persons: propose, preview, decide."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pattern_engine.api.callers import Caller, Kind
from pattern_engine.approval import proposals
from pattern_engine.approval.models import DecideRequest, PreviewRequest, ProposeRequest
from pattern_engine.database.database import Database
from pattern_engine.grouping import rules
from pattern_engine.healing import application, rollback
from pattern_engine.healing.candidates import find
from pattern_engine.healing.models import RollbackRequest
from pattern_engine.learning import counting, sightings
from pattern_engine.learning.recording import record
from pattern_engine.settings import Settings
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from tests.conftest import Person
    from tests.database.conftest import Orders, Patterns

    from pattern_engine.approval.models import Proposal
    from pattern_engine.healing.models import ApplyResponse, RollbackResponse
    from pattern_engine.learning.sightings import Sighting


def caller(person: Person) -> Caller:
    """A person, as the functions see them."""
    return Caller(Kind.PERSON, person.id, person.token)


@dataclass(frozen=True)
class Desk:
    """What operators do by the functions of the engine."""

    database: Database
    settings: Settings
    patterns: Patterns

    @classmethod
    def beside(cls, addresses: dict[str, Any], patterns: Patterns, **thresholds: object) -> Desk:
        """The desk of a stack, with brakes that hold nothing back unless told otherwise."""
        loose: dict[str, Any] = {
            "cooldown_seconds": 0,
            "errors_at_maximum": 1_000_000,
            "storm_patterns": 10_000,
        }
        settings = Settings(
            supabase_url=addresses["api_url"],
            publishable_key=addresses["publishable_key"],
            secret_key=addresses["secret_key"],
            webhook_secret=addresses["webhook_secret"],
            database_timeout_seconds=60,
            thresholds=Thresholds(**(loose | thresholds)),
        )
        return cls(Database(settings), settings, patterns)

    def with_thresholds(self, **changes: Any) -> Desk:
        """The same desk in a deployment with other thresholds."""
        thresholds = replace(self.settings.thresholds, **changes)
        return replace(self, settings=replace(self.settings, thresholds=thresholds))

    def occur(self, message: str, **columns: object) -> tuple[str, int]:
        """Have an error occur and be learned; its pattern and log row."""
        log_id = self.patterns.log_row(message=message, **columns)
        (learned,) = counting.count(self.database, [record(self.sighting(log_id))])
        return learned["pattern_id"], log_id

    def heal(self, log_id: int) -> ApplyResponse:
        """Have the engine look at an error, as the webhook does."""
        (found,) = find(self.database, [self.sighting(log_id)])
        return application.heal(self.database, found, self.settings).answer

    def sighting(self, log_id: int) -> Sighting:
        """An error as the engine reads it from its log row."""
        (row,) = self.database.read_logs([log_id])
        return sightings.of_row(row, rules.current(self.database))

    def propose(
        self,
        pattern_id: str,
        person: Person,
        script: str,
        *,
        undo_script: str | None = None,
        **parameters: object,
    ) -> Proposal:
        """Propose a SQL fix."""
        request = ProposeRequest.model_validate(
            {
                "pattern_id": pattern_id,
                "auto_fix_type": "sql",
                "auto_fix_script": script,
                "undo_script": undo_script,
                "auto_fix_parameters": parameters,
            }
        )
        return proposals.propose(request, caller(person), self.database, self.settings).proposal

    def preview(self, proposal: Proposal, person: Person) -> Proposal:
        """Make the preview of a proposal anew."""
        request = PreviewRequest.model_validate({"proposal_id": proposal.proposal_id})
        return proposals.preview(request, caller(person), self.database, self.settings).proposal

    def decide(self, proposal: Proposal, person: Person, **changes: object) -> Proposal:
        """Approve a proposal, unless the changes say otherwise."""
        body = {
            "proposal_id": proposal.proposal_id,
            "sha256": proposal.sha256,
            "decision": "approve",
        }
        request = DecideRequest.model_validate(body | changes)
        return proposals.decide(request, caller(person), self.database, self.settings).proposal

    def roll_back(self, application_id: str, person: Person) -> RollbackResponse:
        """Take a run back."""
        request = RollbackRequest.model_validate(
            {
                "application_id": application_id,
                "reason": "test",
            }
        )
        return rollback.roll_back(request, caller(person), self.database, self.settings)


_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")


def word() -> str:
    """A word that no other test uses, of letters alone: with a digit it would be a variable."""
    return uuid.uuid4().hex[:10].translate(_LETTERS)


def message() -> str:
    """An error message of a pattern that no other test uses."""
    return f"order {word()} of {word()} is broken"  # two places, so that no word is a variable


def mend(orders: Orders) -> str:
    """A script that mends every broken order."""
    return f"update {orders.name} set status = 'mended' where status = 'broken'"
