"""The shipped sample of errors: where it is from and under which licence, NOTICE.md says."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any


def log_rows(now: datetime | None = None) -> list[dict[str, Any]]:
    """Return the sample as rows for ops.system_logs, oldest first.

    Their times lie between an hour and a week before `now` (UTC): they are history, so that they
    count as patterns and neither look like a storm nor fire a fix.
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
