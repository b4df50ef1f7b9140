"""POST /webhook: learn from new rows of ops.system_logs, and heal those with an enabled fix.

Caller: the database, by the webhook secret. It may send a row any number of times.
"""

from pattern_engine.healing.endpoints import WEBHOOK
from pattern_engine.healing.models import WebhookRequest, WebhookResponse
from pattern_engine.serving.serve import Call, serve


@serve(WEBHOOK)
def main(call: Call[WebhookRequest]) -> WebhookResponse:
    """Learn from the rows, heal them, and answer the counts."""
    from pattern_engine.healing import delivery  # noqa: PLC0415  late, so that it starts fast

    return delivery.receive(call.body, call.database, call.settings)
