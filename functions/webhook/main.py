"""POST /webhook: learn from new rows of ops.system_logs, and heal those whose fix is enabled.

Caller: the database, by the webhook secret. It may send a row any number of times.
"""

from pattern_engine.healing.endpoints import WEBHOOK
from pattern_engine.healing.models import WebhookRequest, WebhookResponse
from pattern_engine.serving.serve import Call, serve


@serve(WEBHOOK)
def main(call: Call[WebhookRequest]) -> WebhookResponse:
    """Work on the rows and answer how many were learned and healed."""
    from pattern_engine.healing import delivery  # noqa: PLC0415  late, so that it starts fast

    return delivery.receive(call.body, call.database, call.settings)
