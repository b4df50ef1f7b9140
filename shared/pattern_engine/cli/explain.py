"""`pattern-engine explain`: what an error means, how its cause is seen, and what may mend it.

A text is explained offline, without settings, database or network. With `--pattern` the project
explains the latest error of a pattern.
"""

import json
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from pattern_engine.cli import abbreviations, remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName
from pattern_engine.cli.terminal import AsJson, show
from pattern_engine.steering.explaining import explained
from pattern_engine.steering.models import CausePage, Explanation

_NO_PAGE = "There is no page about this error."


commands = typer.Typer()


@commands.command("explain")
def run(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="the error as it was logged; - reads standard input"),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="a pattern of the project instead of a text, by id"),
    ] = None,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Explain an error: what it means, how its cause is seen, and what may mend it.

    A text is explained offline; only a pattern needs a project.

    The exit code is 0 if there is a page about it, else 1.
    """
    if (text is None) == (pattern is None):
        raise typer.BadParameter("give one of the two", param_hint="TEXT or --pattern")
    if pattern is None:
        explanation = explained(sys.stdin.read() if text == "-" else str(text))
    else:
        here = remote.connect(project, data_dir)
        pattern_id = abbreviations.pattern_id(here, pattern)
        found = here.get("explain", pattern_id=pattern_id)
        explanation = Explanation.model_validate(found)
    if as_json:
        show(json.dumps(explanation.model_dump(mode="json"), indent=2))
    else:
        show("\n".join(_shown(explanation)))
    return 0 if explanation.cause else 1


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
