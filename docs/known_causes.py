"""The page of the known causes, from the pages of `pattern_engine.catalogue.causes`."""

# ruff: noqa: INP001  see `generate`

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from docs.markdown import table

from pattern_engine.catalogue import causes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pattern_engine.catalogue.causes import Cause, Draft

_HEAD = """# Known causes

Generated from `shared/pattern_engine/catalogue/causes` by `python -m docs.generate known-causes`.

What common errors of Supabase projects mean, how their cause is seen, and what may mend it.
`GET /explain` and `pattern-engine explain` show the page of an error with the names that the error
contains; here each page has names of an example, such as `orders`.

The queries only read. A **migration** is for the owner of the database to review and run: fixes
cannot change a schema. A **draft** is a fix that somebody may propose, after reading and changing
it; nothing here runs or is approved by itself. Its guard, `when` in the parameters, says for which
errors it may run. Its probe answers `mended`, true once the cause is gone. The tests make the
states that these errors come from, and run every query, migration and draft on them.
"""


def page() -> str:
    """Return the page."""
    pages = causes.pages().values()
    rows = [
        (
            f"[{each.title}](#{_anchor(each.title)})",
            _quoted(each.examples[0]),
            "draft" if each.draft else "migration" if each.migration else "",
        )
        for each in pages
    ]
    head = table(["cause", "as in", "what there is"], rows)
    return "\n".join([_HEAD, head, *("\n".join(_section(each.filled({}))) for each in pages)])


def _section(cause: Cause) -> Iterator[str]:
    yield f"## {cause.title}\n"
    yield from (f"- {_quoted(message)}" for message in cause.examples)
    yield f"\n{cause.meaning}\n\n{cause.cure} [Documentation]({cause.documentation})\n"
    for query in cause.seeing:
        yield _block(query.about, query.sql)
    if cause.migration:
        yield _block(f"**Migration.** {cause.migration.about}", cause.migration.sql)
    if cause.draft:
        yield from _draft(cause.draft)


def _draft(draft: Draft) -> Iterator[str]:
    yield _block(f"**Draft** of type `{draft.type}`. {draft.about}", draft.script)
    yield f"Its parameters: `{json.dumps(draft.parameters)}`\n"
    yield _block("Undo:", draft.undo) if draft.undo else f"No undo script: {draft.irreversible}\n"
    yield _block("Probe:", draft.probe)
    yield _block("What the owner has to run before:", ";\n".join((*draft.needs, "")))


def _quoted(message: str) -> str:
    """A message as code, also if it has backticks."""
    return f"`` {message} ``" if "`" in message else f"`{message}`"


def _block(about: str, sql: str) -> str:
    return f"{about}\n\n```sql\n{sql.strip()}\n```\n"


def _anchor(title: str) -> str:
    letters = (letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return "".join(letters).replace(" ", "-")
