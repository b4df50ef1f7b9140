"""The type of an error, one of five, and its severity.

Source: specification, "Error Classification". The types are tried in its order of precedence: an
error about a policy is `rls` even if it quotes SQL. The first line of each expression has the
specification's keywords; the others add words of the same subject, without which Postgres'
`relation "x" does not exist` would be `api`.
"""

import re
from typing import Final

from pattern_engine.learning.features import contains_sql, severity_from_score, severity_score

__all__ = ["classify", "severity"]

_RLS: Final = (
    r"polic(?:y|ies)|permission|access denied"
    r"|row.level security|\brls\b|insufficient.privilege"
    r"|must be owner|must be (?:superuser|member of)"
)
# The subscriptions of Postgres, as in `subscription "s"`, and of Realtime clients are not Stripe's.
_STRIPE: Final = (
    r"stripe|payment"
    r"|(?<!logical replication )\bsubscriptions?\b"
    r"(?! \"|.{0,40}\b(?:publication|replication|channel|realtime))"
    r"|\bcard (?:was )?declined|idempoten(?:t|cy).key|\bcoupon|\binvoice|\brefund|\bcharge\b"
)
_DEPLOYMENT: Final = (
    r"deploy|build|migration"
    r"|\bdocker|from daemon|\bnpm\b|pnpm|\byarn\b|lockfile|error ts[0-9]|bundle function"
    r"|container (?:name|image)|image pull|imagepull|probe failed|\bat statement [0-9]"
    r"|no matching distribution|satisfies the requirement|job running on runner"
)
_DATABASE: Final = (
    r"postgres|supabase"
    r"|sqlstate|sqlalchemy|psycopg|database|prepared statement|replication|deadlock|max client"
    r"|\b(?:relation|constraint|trigger|tablespace|schema|column|extension|sequence) \""
    r"|\bcolumn \S+ (?:does not exist|must appear|of relation)|duplicate key|key violates"
    r"|syntax error at|at or near \"|read-only transaction|transaction block"
    r"|type .{1,60}(?:does not|already) exist"
    r"|function \S+\(.{0,200}\) does not exist|array literal|out of range|too long for type"
    r"|invalid input (?:syntax|value)|covering index|primary key|foreign key|referenced table"
)

#: In order of precedence.
_DETECTED: Final = tuple(
    (kind, re.compile(words, re.IGNORECASE | re.DOTALL))
    for kind, words in (
        ("rls", _RLS),
        ("stripe", _STRIPE),
        ("deployment", _DEPLOYMENT),
        ("database", _DATABASE),
    )
)


def classify(message: str) -> str:
    """Return `rls`, `stripe`, `deployment`, `database`, or else `api`."""
    for kind, words in _DETECTED:
        if words.search(message):
            return kind
    return "database" if contains_sql(message) else "api"


def severity(message: str, given: str | None = None) -> str:
    """Return the given severity, or else the one that the words of the message suggest."""
    return given or severity_from_score(severity_score(message))
