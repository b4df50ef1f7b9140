"""A worker that works on one log row and is killed at one of its calls to the database.

Usage: python dying_worker.py SETTINGS LOG_ID CALL before|after

SETTINGS is a JSON object with the stack's addresses, and `ca_file` for fixes of type api_call. The worker kills itself, without a chance to
tidy up, right before or right after the call of that number; it exits 0 if it makes fewer calls.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from ipaddress import ip_network
from typing import Any

from pattern_engine.database import transport
from pattern_engine.database.database import Database
from pattern_engine.healing import delivery
from pattern_engine.healing.models import WebhookRequest
from pattern_engine.settings import Settings
from pattern_engine.thresholds import Thresholds


def main() -> None:
    """Receive a webhook, until death."""
    addresses = json.loads(sys.argv[1])
    log_id, fatal, moment = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    settings = Settings(
        supabase_url=addresses["api_url"],
        publishable_key=addresses["publishable_key"],
        secret_key=addresses["secret_key"],
        webhook_secret=addresses["webhook_secret"],
        jwt_secret=addresses["jwt_secret"],
        thresholds=Thresholds(cooldown_seconds=0, storm_patterns=1000),
        api_call_networks=(ip_network("127.0.0.0/8"),),
        api_call_ca_file=addresses["ca_file"],
    )
    calls, call = 0, transport.call

    def dying(*arguments: Any, **named: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == fatal and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*arguments, **named)
        if calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    transport.call = dying
    body = {"type": "INSERT", "table": "system_logs", "schema": "ops", "ids": [log_id]}
    delivery.receive(WebhookRequest.model_validate(body), Database(settings), settings)


if __name__ == "__main__":
    main()
