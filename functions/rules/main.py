"""POST /rules: list, preview, save or disable grouping rules.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine import rule_book, steering_endpoints
from pattern_engine.http import Call, serve
from pattern_engine.steering_models import RulesRequest, RulesResponse


@serve(steering_endpoints.RULES)
def main(call: Call[RulesRequest]) -> RulesResponse:
    """Do what is asked in the caller's name, answer it."""
    return rule_book.act(call.body, call.caller, call.database)
