"""POST /rules: list, preview, save or disable grouping rules.

Callers: a signed-in administrator; the database checks the role.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, rule_book
from pattern_engine.steering.models import RulesRequest, RulesResponse


@serve(endpoints.RULES)
def main(call: Call[RulesRequest]) -> RulesResponse:
    """Do the requested action in the caller's name and answer its result."""
    return rule_book.act(call.body, call.caller, call.database)
