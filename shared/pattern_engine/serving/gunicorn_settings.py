"""How gunicorn serves the functions: `gunicorn --config python:THIS_MODULE`.

The image and the local stack both start with this, so what the tests attack is what is deployed.
gunicorn reads the names below; a command line or GUNICORN_CMD_ARGS overrides them.
"""

from __future__ import annotations

import os

from pattern_engine.limits import MAX_TIMEOUT_MS

_LONGEST_FIX_SECONDS = max(MAX_TIMEOUT_MS.values()) // 1000
_SPARE_SECONDS = 30

bind = f"0.0.0.0:{os.environ.get('PORT', '8080')}"
wsgi_app = "functions_framework:create_app('main', 'functions/pattern_analyzer/main.py')"

# Requests wait for the database and for fixes, not for a processor: one process with many threads
# shares its connections and caches. `buffering` keeps slow clients out of the threads.
worker_class = "pattern_engine.serving.buffering.BufferingWorker"
workers = 1
threads = 64
worker_connections = 512
keepalive = 75

# A process that does not come to its main loop for so long is ended; a fix never takes as long. One
# that is told to stop finishes the fixes that run, if its host grants the time.
timeout = _LONGEST_FIX_SECONDS + _SPARE_SECONDS
graceful_timeout = _LONGEST_FIX_SECONDS + _SPARE_SECONDS

# Each request is logged by the function itself, as one JSON line.
accesslog = None
loglevel = "warning"
control_socket_disable = True
