"""A worker in a process of its own, which a test kills: it sends what is due, as /notify does."""

import os

from pattern_engine.database.database import Database
from pattern_engine.notify import outbox
from pattern_engine.settings import from_environment

settings = from_environment(os.environ)
outbox.send_due(Database(settings), settings)
