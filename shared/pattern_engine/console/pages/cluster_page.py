"""Clusters: all of them as a picture and a table, and the members of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pattern_engine.console import scatter
from pattern_engine.console.visits import Go, Page, Route
from pattern_engine.console.website import Site
from pattern_engine.exceptions import NotFound
from pattern_engine.overview import sessions

if TYPE_CHECKING:
    from uuid import UUID

    from pattern_engine.console.visits import Json, Visit

MOST_POINTS = 2_000


def show(visit: Visit) -> Page:
    """All clusters."""
    found = visit.read("console_clusters_v1", points=MOST_POINTS)
    clusters = [_with_type(cluster) for cluster in found["clusters"]]
    picture = _drawn(found, clusters, visit) if found["points"] else None
    return Page(
        "clusters.html",
        {
            "session": found["session"],
            "clusters": clusters,
            "picture": picture,
            "points": len(found["points"]),
            "members": sum(cluster["cluster_size"] for cluster in clusters),
        },
    )


def _drawn(found: Json, clusters: list[Json], visit: Visit) -> Json:
    for place, cluster in enumerate(clusters):
        cluster |= {"form": scatter.form(place), "color": scatter.color(place)}
    url = Site.at(visit.settings.console_url).url
    drawn = scatter.picture(
        [scatter.Point(*point) for point in found["points"]],
        len(clusters),
        lambda pattern_id: url(f"/patterns/{pattern_id}"),
    )
    return {"drawn": drawn, "width": scatter.WIDTH, "height": scatter.HEIGHT}


def _with_type(cluster: Json) -> Json:
    """Add the type that most patterns of a cluster have, and how many have it."""
    types: dict[str, int] = cluster["patterns_by_type"] or {}
    name, count = max(types.items(), key=lambda item: item[1], default=("unknown", 0))
    return cluster | {"type": name, "of_type": count}


def show_one(visit: Visit, cluster_id: UUID) -> Page:
    """The members of a cluster, 100 on a page."""
    asked = visit.asked("page", "1")
    page = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 7 else 1
    found = visit.read("console_cluster_v1", cluster_id=str(cluster_id), page=page)
    if found is None:
        raise NotFound(
            "There is no such cluster any more: every clustering makes new ones. "
            "The page Clusters has those of now."
        )
    return Page("cluster.html", {"cluster": _with_type(found)})


def make(visit: Visit) -> Go:
    """Cluster now."""
    made = sessions.run(visit.caller, visit.database)
    number, patterns = len(made.clusters), made.patterns_analyzed
    return Go("/clusters", f"{patterns:,} patterns were put into {number} clusters.")


ROUTES: tuple[Route, ...] = (
    Route("GET", "/clusters", show),
    Route("POST", "/clusters", make),
    Route("GET", "/clusters/<uuid:cluster_id>", show_one),
)
