"""Proposing, previewing, deciding: analysed and tried here, decided by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.http.approval.proposed import (
    ANALYSIS,
    DIGEST,
    FIX,
    PARAMETERS,
    PROPOSAL_ID,
    all_match,
    incident,
    load_part,
    noted,
    pattern_row,
    proposal,
    rehearsal,
)
from tests.http.conftest import refusal as refused
from tests.http.healing.candidates import MESSAGE, PATTERN_ID, SCRIPT, candidate

from pattern_engine import fixes
from pattern_engine.approval import previews
from pattern_engine.fixes.analysis import Analysis
from pattern_engine.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.http.conftest import Load, Wire

BODY = {
    "pattern_id": PATTERN_ID,
    "auto_fix_script": SCRIPT,
    "auto_fix_type": "sql",
    "auto_fix_parameters": PARAMETERS,
}
APPROVAL = {"proposal_id": PROPOSAL_ID, "sha256": DIGEST, "decision": "approve"}


@pytest.fixture(autouse=True)
def _database(wire: Wire) -> None:
    """A database with one error of the pattern, in which everything goes well."""
    wire.replies |= {
        "propose_fix_v1": proposal(),
        "open_proposal_v1": proposal(),
        "incidents_for_replay_v1": [incident(12)],
        "find_candidates_v1": all_match,
        "rehearse_proposal_v1": [rehearsal()],
        "note_preview_v1": noted,
        "decide_fix_v1": {
            "proposal": proposal(decision="approved", closed_because="it was approved"),
            "pattern": pattern_row(),
        },
        "fix_proposals_v1": [proposal()],
    }


# -- proposing -------------------------------------------------------------------------------------


def test_a_proposal_is_stored_in_the_persons_name(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """With all that would be pinned, what the analysis says, and how long it holds."""
    answer = load("propose").post("/", json=BODY, headers=person)
    assert answer.status_code == 200
    assert wire.sent("propose_fix_v1") == {
        "p_pattern_id": PATTERN_ID,
        "p_fix": FIX,
        "p_analysis": ANALYSIS,
        "p_seconds": 7 * 86_400,
    }
    by_name = dict(zip(wire.names, wire.requests, strict=True))
    assert by_name["propose_fix_v1"].headers["authorization"] == person["Authorization"]


def test_the_trying_is_the_engines_own(
    load: Load, wire: Wire, person: dict[str, str], engine: dict[str, str]
) -> None:
    """No person may have the database rehearse what he likes: only what he proposed."""
    load("propose").post("/", json=BODY, headers=person)
    own = dict(zip(wire.names, wire.requests, strict=True))
    for name in ("incidents_for_replay_v1", "rehearse_proposal_v1", "note_preview_v1"):
        assert own[name].headers["authorization"] == engine["Authorization"], name
    assert wire.sent("rehearse_proposal_v1")["p_proposal_id"] == PROPOSAL_ID


def test_the_dry_run_is_answered_and_stored_scrubbed(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Rows touched in all and by table, the cap beside them; of the rows nothing personal."""
    answer = load("propose").post("/", json=BODY, headers=person)
    dry_run = answer.get_json()["proposal"]["dry_run"]
    stored = wire.sent("note_preview_v1")["p_dry_run"]
    assert dry_run == stored
    assert (dry_run["success"], dry_run["rows_touched"]) == (True, 2)
    assert dry_run["tables"] == {"public.users": 2}
    assert dry_run["whole_tables"] == ["public.users"]
    assert (dry_run["max_rows"], dry_run["is_over_cap"]) == (10, False)
    assert (dry_run["duration_ms"] >= 0, dry_run["timeout_ms"]) == (True, 5000)
    assert dry_run["rows_after"][0]["status"] == "active"
    assert b"ann@example.com" not in answer.data
    assert dry_run["for_system_log_id"] == 12


def test_the_script_rehearses_with_the_latest_error(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """It sees what it would see in earnest: the message and what was captured of it."""
    wire.replies["incidents_for_replay_v1"] = [incident(13), incident(12)]
    load("propose").post("/", json=BODY, headers=person)
    (error,) = wire.sent("rehearse_proposal_v1")["p_errors"]
    assert (error["message"], error["source"], error["system_log_id"]) == (MESSAGE, "shop", 13)
    assert "7" in error["captured"].values()


def test_without_a_stored_error_it_rehearses_with_an_empty_one(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """A pattern may be older than the log."""
    wire.replies["incidents_for_replay_v1"] = []
    answer = load("propose").post("/", json=BODY, headers=person).get_json()["proposal"]
    (error,) = wire.sent("rehearse_proposal_v1")["p_errors"]
    assert error == previews.NO_ERROR
    assert (error["message"], error["captured"]) == ("", {})
    assert answer["dry_run"]["rows_touched"] == 2
    assert answer["replay"]["totals"]["incidents"] == 0


def test_more_rows_than_the_cap_are_pointed_out(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """A run that would be undone for its rows is told as one, in the replay too."""
    wire.replies["rehearse_proposal_v1"] = [rehearsal(11)]
    answer = load("propose").post("/", json=BODY, headers=person).get_json()["proposal"]
    assert answer["dry_run"]["is_over_cap"] is True
    assert answer["replay"]["totals"]["over_cap"] == 1


FAILURES: dict[str, tuple[Any, str]] = {
    "the script fails": (
        [rehearsal(0, success=False, error="division by zero near ann@example.com")],
        "division by zero",
    ),
    "the database stops it": (refused("57014"), "The database stopped a statement"),
    "the database is gone": (refused("08006"), "The database cannot be reached"),
}


@pytest.mark.parametrize(("reply", "told"), FAILURES.values(), ids=FAILURES.keys())
def test_a_dry_run_that_fails_loses_no_proposal(
    load: Load, wire: Wire, person: dict[str, str], *, reply: Any, told: str
) -> None:
    """The failure is its outcome; a number of rows, by which a law would judge, it has none."""
    wire.replies["rehearse_proposal_v1"] = reply
    answer = load("propose").post("/", json=BODY, headers=person)
    assert answer.status_code == 200
    dry_run = answer.get_json()["proposal"]["dry_run"]
    assert (dry_run["success"], dry_run["rows_touched"]) == (False, None)
    assert dry_run["error"].startswith(told)
    assert b"ann@example.com" not in answer.data
    assert wire.sent("note_preview_v1")["p_dry_run"] == dry_run


def test_a_preview_that_cannot_be_stored_loses_no_proposal(
    load: Load, wire: Wire, person: dict[str, str], refusal: Callable[..., httpx.Response]
) -> None:
    """The proposal is answered as it was made."""
    wire.replies["note_preview_v1"] = refusal("40001")
    answer = load("propose").post("/", json=BODY, headers=person)
    assert answer.status_code == 200
    assert answer.get_json()["proposal"]["proposal_id"] == PROPOSAL_ID
    assert answer.get_json()["proposal"]["dry_run"] is None


def test_stored_errors_that_cannot_be_read_are_told(
    load: Load, wire: Wire, person: dict[str, str], refusal: Callable[..., httpx.Response]
) -> None:
    """The dry-run is made all the same."""
    wire.replies["incidents_for_replay_v1"] = refusal("57014")
    answer = load("propose").post("/", json=BODY, headers=person).get_json()["proposal"]
    assert answer["replay"]["error"]
    assert answer["dry_run"]["success"] is True


def test_a_huge_row_is_left_out(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """What is stored with a proposal is bounded."""
    wire.replies["rehearse_proposal_v1"] = [rehearsal(rows_before=[{"note": "x " * 50_000}])]
    answer = load("propose").post("/", json=BODY, headers=person)
    assert "left out" in answer.get_json()["proposal"]["dry_run"]["rows_before"]
    assert len(answer.data) < 20_000


REFUSED = {
    "no where": ({"auto_fix_script": "delete from users"}, 422, "fix_refused"),
    "a bad undo script": ({"undo_script": "drop table users"}, 422, "fix_refused"),
    "bash where it is off": ({"auto_fix_type": "bash"}, 501, "fix_type_not_supported"),
    "no pattern": ({"pattern_id": "1"}, 422, "invalid_field"),
    "an approver": ({"approved_by": PATTERN_ID}, 422, "unknown_field"),
    "a mode": ({"mode": "live"}, 422, "unknown_field"),
}


@pytest.mark.parametrize(("changes", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_could_not_be_approved_is_not_proposed(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    *,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    """It is refused with its reason, and nothing is stored."""
    answer = load("propose").post("/", json=BODY | changes, headers=person)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert wire.names == []


def test_who_may_not_propose_has_nothing_tried(
    load: Load, wire: Wire, person: dict[str, str], refusal: Callable[..., httpx.Response]
) -> None:
    """The database's refusal comes before any rehearsal."""
    wire.replies["propose_fix_v1"] = refusal("PL001")
    answer = load("propose").post("/", json=BODY, headers=person)
    assert answer.status_code == 403
    assert wire.names == ["propose_fix_v1"]


# -- the replay ------------------------------------------------------------------------------------


def replay(load: Load, person: dict[str, str], **parameters: object) -> dict[str, Any]:
    """The replay of a proposal with these parameters."""
    body = BODY | {"auto_fix_parameters": PARAMETERS | parameters}
    answer = load("propose").post("/", json=body, headers=person)
    found: dict[str, Any] = answer.get_json()["proposal"]["replay"]
    return found


def test_a_replay_says_that_it_is_a_simulation(load: Load, person: dict[str, str]) -> None:
    """Nobody takes it for what would have happened then."""
    found = replay(load, person)
    assert found["simulation"] is True
    assert "on today's data" in found["about"]


def test_an_untrusted_writer_would_be_refused(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Told with who wrote the row and whom the fix trusts; nothing is rehearsed for it."""
    wire.replies["incidents_for_replay_v1"] = [
        incident(13),
        incident(12, "null value in column status of order 8", written_by="authenticated"),
    ]
    found = replay(load, person)
    first, second = found["incidents"]
    assert (first["would_run"], first["refusal"], first["rows_touched"]) == (True, None, 2)
    assert "written by the role authenticated" in second["refusal"]
    assert (second["would_run"], "rows_touched" in second) == (False, False)
    totals = found["totals"]
    assert (totals["would_match"], totals["would_be_refused"], totals["would_run"]) == (2, 1, 1)


def test_writers_whom_the_fix_trusts_would_not_be(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The proposal's own list decides."""
    row = incident(12, written_by="authenticated")
    wire.replies["incidents_for_replay_v1"] = [row]
    wire.replies["propose_fix_v1"] = proposal(
        fix=FIX | {"parameters": PARAMETERS | {"trusted_writers": ["authenticated"]}}
    )
    assert replay(load, person)["totals"]["would_run"] == 1


def test_the_entropy_of_that_time_decides(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """By Law 2, as the database judges the five minutes before each error."""
    wire.replies["incidents_for_replay_v1"] = [
        incident(12, load=load_part(holds=False)),
        incident(11, load=load_part(holds=True)),
    ]
    stormy, fine = replay(load, person)["incidents"]
    assert stormy["refusal"].startswith("Law 2: 3 errors in five minutes make an entropy of 0.03")
    assert (stormy["would_run"], fine["refusal"], fine["would_run"]) == (False, None, True)
    assert wire.sent("incidents_for_replay_v1")["p_policy"] == Thresholds().policy()


def test_each_rehearsed_error_names_the_tables_that_were_touched_whole(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """As the database answered it for that error, in what is stored as in what is answered."""
    other = "null value in column status of order 8"
    wire.replies["incidents_for_replay_v1"] = [incident(13), incident(12, other)]

    def rehearse(arguments: dict[str, Any]) -> list[dict[str, Any]]:
        (error,) = arguments["p_errors"]
        return [rehearsal(whole_tables=["public.users"] if error["message"] == other else [])]

    wire.replies["rehearse_proposal_v1"] = rehearse
    found = replay(load, person)
    assert [each["whole_tables"] for each in found["incidents"]] == [[], ["public.users"]]
    sent = wire.sent("note_preview_v1")
    assert sent["p_replay"] == found
    assert sent["p_dry_run"]["whole_tables"] == []


def test_an_error_whose_signatures_lead_elsewhere_does_not_match(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """After a split, for instance."""
    other = candidate(fix=None)
    other["pattern"] |= {"pattern_id": "99999999-9999-4999-8999-999999999999"}
    wire.replies["incidents_for_replay_v1"] = [incident(12), incident(11), incident(10)]
    wire.replies["find_candidates_v1"] = [
        candidate(fix=None),
        other,
        candidate(fix=None, pattern=None),
    ]
    found = replay(load, person)
    assert [each["matches"] for each in found["incidents"]] == [True, False, False]
    assert found["totals"]["would_run"] == 1


def test_each_different_error_is_rehearsed_once_and_ten_at_most(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Twenty errors of twelve kinds: ten rehearsals; the rest says nothing of rows."""
    kinds = [*range(12), *range(8)]
    wire.replies["incidents_for_replay_v1"] = [
        incident(100 - place, f"null value in column status of user {kind}")
        for place, kind in enumerate(kinds)
    ]
    found = replay(load, person)
    assert wire.names.count("rehearse_proposal_v1") == previews.MAX_REHEARSALS
    assert found["totals"]["incidents"] == 20
    assert found["totals"]["rehearsed"] == 18
    assert ["rows_touched" in each for each in found["incidents"]].count(False) == 2


def test_no_rehearsal_begins_late(
    load: Load, wire: Wire, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the first took all the time, the others are left."""
    monkeypatch.setattr(previews, "MAX_SECONDS", -1.0)
    wire.replies["incidents_for_replay_v1"] = [
        incident(13),
        incident(12, "null value in column status of order 8"),
    ]
    found = replay(load, person)
    assert wire.names.count("rehearse_proposal_v1") == 1
    assert [each.get("rows_touched") for each in found["incidents"]] == [2, None]


def test_messages_are_scrubbed_and_cut(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """A replay is kept; the log row is where the message is."""
    wire.replies["incidents_for_replay_v1"] = [incident(12, "no ann@example.com " + "x" * 1000)]
    (one,) = replay(load, person)["incidents"]
    assert "ann@example.com" not in one["message"]
    assert len(one["message"]) == previews.MAX_MESSAGE_LENGTH


def test_the_target_is_told_apart_by_a_digest(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Two users, two targets; what tells them apart may be personal."""
    fix = FIX | {"parameters": PARAMETERS | {"target": ["order"]}}
    wire.replies["propose_fix_v1"] = proposal(fix=fix)
    wire.replies["incidents_for_replay_v1"] = [
        incident(13, "null value in column status of order 8"),
        incident(12, "null value in column status of order 9"),
        incident(11, "null value in column status of order 8"),
    ]
    found = [each["target"] for each in replay(load, person)["incidents"]]
    assert found[0] == found[2] != found[1]
    assert len(found[0]) == 32


# -- previewing ------------------------------------------------------------------------------------


def test_a_preview_is_made_anew(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """For who may: the database is asked in his name, before anything is tried."""
    answer = load("preview").post("/", json={"proposal_id": PROPOSAL_ID}, headers=person)
    assert answer.get_json()["proposal"]["dry_run"]["rows_touched"] == 2
    assert wire.names[0] == "open_proposal_v1"
    assert wire.sent("open_proposal_v1") == {"p_proposal_id": PROPOSAL_ID}
    assert wire.requests[0].headers["authorization"] == person["Authorization"]


@pytest.mark.parametrize("function", ["preview", "decide"])
def test_nothing_is_tried_of_a_proposal_that_is_not_open(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    refusal: Callable[..., httpx.Response],
    function: str,
) -> None:
    """Unknown, closed or not for this person: one question, one answer."""
    wire.replies["open_proposal_v1"] = refusal("PL028")
    body = APPROVAL if function == "decide" else {"proposal_id": PROPOSAL_ID}
    answer = load(function).post("/", json=body, headers=person)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "proposal_closed")
    assert wire.names == ["open_proposal_v1"]


CHANGED = {
    "the prepared script": {"prepared_script": "UPDATE other.users SET status = 'x'"},
    "the tables": {"tables": ["other.users"]},
    "the undo script": {"prepared_undo_script": "SELECT 1"},
}


@pytest.mark.parametrize("function", ["preview", "decide"])
@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_an_analysis_that_says_something_else_today_stops_it(
    load: Load, wire: Wire, person: dict[str, str], function: str, change: dict[str, Any]
) -> None:
    """What would run is not what was looked at: 409, with what differs."""
    wire.replies["open_proposal_v1"] = proposal(fix=FIX | change)
    wire.replies["record_event_v1"] = "88888888-8888-4888-8888-888888888888"
    body = APPROVAL if function == "decide" else {"proposal_id": PROPOSAL_ID}
    answer = load(function).post("/", json=body, headers=person)
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (409, "fix_not_pinned")
    assert error["details"]["changed"] == list(change)
    assert wire.names == ["open_proposal_v1", "record_event_v1"]


def test_a_script_that_is_refused_today_is_not_approved(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """The deployment may have closed since what it offered at the proposal."""
    wire.replies["open_proposal_v1"] = proposal(fix=FIX | {"type": "bash"})
    answer = load("decide").post("/", json=APPROVAL, headers=person)
    assert (answer.status_code, wire.names) == (501, ["open_proposal_v1"])


# -- deciding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "two_people"), [("off", False), ("on", True)])
def test_an_approval_carries_digest_mode_and_the_rule_of_two(
    load: Load,
    wire: Wire,
    person: dict[str, str],
    environment: pytest.MonkeyPatch,
    *,
    setting: str,
    two_people: bool,
) -> None:
    """In the person's name; whether two are needed is the deployment's, not the caller's."""
    environment.setenv("PATTERN_ENGINE_TWO_PEOPLE", setting)
    body = APPROVAL | {"mode": "shadow", "reason": "looks right", "max_heals": 9}
    answer = load("decide").post("/", json=body, headers=person).get_json()
    assert wire.sent("decide_fix_v1") == {
        "p_proposal_id": PROPOSAL_ID,
        "p_sha256": DIGEST,
        "p_decision": "approve",
        "p_reason": "looks right",
        "p_ends_at": None,
        "p_max_heals": 9,
        "p_mode": "shadow",
        "p_two_people": two_people,
    }
    assert {each.headers["authorization"] for each in wire.requests} == {person["Authorization"]}
    assert answer["proposal"]["decision"] == "approved"
    assert answer["pattern"]["approved_by"]


def test_a_rejection_asks_no_analysis(load: Load, wire: Wire, person: dict[str, str]) -> None:
    """Whatever the script would be today, one may say no to it."""
    body = APPROVAL | {"decision": "reject", "reason": "touches refunds"}
    assert load("decide").post("/", json=body, headers=person).status_code == 200
    assert wire.names == ["decide_fix_v1"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no digest": ({"sha256": None}, "sha256"),
    "half a digest": ({"sha256": "a" * 63}, "sha256"),
    "a digest in capitals": ({"sha256": "A" * 64}, "sha256"),
    "another decision": ({"decision": "maybe"}, "decision"),
    "no proposal": ({"proposal_id": "1"}, "proposal_id"),
    "demoted": ({"mode": "demoted"}, "mode"),
    "a rejection without a reason": ({"decision": "reject"}, "Give a reason"),
    "a blank reason": ({"reason": " "}, "reason"),
    "two people": ({"two_people": False}, "two_people"),
}


@pytest.mark.parametrize(("changes", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_decision_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], changes: dict[str, Any], told: str
) -> None:
    """With the field that is wrong, before the database is asked."""
    answer = load("decide").post("/", json=APPROVAL | changes, headers=person)
    assert answer.status_code == 422
    assert told in answer.get_json()["error"]["message"]
    assert "(body)" not in answer.get_json()["error"]["message"]
    assert wire.names == []


# -- listing ---------------------------------------------------------------------------------------

QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "all that is open": ("", {"p_pattern_id": None, "p_open_only": True, "p_limit": 20}),
    "all of one pattern": (
        f"?pattern_id={PATTERN_ID}&open_only=false&limit=5",
        {"p_pattern_id": PATTERN_ID, "p_open_only": False, "p_limit": 5},
    ),
}


@pytest.mark.parametrize("who", ["person", "engine"])
@pytest.mark.parametrize(("query", "sent"), QUERIES.values(), ids=QUERIES.keys())
def test_proposals_are_listed(
    load: Load,
    wire: Wire,
    request: pytest.FixtureRequest,
    *,
    who: str,
    query: str,
    sent: dict[str, Any],
) -> None:
    """For persons in their own name, and for the engine."""
    headers: dict[str, str] = request.getfixturevalue(who)
    answer = load("proposals").get(f"/{query}", headers=headers)
    (listed,) = answer.get_json()["proposals"]
    assert (listed["proposal_id"], listed["sha256"]) == (PROPOSAL_ID, DIGEST)
    assert wire.sent("fix_proposals_v1") == sent
    assert wire.requests[0].headers["authorization"] == headers["Authorization"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "open_only=perhaps", "pattern_id=1"])
def test_a_question_that_does_not_fit_is_refused(
    load: Load, wire: Wire, person: dict[str, str], query: str
) -> None:
    """Nothing is guessed."""
    answer = load("proposals").get(f"/?{query}", headers=person)
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.get_json()["error"]["message"]
    assert wire.names == []


# -- other types -----------------------------------------------------------------------------------


def test_what_runs_outside_the_database_is_planned(
    load: Load, wire: Wire, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operations, hosts, limits and the data that it would see, scrubbed; nothing runs."""
    analysis = Analysis(
        prepared_script="prepared",
        operations=("fetch api.example.com",),
        hosts=("api.example.com",),
        secrets={"hooks_key": ("api.example.com",)},
    )
    monkeypatch.setattr(fixes, "analyse", lambda *_: analysis)
    fix = FIX | {
        "type": "typescript",
        "parameters": {"timeout_ms": 9000, "password": "hunter2 and more"},
    }
    wire.replies["propose_fix_v1"] = proposal(fix=fix)
    wire.replies["incidents_for_replay_v1"] = [incident(12, "no mail to ann@example.com")]
    body = BODY | {"auto_fix_type": "typescript"}
    answer = load("propose").post("/", json=body, headers=person)
    found = answer.get_json()["proposal"]
    plan = found["dry_run"]["plan"]
    assert plan["operations"] == ["fetch api.example.com"]
    assert (plan["hosts"], plan["secrets"]) == (
        ["api.example.com"],
        {"hooks_key": ["api.example.com"]},
    )
    assert plan["limits"] == {"timeout_ms": 9000, "max_retries": 0, "max_rows": 1000}
    assert plan["sees"]["error"]["system_log_id"] == 12
    assert b"ann@example.com" not in answer.data
    assert plan["sees"]["parameters"]["password"] == "[scrubbed]"
    assert found["replay"]["totals"]["would_run"] == 1
    assert "rehearse_proposal_v1" not in wire.names


REQUEST = """{
  "method": "POST",
  "url": "https://api.example.com/hooks",
  "headers": {"Authorization": {"secret": "hooks_key", "prefix": "Bearer "}},
  "body": {"said": {"error": "message"}, "colour": {"param": "colour"}}
}"""


def test_of_an_api_call_the_request_is_planned(
    load: Load, wire: Wire, person: dict[str, str]
) -> None:
    """Method, address, names of headers, the body with its references resolved; nothing is sent."""
    pytest.importorskip("pattern_engine.fixes.api_call.executor")
    fix: dict[str, Any] = {}
    parameters = {"colour": "red", "allowed_hosts": ["api.example.com"]}

    def stored(arguments: dict[str, Any]) -> dict[str, Any]:
        fix.update(arguments["p_fix"])
        return proposal(fix=fix)

    wire.replies["propose_fix_v1"] = stored
    wire.replies["note_preview_v1"] = lambda given: noted(given) | {"fix": fix}
    body = BODY | {
        "auto_fix_type": "api_call",
        "auto_fix_script": REQUEST,
        "auto_fix_parameters": parameters,
    }
    answer = load("propose").post("/", json=body, headers=person)
    assert answer.status_code == 200, answer.get_json()
    dry_run = answer.get_json()["proposal"]["dry_run"]
    request = dry_run["plan"]["request"]
    assert (request["method"], request["url"]) == ("POST", "https://api.example.com/hooks")
    assert "Authorization" in request["headers"]
    assert request["body"] == {"said": MESSAGE, "colour": "red"}
    assert dry_run["plan"]["secrets"] == {"hooks_key": ["api.example.com"]}
    assert "rehearse_proposal_v1" not in wire.names
