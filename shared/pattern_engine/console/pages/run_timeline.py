"""What happened to a run, step by step, and what the verdict on it rests on, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console.rendering import span

if TYPE_CHECKING:
    from pattern_engine.console.visits import Json

VERDICTS = {
    "verified": "Verified: the error stopped",
    "failed": "Failed: the error did not stop",
    "inconclusive": "Inconclusive: nothing was proved",
}


def steps(found: Json) -> list[Json]:
    """The steps of a run in their order, each with its time, what happened, and more about it."""
    made = [*_before(found), *_ran(found), *_judged(found), *_undone(found)]
    return sorted((step for step in made if step["at"]), key=lambda step: str(step["at"]))


def _step(at: str | None, title: str, more: str | None = "", kind: str = "") -> Json:
    return {"at": at, "title": title, "more": more or "", "kind": kind}


def _before(found: Json) -> list[Json]:
    run, log = found["run"], found["log"] or {}
    by = f"by {run['claimed_by']}" if run["claimed_by"] else "by the engine"
    return [
        _step(log.get("created_at"), "Error logged", log.get("source") or "no source"),
        _step(log.get("learned_at"), "Delivered and counted"),
        _step(run["claimed_at"], "Claimed", f"{by}, for version {run['fix_version']}"),
    ]


def _ran(found: Json) -> list[Json]:
    run, application = found["run"], found["application"]
    if run["purpose"] == "shadow":
        return [_step(run["finished_at"], "Would have run", "The fix is a shadow: nothing ran.")]
    if application is None:
        return []
    took = span((application["execution_time_ms"] or 0) / 1000)
    if application["success"]:
        return [_step(application["applied_at"], "Ran well", f"in {took}", "good")]
    return [_step(application["applied_at"], "Script failed", application["error_after"], "bad")]


def _judged(found: Json) -> list[Json]:
    judged = found["verification"]
    if judged is None:
        return []
    made = []
    was_watched = judged["outcome"] != "failed" or found["evidence"]["recurred_at"]
    if was_watched:
        window = span(found["evidence"]["window_seconds"])
        more = f"The error has to stay away for {window}."
        made.append(_step(judged["started_at"], "Verification started", more))
    if judged["overturned_at"]:
        made += [
            _step(judged["due_at"], "Its window ended without the error"),
            _step(judged["overturned_at"], "Overturned", judged["reason"], "bad"),
        ]
    elif judged["decided_at"]:
        kind = {"verified": "good", "failed": "bad"}.get(judged["outcome"], "")
        title = VERDICTS[judged["outcome"]]
        made.append(_step(judged["decided_at"], title, judged["reason"], kind))
    return made


def _undone(found: Json) -> list[Json]:
    made = []
    for undoing in found["undoings"]:
        by = f"by {undoing['claimed_by']}"
        made.append(_step(undoing["claimed_at"], "Roll-back ordered", by))
        if undoing["success"]:
            made.append(_step(undoing["applied_at"], "Undone", kind="good"))
        elif undoing["applied_at"]:
            made.append(
                _step(undoing["applied_at"], "Roll-back failed", undoing["error_after"], "bad")
            )
    return made


def evidence(found: Json) -> str:
    """The evidence for the verdict as a sentence; empty where the run is not judged."""
    judged, seen = found["verification"], found["evidence"]
    if judged is None:
        return ""
    source = judged["source"] or "the source without a name"
    number = seen["rows_of_source"]
    counted = f"{number:,}{' or more' if number >= seen['most_counted'] else ''}"
    rows = f"{counted} log row{'' if number == 1 else 's'} from {source}"
    if seen["recurred_at"]:
        return f"The error came back after {span(seen['seconds'])}; {rows} until then."
    if judged["outcome"] == "failed":
        return "The script itself failed, or a person took the run back."
    sentence = f"No error in {span(seen['seconds'])}; {rows} in that time."
    if judged["outcome"] != "pending" or number:
        return sentence
    return f"{sentence} Unless it logs something until the end, the run proves nothing."
