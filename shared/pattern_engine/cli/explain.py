"""`pattern-engine explain`: what an error means, how its cause is seen, and what may mend it.

A text is explained offline, without settings, database or network. With `--pattern` the latest
error of a pattern is read from the database.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from pattern_engine.cli.locations import DataDirectory, ProjectDirectory
from pattern_engine.cli.owner import DatabaseUrl, connect
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.local.errors import StackError
from pattern_engine.steering.explaining import explained
from pattern_engine.steering.models import CausePage, Explanation

_LATEST = """
select coalesce(left(logs.message, 8192), signatures.template)
from ops.pattern_signatures as signatures
left join ops.pattern_incidents as incidents
  on incidents.pattern_id = signatures.pattern_id and incidents.signature = signatures.signature
left join ops.system_logs as logs on logs.id = incidents.system_log_id
where signatures.pattern_id::text = %s
order by logs.id desc nulls last, signatures.created_at desc
limit 1
"""
_NO_PAGE = "There is no page about this error."


commands = typer.Typer()


@commands.command("explain")
def run(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="the error as it was logged; - reads standard input"),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(metavar="ID", help="a pattern of the database instead of a text")
    ] = None,
    *,
    as_json: AsJson = False,
    db_url: DatabaseUrl = None,
    data_dir: DataDirectory = None,
    project: ProjectDirectory = None,
) -> int:
    """Explain an error, offline.

    The exit code is 0 if there is a page about it, else 1.
    """
    if (text is None) == (pattern is None):
        raise typer.BadParameter("give one of the two", param_hint="TEXT or --pattern")
    if pattern is not None:
        text = _latest_text(pattern, db_url, data_dir, project)
    explanation = explained(sys.stdin.read() if text == "-" else str(text))
    if as_json:
        show(json.dumps(explanation.model_dump(mode="json"), indent=2))
    else:
        show("\n".join(_shown(explanation)))
    return 0 if explanation.cause else 1


def _latest_text(
    pattern: str, db_url: str | None, data_dir: Path | None, project: Path | None
) -> str:
    with connect(db_url, data_dir, project) as connection:
        found = connection.execute(_LATEST, (pattern,)).fetchone()
    if found is None:
        raise StackError(f"there is no pattern {pattern}")
    return str(found[0])


def _shown(explanation: Explanation) -> Iterator[str]:
    names = ("origin", "code", "message", "template", "symptom", "documentation")
    for name in names:
        if value := getattr(explanation, name):
            yield _indented(f"{name}: {value}")
    for name, value in explanation.captured.items():
        yield _indented(f"  {name}: {value}")
    yield ""
    yield from _page(explanation.cause) if explanation.cause else (_NO_PAGE,)


def _indented(text: str) -> str:
    """Indent all lines but the first: no line of a message looks like one of this command."""
    return text.replace("\n", "\n    ")


def _page(page: CausePage) -> Iterator[str]:
    yield from (f"# {page.title}", "", page.meaning, "", page.cure)
    for query in page.seeing:
        yield from _block(query.about, query.sql)
    if page.migration:
        yield from _block(f"Migration to review. {page.migration.about}", page.migration.sql)
    if page.draft:
        draft = page.draft
        yield from _block(f"Draft of a fix ({draft.type}). {draft.about}", draft.script)
        yield from _block(f"Its parameters: {draft.parameters}", "")
        yield from _block("Undo." if draft.undo else f"No undo: {draft.irreversible}", draft.undo)
        yield from _block("Probe: `mended` is true once the cause is gone.", draft.probe)
        yield from _block("What the owner has to run before.", ";\n".join((*draft.needs, "")))


def _block(about: str, sql: str) -> Iterator[str]:
    """A sentence and the statements below it, indented."""
    yield from ("", about)
    yield from (f"    {line}" if line else "" for line in sql.strip().splitlines())
