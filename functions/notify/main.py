"""POST /notify: send the notifications that are due, by Apprise.

Callers: the job of each minute, by the webhook secret. Needs the extra `notify`.
"""

from pattern_engine.notify import outbox
from pattern_engine.notify.endpoints import NOTIFY
from pattern_engine.notify.models import NotifyRequest, NotifyResponse
from pattern_engine.serving.serve import Call, serve


@serve(NOTIFY)
def main(call: Call[NotifyRequest]) -> NotifyResponse:
    """Send message after message, and answer how many were accepted."""
    return outbox.send_due(call.database, call.settings)
