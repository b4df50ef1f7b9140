"""The sample of errors that the package contains; NOTICE.md names its sources and licences."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any


def log_rows(now: datetime | None = None) -> list[dict[str, Any]]:
    """Return the sample as rows for ops.system_logs, oldest first.

    Their times lie between an hour and a week before `now` (UTC). So the engine learns them as
    old errors: they neither count as a storm nor trigger a fix.
    """
    now = now or datetime.now(UTC)
    compressed = files(__package__).joinpath("errors.jsonl.gz").read_bytes()
    errors = map(json.loads, gzip.decompress(compressed).splitlines())
    return [
        {
            "created_at": (now - timedelta(minutes=error["minutes_ago"])).isoformat(),
            "log_level": "error",
            "message": error["message"],
            "source": error["source"],
        }
        for error in errors
    ]
