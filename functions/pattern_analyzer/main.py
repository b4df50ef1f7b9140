"""All endpoints below the specification's path, as in /pattern-analyzer/learn.

It also serves the OpenAPI document at /openapi.json. Deploy the whole folder `functions` with this
file as its source, because it loads the other functions from there.
"""

from pathlib import Path

from pattern_engine.serving.routing import router

main = router(Path(__file__).resolve().parent.parent)
