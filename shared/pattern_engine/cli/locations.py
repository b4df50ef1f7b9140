"""The options that say which project and which data directory a command works on."""

import argparse
from pathlib import Path

from pattern_engine.local.project import Project


def add_location_options(command: argparse.ArgumentParser) -> None:
    """Add `--data-dir` and `--project`."""
    command.add_argument(
        "--data-dir", type=Path, help="where the stack keeps its data (default: .pattern-engine)"
    )
    command.add_argument(
        "--project",
        type=Path,
        help=(
            "directory that contains supabase/ "
            "(default: the current directory or one above it, else this package's project)"
        ),
    )


def project(options: argparse.Namespace) -> Project:
    """Return the project that the options name, or the one around the current directory."""
    return Project.at(options.project) if options.project else Project.find()


def data_directory(options: argparse.Namespace) -> Path:
    """Return the data directory that the options name, or the project's own."""
    if options.data_dir:
        chosen: Path = options.data_dir.resolve()
        return chosen
    return project(options).data_directory
