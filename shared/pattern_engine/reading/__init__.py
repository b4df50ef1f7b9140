"""Reading an error as it was logged: the root error of a text, out of all its envelopes.

`reading` is the main module. `prefixes` knows log lines, `objects` and `dumps` printed objects,
`traces` and `panics` stack traces, `frames` those that are data, `labelled` PostgreSQL's labels and
sections, and `wrappers` with its table `forms` what drivers and libraries write around a message;
`sections`, `sqlstates` and `places` are the words that these look for.
"""

from pattern_engine.reading.error import Frame, ReadError
from pattern_engine.reading.reading import read

__all__ = ["Frame", "ReadError", "read"]
