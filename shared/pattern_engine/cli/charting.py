"""`pattern-engine cluster` and `stats`: how patterns and fixes are doing."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from pattern_engine.cli import remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName
from pattern_engine.cli.screen import bars, fields, heading, line, paint, short, table, when
from pattern_engine.cli.terminal import AsJson, show, show_json

commands = typer.Typer()


@commands.command("cluster")
def run_cluster(
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    last: Annotated[
        bool, typer.Option("--last", help="show the clusters of the last time, and make none")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cluster the patterns that behave alike, instead of all clusters before."""
    here = remote.connect(project, data_dir)
    if last:
        columns = (
            "cluster_id,cluster_name,pattern_ids,cluster_size,avg_success_rate,total_occurrences"
        )
        found = {"clusters": here.rows("pattern_clusters", select=columns, order="id")}
    else:
        found = here.call("cluster")
    if as_json:
        show_json(found)
        return
    rows = (
        (
            each["cluster_size"],
            each["total_occurrences"],
            f"{each['avg_success_rate'] or 0:g} %",
            ", ".join(short(one) for one in each["pattern_ids"][:4]),
            each["cluster_name"],
        )
        for each in found["clusters"]
    )
    paint(table(("patterns", "errors", "fixes help", "such as", "cluster"), rows, wide="cluster"))
    if not found["clusters"]:
        show("no three errors of one pattern yet, so there is nothing to cluster")


@commands.command("stats")
def run_stats(
    project: ProjectName = LOCAL, data_dir: DataDirectory = None, *, as_json: AsJson = False
) -> None:
    """Show the figures of learning and healing, with a chart."""
    here = remote.connect(project, data_dir)
    found = here.get("statistics")["statistics"]
    if as_json:
        show_json(found)
    else:
        paint(*_painted(found))


def _painted(found: dict[str, Any]) -> Iterator[RenderableType]:
    yield fields(
        (
            ("patterns", found["total_patterns"]),
            ("with an enabled fix", found["enabled_patterns"]),
            ("ever approved", found["approved_patterns"]),
            ("runs of fixes", found["total_applications"]),
            ("fixes help", f"{found['avg_success_rate']:g} % on average over all patterns"),
            ("not learnable", found["unlearnable"]["total"] or None),
            ("counted", when(found["as_of"])),
        )
    )
    yield heading("Patterns by type")
    yield bars(found["patterns_by_type"].items())
    waiting = found["awaiting_approval"]
    if waiting:
        yield heading("Errors that wait for a fix")
        yield bars(
            (
                f"{short(each['pattern_id'])} {line(each['template'], longest=40)}",
                each["occurrence_count"],
            )
            for each in waiting[:15]
        )
