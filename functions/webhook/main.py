"""POST /webhook: learn from new rows of ops.system_logs, and heal those whose fix is enabled.

Caller: the database, by the webhook secret. It may send a row any number of times.
"""

from pattern_engine import endpoints, webhook
from pattern_engine.http import Call, serve
from pattern_engine.models import WebhookRequest, WebhookResponse


@serve(endpoints.WEBHOOK)
def main(call: Call[WebhookRequest]) -> WebhookResponse:
    """Work on the rows and answer how many were learned and healed."""
    return webhook.receive(call.body, call.database, call.settings)
