"""The verdict of the Four Laws in words: a sentence for each part, made from its numbers.

Source: specification, "Constitutional Validation". Its action profile is a constant, so that three
laws can never fail; here every law can fail. The database makes the verdict in
`ops_internal.judge_laws` and stores it as numbers; this module turns the numbers into sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAMES", "against", "of_part", "sentence", "worded"]

Json = dict[str, Any]

NAMES: Final = ("Do No Harm", "Increase Order", "Sacred Geometry", "Harmonic Resonance")
"""The names of the laws, in their order; the database has the same."""
#: Part → its sentence, in the order in which a law's reason names its parts.
SENTENCES: Final[Mapping[str, str]] = {
    "analysis": "the static analysis has {findings} objections{_findings}",
    "destruction": "destructive operations: {destructive_operations}{_destructive_operations}, "
    "allow_destructive is {allow_destructive}",
    "cap": "the fix may touch {max_rows} rows (it writes: {writes}), {max_rows_allowed} are "
    "allowed",
    "dry_run": "its dry-run touched {dry_run_rows} rows, the fix may touch {max_rows}",
    "tables": "it names {tables} tables{_tables}, {max_tables} are allowed",
    "hosts": "it names {hosts} hosts{_hosts}, {max_hosts} are allowed",
    "load": "{recent_errors} errors in five minutes make an entropy of {system_entropy:.2f}; "
    "{recent_errors_of_pattern} of them are of this pattern; at an entropy of 1 its share must be "
    "at least {storm_share:.0%}",
    "history": "of the latest ten outcomes {verified_outcomes} are verified and {failed_outcomes} "
    "failed",
    "time_limit": "its time limit is {timeout_ms} ms, {timeout_ms_allowed} are allowed",
    "retries": "it may be tried again {max_retries} times, {max_retries_allowed} are allowed",
    "runs": "{runs_last_hour} runs in the last hour, {runs_per_hour} are allowed",
    "runs_of_incidents": "{runs_last_hour} runs for {incidents_last_hour} errors in the last hour, "
    "{runs_per_incident:g} are allowed for each error",
    "rows": "{rows_last_hour} rows touched in the last hour, {rows_per_hour} are allowed",
    "rows_of_incidents": "{rows_last_hour} rows touched for {incidents_last_hour} errors in the "
    "last hour, {rows_per_incident} are allowed for each error",
    "confidence": "a confidence of {confidence:.2f}, {min_confidence:.2f} is needed",
    "lower_bound": "by {decided_outcomes} decided outcomes its success rate is at least "
    "{lower_bound:.1%}, {min_lower_bound:.1%} is needed",
    "cooldown": "{seconds_since_last_run:.1f} s since the last run, {pause_seconds:.1f} s are "
    "needed after {consecutive_failures} failed outcomes in a row",
    "flapping": "{flaps_last_day} verified outcomes were overturned in a day, at "
    "{flaps_per_day} the fix stops running",
    "storm": "{firing_patterns} patterns with a fix had errors within {storm_seconds:g} s, at "
    "{storm_patterns} all fixes are paused",
    "quiet_hours": "it is {now}, the quiet hours are: {quiet_hours}",
}
UNKNOWN: Final[Mapping[str, str]] = {
    "dry_run": "there was no dry-run",
    "history": "no outcome is decided yet, an entropy increase of -0.05 is assumed",
    "lower_bound": "{decided_outcomes} outcomes are decided, {min_lower_bound_outcomes} are needed "
    "to judge by them",
    "cooldown": "there was no run before",
}


def worded(validation: Json) -> Json:
    """Return the database's verdict with a `reason` for each law."""
    return validation | {
        "laws": [
            {
                "law": law["law"],
                "name": law["name"],
                "outcome": law["outcome"],
                "reason": _reason(law),
                "numbers": law["numbers"],
            }
            for law in validation["laws"]
        ]
    }


def against(validation: Json) -> str:
    """Return the reasons of all laws that forbid the run; empty if none does."""
    return "; ".join(_reason(law) for law in validation["laws"] if law["outcome"] == "fail")


def _reason(law: Json) -> str:
    """The sentences of the failed parts, or else of the passed ones; then those not evaluated."""
    holds: Json = law["parts"]
    failed, held, unknown = (
        [name for name in SENTENCES if name in holds and holds[name] is wanted]
        for wanted in (False, True, None)
    )
    reasons = [sentence(name, law["numbers"]) for name in failed or held]
    if unknown:
        missing = ", ".join(UNKNOWN[name].format(**law["numbers"]) for name in unknown)
        reasons.append(f"not evaluated: {missing}")
    return "; ".join(reasons)


def of_part(part: str, holds: bool | None, numbers: Mapping[str, Any]) -> str:
    """Return the sentence of one part by the numbers of its law; without data, what is missing."""
    return UNKNOWN[part].format(**numbers) if holds is None else sentence(part, numbers)


def sentence(part: str, numbers: Mapping[str, Any]) -> str:
    """Return the sentence of a part; a list is shown as its length and its items in brackets."""
    shown: dict[str, Any] = {}
    for name, value in numbers.items():
        is_list = isinstance(value, list)
        shown[name] = len(value) if is_list else value
        shown[f"_{name}"] = f" ({'; '.join(value)})" if is_list and value else ""
    return SENTENCES[part].format(**shown)
