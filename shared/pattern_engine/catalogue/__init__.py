"""Known messages of databases, services and runtimes: what an error is, by its wording.

`find` names the entry of a message. `finding` decides, `template` matches, `file` reads the data.
`build` and the modules that it imports make the data from `tables/` and PostgreSQL's catalogues.
"""

from pattern_engine.catalogue.finding import RAISED, Known, find

__all__ = ["RAISED", "Known", "find"]
