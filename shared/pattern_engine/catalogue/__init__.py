"""Known messages of databases, services and runtimes: what an error is, by its wording.

`find` names the entry of a message, `detail` the objects in a detail or a context of PostgreSQL.
`finding` decides, `template` matches, `file` reads the data. `build` and the modules that it
imports make the data from `tables/` and from PostgreSQL's own catalogues.
"""

from pattern_engine.catalogue.file import End
from pattern_engine.catalogue.finding import (
    RAISED,
    Known,
    detail,
    end_of,
    find,
    may_know,
    may_match,
    start_of,
)

__all__ = [
    "RAISED",
    "End",
    "Known",
    "detail",
    "end_of",
    "find",
    "may_know",
    "may_match",
    "start_of",
]
