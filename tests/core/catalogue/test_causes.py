"""Pages about known causes: complete, found by their errors, and safe to fill with any name."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgast import parse

from pattern_engine import fixes
from pattern_engine.approval.models import FixParameters
from pattern_engine.catalogue import causes
from pattern_engine.steering.explaining import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.catalogue.causes import Cause

PAGES = causes.pages().values()


def named(page: Cause) -> str:
    """The name of a page, as the id of a test."""
    return page.name


def sql_of(page: Cause) -> Iterator[str]:
    """Every statement of a page."""
    yield from (query.sql for query in page.seeing)
    if page.migration:
        yield page.migration.sql
    if page.draft:
        yield from (page.draft.script, page.draft.probe, page.draft.undo, *page.draft.needs)


def test_there_are_many() -> None:
    """At least forty errors have a page."""
    assert len(PAGES) >= 40


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_is_complete(page: Cause) -> None:
    """It says what the error means, how to see its cause and what to do, with a link."""
    assert page.title
    assert page.meaning.endswith(".")
    assert page.cure.endswith(".")
    assert page.seeing
    assert page.matches
    assert page.examples
    assert re.fullmatch(r"https://[a-z.]+/\S*", page.documentation)
    assert all(query.about.endswith(".") for query in page.seeing)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_place_has_a_name(page: Cause) -> None:
    """A page can be shown for an error that names nothing, and what it shows is SQL."""
    for sql in sql_of(page):
        assert causes.places(sql) <= page.names.keys()
    for sql in sql_of(page.filled({})):
        parse(sql)


@pytest.mark.parametrize(
    ("message", "page"),
    [(message, page) for page in PAGES for message in page.examples],
    ids=lambda each: each[:60] if isinstance(each, str) else "",
)
def test_an_example_leads_to_its_page(message: str, page: Cause) -> None:
    """As it is, and within a wrapper."""
    for text in (message, f"ERROR:  {message}", {"message": message}):
        cause = explained(str(text)).cause
        assert cause
        assert cause.name == page.name


def test_no_two_pages_are_about_the_same() -> None:
    """What a page matches belongs to no other page."""
    matches = Counter(
        (match.origin, causes.shape(match.template), match.code, str(match.when))
        for page in PAGES
        for match in page.matches
    )
    assert [match for match, count in matches.items() if count > 1] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.draft], ids=named)
def test_a_draft_could_be_approved(page: Cause) -> None:
    """The analysis accepts script and undo; there is a guard, or a target for each run."""
    draft = page.filled({}).draft
    assert draft
    assert bool(draft.undo) != bool(draft.irreversible)
    FixParameters.model_validate(draft.parameters)
    assert draft.parameters.keys() & {"when", "target"}
    for script in filter(None, (draft.script, draft.undo)):
        assert fixes.analyse(draft.type, script, draft.parameters).findings == ()


def test_the_names_of_an_error_are_in_the_statements() -> None:
    """A captured name takes the place of the page's own, qualified or not."""
    cause = explained('null value in column "vat" of relation "bills" violates not-null constraint')
    assert cause.cause
    assert cause.cause.migration
    assert '"public"."bills" alter column "vat"' in cause.cause.migration.sql
    seen = explained("Could not find the table 'shop.carts' in the schema cache").cause
    assert seen
    assert "c.relname = 'carts'" in seen.seeing[0].sql


def test_conditions_choose_the_page() -> None:
    """The same template leads to another page where a captured name says so."""
    pages = {
        name: explained(f'duplicate key value violates unique constraint "{name}"').cause
        for name in ("orders_pkey", "orders_number_key")
    }
    assert {name: page and page.name for name, page in pages.items()} == {
        "orders_pkey": "lagging-sequence",
        "orders_number_key": "unique-violation",
    }


def test_a_translation_leads_to_the_same_page() -> None:
    """The catalogue knows the wording of other languages."""
    german = "FEHLER:  keine Berechtigung für Tabelle orders"
    cause = explained(german).cause
    assert cause
    assert cause.name == "grant-on-table"
    assert "c.relname = 'orders'" in cause.seeing[0].sql


def test_a_code_leads_to_a_page_where_the_wording_is_new() -> None:
    """A wording that no page has is explained by its code."""
    text = "{'message': 'Words of a version to come', 'code': 'PGRST205'}"
    cause = explained(text).cause
    assert cause
    assert cause.name == "stale-schema-cache"


def test_what_an_application_raises_is_its_own() -> None:
    """A custom exception with the words of a known error has no page."""
    text = "{'message': 'permission denied for table orders', 'code': 'P0001'}"
    assert explained(text).cause is None


def test_nothing_is_said_of_what_nobody_knows() -> None:
    """An error of the application itself has no page."""
    assert explained("order 17 has no status").cause is None


@given(st.text(max_size=40))
def test_a_name_cannot_leave_its_place(name: str) -> None:
    """Whatever an error names stays one literal and one identifier."""
    name = name.replace("\0", "") or "x"
    filled = causes.fill("select :\"a\" from t where b = :'a'", {"a": name})
    statement = parse(filled).stmts[0].stmt.select_stmt
    (target,) = statement.target_list
    column = target.res_target.val.column_ref.fields[0].string
    assert column.sval == name.encode()[:63].decode(errors="ignore") or len(name.encode()) > 63
    assert statement.where_clause.a_expr.rexpr.a_const.sval.sval == name


def test_casts_and_long_values_are_left_alone() -> None:
    """`::name` is no place, and a value beyond the bound fills none."""
    assert causes.fill("select 'x'::\"name\"", {}) == "select 'x'::\"name\""
    page = causes.pages()["unique-violation"].filled({"constraint": "c" * 201})
    assert "customers_email_key" in page.seeing[0].sql
