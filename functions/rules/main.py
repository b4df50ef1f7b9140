"""POST /rules: list, preview, save or disable grouping rules.

Callers: an administrator in person; the database decides who that is.
"""

from pattern_engine.serving.serve import Call, serve
from pattern_engine.steering import endpoints, rule_book
from pattern_engine.steering.models import RulesRequest, RulesResponse


@serve(endpoints.RULES)
def main(call: Call[RulesRequest]) -> RulesResponse:
    """Do what is asked in the caller's name, answer it."""
    return rule_book.act(call.body, call.caller, call.database)
