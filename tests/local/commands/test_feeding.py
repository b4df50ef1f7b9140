"""What `pattern-engine learn` makes of lines, and of a project that refuses some of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pattern_engine.cli import feeding
from pattern_engine.cli.profiles import Profile
from pattern_engine.cli.remote import NotSignedInError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROFILE = Profile("local", "http://127.0.0.1:1", "http://127.0.0.1:1", "key")
ADDRESS = httpx.Request("POST", PROFILE.api_url)


def rows(*lines: str) -> list[dict[str, Any]]:
    """The rows that lines become."""
    outcome = feeding.Outcome()
    return list(feeding.rows_of([line.encode() for line in lines], {"log_level": "error"}, outcome))


def test_a_line_of_text_is_its_message() -> None:
    """Blank lines are none, and what is no text is shown as such."""
    found = rows("order 7 failed", " ", "{no json", '["a list"]', '{"no": "message"}', "a\0b")
    messages = ["order 7 failed", "{no json", '["a list"]', '{"no": "message"}', "a\ufffdb"]
    assert [each["message"] for each in found] == messages
    assert {each["log_level"] for each in found} == {"error"}


NAMES = {
    "the columns": {
        "message": "m",
        "log_level": "fatal",
        "created_at": "2026-01-01",
        "source": "s",
    },
    "Python": {"message": "m", "levelname": "fatal", "timestamp": "2026-01-01", "logger": "s"},
    "pino": {"msg": "m", "level": "fatal", "time": "2026-01-01", "service": "s"},
}


@pytest.mark.parametrize("given", NAMES.values(), ids=NAMES.keys())
def test_a_line_of_json_is_read_by_the_names_of_loggers(given: dict[str, Any]) -> None:
    """What has no column is metadata."""
    (row,) = rows(json.dumps(given | {"user": 7}))
    del row["event_id"]
    assert row == NAMES["the columns"] | {"metadata": {"user": 7}}


def test_a_line_has_the_same_id_in_the_same_place_alone() -> None:
    """In a file that has grown, but not in another file; a repeated line is another error."""
    once = rows("a", "b", "b")
    assert [each["event_id"] for each in rows("a", "b", "b", "c")][:3] == [
        each["event_id"] for each in once
    ]
    ids = [each["event_id"] for each in [*once, *rows("b"), *rows("x", "b")]]
    assert len(set(ids)) == len(ids)


class Project:
    """Takes so many rows before it wants a pause, each id once, and no message that it dislikes."""

    def __init__(self, quota: int, known: Sequence[str] = ()) -> None:
        self.quota, self.left, self.waits = quota, quota, 0
        self.ids, self.written = set(known), list[str]()

    def pause(self, _seconds: float) -> None:
        """A minute later."""
        self.waits += 1
        self.left = self.quota

    def insert(self, batch: list[dict[str, Any]]) -> httpx.Response:
        """Insert all rows or none, as PostgREST does."""
        if len(batch) > self.left:
            return httpx.Response(429, headers={"Retry-After": "1"}, request=ADDRESS)
        if any(each["event_id"] in self.ids for each in batch):
            return httpx.Response(409, json={"message": "duplicate"}, request=ADDRESS)
        if any(each["message"] == "bad" for each in batch):
            return httpx.Response(400, json={"message": "too large"}, request=ADDRESS)
        self.left -= len(batch)
        self.ids |= {each["event_id"] for each in batch}
        self.written += [each["message"] for each in batch]
        return httpx.Response(201, request=ADDRESS)


@pytest.mark.parametrize("quota", [1, 3, 100])
def test_every_row_is_written_once_whatever_is_refused(
    quota: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit is waited for, a row that is there is left alone, a bad one stops no other."""
    found = rows(*(f"line {number}" for number in range(7)), "bad", "last")
    project = Project(quota, [found[0]["event_id"], found[4]["event_id"]])
    monkeypatch.setattr("time.sleep", project.pause)
    outcome = feeding.Outcome()
    feeding.Writer(PROFILE, project.insert, outcome).write(found)
    assert project.written == [f"line {number}" for number in (1, 2, 3, 5, 6)] + ["last"]
    assert (outcome.written, outcome.repeated) == (6, 2)
    assert outcome.refused == ["bad: too large"]
    assert (project.waits > 0) == (quota < 7)


@pytest.mark.parametrize(("status", "kind"), [(401, NotSignedInError), (503, RemoteError)])
def test_a_project_that_takes_nothing_ends_it(status: int, kind: type[Exception]) -> None:
    """The command fails and may be repeated, since what was written is known by its id."""
    outcome = feeding.Outcome()
    writer = feeding.Writer(
        PROFILE, lambda _: httpx.Response(status, json={}, request=ADDRESS), outcome
    )
    with pytest.raises(kind):
        writer.write(rows("a", "b"))
    assert outcome.refused == []
