"""For applications: log their errors to `ops.system_logs`, from `logging` or from structlog.

This package is for the application's own process. It imports nothing else of the engine and nothing
but the standard library. Rows are sent by a thread, so that a log call never waits for the network
and never raises; see `row_queue` for what happens while the server is down.

    import logging
    from pattern_engine.handlers import PatternEngineHandler

    logging.getLogger().addHandler(PatternEngineHandler(source="shop"))
"""

from pattern_engine.handlers.log_handler import PatternEngineHandler
from pattern_engine.handlers.structlog_processor import PatternEngineProcessor

__all__ = ["PatternEngineHandler", "PatternEngineProcessor"]
