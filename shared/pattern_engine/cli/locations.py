"""Which project and which data directory a command works on."""

from pathlib import Path
from typing import Annotated

import typer

from pattern_engine.local.project import Project

DataDirectory = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIRECTORY",
        help="where the stack keeps its data",
        show_default=".pattern-engine",
    ),
]
ProjectDirectory = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIRECTORY",
        help="directory that contains supabase/",
        show_default="the current directory or one above it, else this package's project",
    ),
]


def project_at(directory: Path | None) -> Project:
    """Return the project in a directory, or the one around the current directory."""
    return Project.at(directory) if directory else Project.find()


def data_directory(chosen: Path | None, project: Path | None) -> Path:
    """Return the data directory that was chosen, or the project's own."""
    return chosen.resolve() if chosen else project_at(project).data_directory
