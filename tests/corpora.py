"""Real messages to group: the shipped sample, and the labelled corpora where they are."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pattern_engine.demo import history

FOLDER = Path(
    os.environ.get("PATTERN_ENGINE_CORPORA")
    or Path(__file__).resolve().parents[2] / "shared" / "corpora"
)
SAMPLE = "sample"
NAMES = (
    SAMPLE,
    "pg_errors.dev",
    "supabase_errors.dev",
    *(
        f"loghub/{name}"
        for name in (
            "Apache",
            "BGL",
            "HDFS",
            "Hadoop",
            "HealthApp",
            "Linux",
            "OpenSSH",
            "Proxifier",
        )
    ),
)


def _file(name: str) -> Path:
    return FOLDER / f"{name}.jsonl.gz"


def params(*names: str) -> list[Any]:
    """Return corpora as parameters of a test; one that is not there is skipped, with the reason."""
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name != SAMPLE and not _file(name).exists(), reason=f"{_file(name)} is not there"
            ),
        )
        for name in names or NAMES
    ]


def messages(name: str) -> list[str]:
    """Return the messages of a corpus, in its order."""
    if name == SAMPLE:
        return [row["message"] for row in history.log_rows()]
    return [row["message"] for row in rows(name)]


def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a labelled corpus."""
    return [json.loads(line) for line in gzip.decompress(_file(name).read_bytes()).splitlines()]


def partition(keys: list[str]) -> set[tuple[int, ...]]:
    """Return the groups that keys make, each as the places of its members."""
    members: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        members.setdefault(key, []).append(place)
    return set(map(tuple, members.values()))
