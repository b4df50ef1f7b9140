"""`pattern-engine cluster` and `stats`: how patterns and fixes are doing."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from pattern_engine.cli import remote
from pattern_engine.cli.locations import DataDirectory
from pattern_engine.cli.profiles import LOCAL
from pattern_engine.cli.remote import ProjectName
from pattern_engine.cli.screen import (
    bar,
    bars,
    fields,
    heading,
    line,
    paint,
    short,
    table,
    text,
    when,
)
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
    days: Annotated[
        int, typer.Option(metavar="COUNT", min=1, max=90, help="how many days the chart has")
    ] = 14,
    project: ProjectName = LOCAL,
    data_dir: DataDirectory = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the figures of learning and healing, with a chart."""
    here = remote.connect(project, data_dir)
    found = here.get("statistics")["statistics"]
    found["by_day"] = list(_by_day(here.rpc("console_statistics_v1", p_days=days)))
    if as_json:
        show_json(found)
    else:
        paint(*_painted(found))


def _by_day(daily: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what was counted on each day of UTC, also on those without anything."""
    counted = {(each["figure"], each["day"]): each["number"] for each in daily["counted"]}
    runs = {each["day"]: each for each in daily["runs"] if each["pattern_type"] == "all"}
    first, last = (date.fromisoformat(daily[name]) for name in ("first_day", "last_day"))
    for number in range((last - first).days + 1):
        day = (first + timedelta(days=number)).isoformat()
        of_runs = runs.get(day, {})
        yield {
            "day": day,
            "errors": counted.get(("errors", day), 0),
            "new_patterns": counted.get(("new_patterns", day), 0),
            "runs": of_runs.get("runs", 0),
            "healed": of_runs.get("healed", 0),
            "failed": of_runs.get("failed", 0),
            "seconds_to_heal": of_runs.get("heal_median"),
        }


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
    yield heading("By day (UTC)")
    most = max(each["errors"] for each in found["by_day"])
    yield table(
        ("day", "errors", "", "new patterns", "healed", "failed", "time to heal"),
        (
            (
                each["day"],
                each["errors"],
                bar(each["errors"], most, 24),
                each["new_patterns"],
                text(each["healed"], "green" if each["healed"] else "dim"),
                text(each["failed"], "red" if each["failed"] else "dim"),
                "" if each["seconds_to_heal"] is None else f"{each['seconds_to_heal']:.1f} s",
            )
            for each in found["by_day"]
        ),
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
