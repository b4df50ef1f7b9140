"""What the pages about known causes offer is run: on the state that it explains and mends."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.conftest import RefusedError
from tests.database.causes.states import DRAFTS, STATES, USER
from tests.waiting import eventually

from pattern_engine.catalogue import causes
from pattern_engine.steering.explaining import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Person, Rest, Sql
    from tests.database.approval.proposing import Desk
    from tests.database.causes.states import State
    from tests.database.conftest import Patterns

    from pattern_engine.catalogue.causes import Cause


@dataclass(frozen=True)
class Scene:
    """A state in a schema of its own."""

    sql: Sql
    state: State
    schema: str

    def run(self, text: str) -> None:
        """Run statements in which :"schema" is the scene's."""
        if text:
            self.sql.connection.execute(causes.fill(text, {"schema": self.schema}).encode())

    def undone(self) -> Any:
        """A transaction, or a part of one, that leaves nothing."""
        return self.sql.connection.transaction(force_rollback=True)

    def act(self) -> None:
        """Do what the state is about, as the role of the request; nothing of it stays."""
        with self.undone():
            self.run(f"set local search_path = {self.schema}, public, extensions")
            self._as_role()
            self.run(self.state.fails)

    def is_broken(self) -> bool:
        """Whether the state is there, where nothing fails."""
        with self.undone():
            self._as_role()
            query = causes.fill(self.state.broken, {"schema": self.schema}).encode()
            (answer,) = self.sql.connection.execute(query).fetchall()
        return bool(next(iter(answer.values())))

    def _as_role(self) -> None:
        if self.state.role:
            claims = f'{{"sub": "{USER}", "role": "{self.state.role}"}}'
            self.run(f"set local request.jwt.claims = '{claims}'; set local role {self.state.role}")

    def message(self) -> str:
        """The error as a server's log shows it."""
        if not self.state.fails:
            assert not self.state.broken or self.is_broken()
            return self.state.says or causes.pages()[self.state.page].examples[0]
        with pytest.raises(psycopg.Error) as raised:
            self.act()
        assert raised.value.sqlstate == self.state.code, raised.value
        said = raised.value.diag
        detail = f"\nDETAIL:  {said.message_detail}" if said.message_detail else ""
        return self.state.says or f"ERROR:  {said.message_primary}{detail}"

    def page(self, message: str) -> Cause:
        """The page about a message, with its names, in the schema of the scene."""
        explanation = explained(message)
        assert explanation.cause
        assert explanation.cause.name == self.state.page
        names = {**explanation.captured, **self.state.names, "schema": self.schema}
        return causes.pages()[self.state.page].filled(names)

    def see(self, page: Cause) -> None:
        """Run the queries of the page, which can change nothing."""
        for query in page.seeing:
            with self.undone():
                self.run("set local transaction_read_only = on")
                self.sql.connection.execute(query.sql.encode())

    def works(self) -> None:
        """Assert that what was broken is not any more."""
        if self.state.works:
            self.run(self.state.works)
        elif self.state.fails:
            self.act()
        elif self.state.broken:
            assert not self.is_broken()


@contextmanager
def scene(sql: Sql, state: State) -> Iterator[Scene]:
    """The state in a new schema."""
    found = Scene(sql, state, f"cause_{uuid.uuid4().hex[:8]}")
    found.run(f"create schema {found.schema}")
    found.run(state.setup)
    yield found


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_migration_mends_its_state(state: State, database: Sql, admin: Sql) -> None:
    """The error occurs and leads to its page; after the migration of the page it is gone."""
    sql = admin if state.login == "admin" else database
    with sql.undone(), scene(sql, state) as broken:
        page = broken.page(broken.message())
        broken.see(page)
        if page.migration:
            broken.run(page.migration.sql)
            broken.works()


SEEN_ALONE = sorted(causes.pages().keys() - {state.page for state in (*STATES, *DRAFTS)})


@pytest.mark.parametrize("name", SEEN_ALONE)
def test_queries_only_read(name: str, database: Sql) -> None:
    """The queries of a page that needs no state run in a transaction that may only read."""
    with database.undone():
        database.run("set transaction read only")
        for query in causes.pages()[name].filled({}).seeing:
            database.connection.execute(query.sql.encode())


def test_what_can_be_run_is_run() -> None:
    """A page with a migration has a state, one with a draft has a state that it mends."""
    pages = causes.pages().values()
    reloading = {"stale-schema-cache"}  # below
    of_drafts = {state.page for state in DRAFTS}
    assert {page.name for page in pages if page.draft} == of_drafts
    with_migration = {page.name for page in pages if page.migration}
    assert with_migration - {state.page for state in STATES} - of_drafts == reloading


def test_a_stale_schema_cache_is_reloaded(database: Sql, engine: Rest) -> None:
    """A table that the Data API does not know is known after the migration."""
    table = f"carts_{uuid.uuid4().hex[:8]}"
    api = engine.in_schema("public")
    assert not _answers(api, table)  # which also fills the cache, if nothing else did
    database.connection.execute(f"create table public.{table} (id int)".encode())
    try:
        with pytest.raises(RefusedError) as refused:
            api.select(table)
        cause = explained(str(refused.value.body)).cause
        assert cause, refused.value.body
        assert cause.migration
        assert cause.name == "stale-schema-cache"
        database.connection.execute(cause.migration.sql.encode())
        assert eventually(lambda: _answers(api, table))
    finally:
        database.connection.execute(f"drop table public.{table}".encode())


def _answers(api: Rest, table: str) -> bool:
    try:
        return api.select(table) == []
    except RefusedError:
        return False


# -- drafts ----------------------------------------------------------------------------------------


@pytest.fixture
def committed(request: pytest.FixtureRequest, database: Sql) -> Iterator[Scene]:
    """A state that other connections see."""
    with scene(database, request.param) as found:
        yield found
        found.run(f"drop schema {found.schema} cascade")


def _is_mended(sql: Sql, page: Cause) -> bool:
    assert page.draft
    (row,) = sql.connection.execute(page.draft.probe.encode()).fetchall()
    assert list(row) == ["mended"]
    return bool(row["mended"])


@pytest.mark.parametrize("committed", DRAFTS, ids=str, indirect=True)
def test_a_draft_mends_its_state(
    committed: Scene,
    desk: Desk,
    operator: Person,
    administrator: Person,
    patterns: Patterns,
    engine: Rest,
) -> None:
    """Proposed, tried, approved, run and rolled back like any fix; the probe agrees each time."""
    message = committed.message()
    page = committed.page(message)
    draft = page.draft
    assert draft
    committed.see(page)
    first = page.migration if page.name == "stripe-customer-missing" else None
    committed.run(";".join((first.sql if first else "", *draft.needs)))
    assert not _is_mended(committed.sql, page)

    pattern_id, _ = desk.occur(message)
    proposal = desk.propose(
        pattern_id, operator, draft.script, undo_script=draft.undo or None, **draft.parameters
    )
    assert proposal.dry_run is not None
    assert proposal.dry_run["success"], proposal.dry_run
    # Sequences are not rolled back, so the dry-run has moved this one.
    assert _is_mended(committed.sql, page) == (page.name == "lagging-sequence")
    desk.decide(proposal, administrator)
    _, log_id = desk.occur(message)
    answer = desk.heal(log_id)
    assert answer.success is True, answer
    assert _is_mended(committed.sql, page)
    committed.works()
    if draft.undo:
        (claim,) = engine.select("pattern_claims", system_log_id=f"eq.{log_id}", purpose="eq.heal")
        assert desk.roll_back(claim["application_id"], operator).success
        assert not _is_mended(committed.sql, page)
        assert committed.message() == message
    patterns.disable(pattern_id)


def test_a_unique_index_keeps_single_rows_single(database: Sql) -> None:
    """The migration beside the draft works once the rows are mended."""
    (state,) = (state for state in DRAFTS if state.page == "single-row-expected")
    with database.undone(), scene(database, state) as mended:
        page = causes.pages()[state.page].filled({"schema": mended.schema})
        assert page.migration
        assert page.draft
        with pytest.raises(psycopg.errors.UniqueViolation), database.connection.transaction():
            mended.run(page.migration.sql)
        mended.run(page.draft.script)
        mended.run(page.migration.sql)
